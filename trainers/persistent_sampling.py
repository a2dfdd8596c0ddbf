"""Persistent selection: each sample is active or idle and flips now and then.

A sample is active at a step if its random number u lies below a threshold, 1 - P(1->0) if it was
active before and P(0->1) if it was not. One number per sample and step serves both cases, so
plain SGD is the special case of equal thresholds, with the same numbers. For positive
correlation a u below P(0->1) makes a sample active and a u above 1 - P(1->0) makes it idle
*whatever it was before*: walking back to the last such number gives the state at any step without
the history, in about one correlation time.
"""

from __future__ import annotations

import numpy as np

from trainers.compilation import compiled
from trainers.streams import WORD_MASK, Purpose, fill_words, philox_block

_SELECTION = np.uint64(int(Purpose.BATCH))
_ELEVEN = np.uint64(11)
_UNIT = 2.0**-53


@compiled()
def advance_selection(seed, step, fraction, deactivation, activation, words, active):
    """Bring the selection of all samples from step - 1 to `step`, in place.

    Parameters
    ----------
    seed : uint64
    step : int
        Counted from 0, where the state is drawn from the stationary law.
    fraction, deactivation, activation : float
        b, P(1 -> 0) and P(0 -> 1).
    words : uint64 array (M,)
        Work space.
    active : bool array (M,)
    """
    n = active.shape[0]
    fill_words(seed, _SELECTION, step * n, words)
    for k in range(n):
        if step == 0:
            threshold = fraction
        elif active[k]:
            threshold = 1.0 - deactivation
        else:
            threshold = activation
        active[k] = (words[k] >> _ELEVEN) * _UNIT < threshold


@compiled()
def is_active(seed, step, sample, n, fraction, deactivation, activation):
    """Whether a sample is active at a step: random access to :func:`advance_selection`.

    Walks back until the state is known whatever it was before; 1/(1 - correlation) steps on
    average, one for plain SGD. Needs P(1 -> 0) + P(0 -> 1) <= 1 to be short; it is right always.
    """
    flips = 0
    at = step
    while True:
        index = np.uint64(at * n + sample)
        block = philox_block(index >> np.uint64(2), seed, _SELECTION)
        word = block[np.int64(index & np.uint64(3))]
        u = (word >> _ELEVEN) * _UNIT
        if at == 0:
            state = u < fraction
            break
        if u < activation and u < 1.0 - deactivation:
            state = True
            break
        if u >= activation and u >= 1.0 - deactivation:
            state = False
            break
        # Anti-correlated: the state is the opposite of the one before.
        if u < activation:
            flips += 1
        at -= 1
    return state if flips % 2 == 0 else not state


def selection_masks(
    seed: int, n_steps: int, n_samples: int, fraction: float, flips: tuple[float, float]
) -> np.ndarray:
    """Return the selections of the first `n_steps` steps, shape (n_steps, n_samples).

    Examples
    --------
    >>> masks = selection_masks(0, 50, 400, 0.3, (0.1, 0.3 / 7))
    >>> bool(abs(masks.mean() - 0.3) < 0.05)
    True
    """
    masks = np.empty((n_steps, n_samples), dtype=np.bool_)
    active = np.zeros(n_samples, dtype=np.bool_)
    words = np.empty(n_samples, dtype=np.uint64)
    for step in range(n_steps):
        advance_selection(
            np.uint64(seed & WORD_MASK), step, fraction, flips[0], flips[1], words, active
        )
        masks[step] = active
    return masks
