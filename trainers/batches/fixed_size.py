"""Which points enter a step: a pure function of (seed, step, P, B, sampling).

Every step consumes exactly B words of the batch stream, so that step k starts at word k B and
look-ahead may draw any future batch without changing the present one. A full batch consumes
none.
"""

from __future__ import annotations

import numpy as np

from trainers.batches.streams import WORD_MASK, Purpose, bounded, fill_words
from trainers.compiled.compilation import compiled

WITHOUT_REPLACEMENT, WITH_REPLACEMENT, FULL_BATCH = 0, 1, 2
SAMPLING_CODES = {
    "without_replacement": WITHOUT_REPLACEMENT,
    "with_replacement": WITH_REPLACEMENT,
    "full_batch": FULL_BATCH,
}
"""Codes by the names of :data:`search_spaces.choices.SAMPLINGS`."""

_BATCH = np.uint64(int(Purpose.BATCH))


@compiled()
def fill_batches(seed, first_step, n_train, sampling, stamps, words, batches):
    """Write the batches of steps `first_step`, `first_step` + 1, ... into `batches`.

    Without replacement the subset of each step is uniform (Floyd's algorithm: Bentley and
    Floyd, CACM 1987); the order inside a batch is not. A full batch holds 0 .. P-1 in order.

    Parameters
    ----------
    seed : uint64
    first_step : int
        Counted from 0.
    sampling : int
        Code of SAMPLING_CODES.
    stamps : int64 array (n_train,)
        Work space, initially -1; holds the last step that took each point.
    words : uint64 array (n_steps * B,)
        Work space.
    batches : int32 array (n_steps, B)
        Output.
    """
    n_steps, batch_size = batches.shape
    if sampling == FULL_BATCH:
        for k in range(n_steps):
            for j in range(batch_size):
                batches[k, j] = j
        return
    fill_words(seed, _BATCH, first_step * batch_size, words)
    for k in range(n_steps):
        for j in range(batch_size):
            word = words[k * batch_size + j]
            if sampling == WITH_REPLACEMENT:
                batches[k, j] = bounded(word, n_train)
                continue
            last = n_train - batch_size + j
            choice = bounded(word, last + 1)
            if stamps[choice] == first_step + k:
                choice = last
            stamps[choice] = first_step + k
            batches[k, j] = choice


def batch_indices(
    seed: int, first_step: int, n_steps: int, n_train: int, batch_size: int, sampling: str
) -> np.ndarray:
    """Return the batches of `n_steps` steps from `first_step` (0-based), shape (n_steps, B).

    >>> a = batch_indices(0, 0, 10, 64, 4, "without_replacement")
    >>> b = batch_indices(0, 7, 1, 64, 4, "without_replacement")
    >>> bool((a[7] == b[0]).all())
    True
    """
    batches = np.empty((n_steps, batch_size), dtype=np.int32)
    words = np.empty(batches.size, dtype=np.uint64)
    stamps = np.full(n_train, -1, dtype=np.int64)
    code = SAMPLING_CODES[sampling]
    key = np.uint64(seed & WORD_MASK)
    fill_batches(key, first_step, n_train, code, stamps, words, batches)
    return batches
