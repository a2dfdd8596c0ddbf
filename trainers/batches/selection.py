"""Persistent selection: each sample is active or idle and flips now and then.

A sample is active at a step if its random number u lies below a threshold, 1 - P(1->0) if it was
active before and P(0->1) if it was not. One number per sample and step serves both cases, so
plain SGD is the special case of equal thresholds, with the same numbers. For positive
correlation a u below P(0->1) makes a sample active and a u above 1 - P(1->0) makes it idle
*whatever it was before*: walking back to the last such number gives the state at any step without
the history, in about one correlation time.

Trainings weight a sample of the batch by eta/(b P), so that T = eta/B with the mean batch size
B = b P sets the noise as it does for batches of fixed size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from search_spaces import Point
from trainers.batches.streams import WORD_MASK, Purpose, fill_words, philox_block
from trainers.compiled.compilation import compiled

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


@compiled()
def open_selection(draw, step, active):
    """Bring the selection of all samples to the step before `step`, from the seed alone.

    Parameters
    ----------
    draw : tuple
        Seed (uint64), b, P(1 -> 0) and P(0 -> 1).
    active : bool array (M,)
        Receives the selection; before step 0 there is none.
    """
    seed, fraction, deactivation, activation = draw
    n = active.shape[0]
    for k in range(n):
        active[k] = step > 0 and is_active(
            seed, step - 1, k, n, fraction, deactivation, activation
        )


def draw_of(point: Point, seed: int) -> tuple[np.uint64, float, float, float]:
    """Return what defines the selections of a training: seed, b, P(1 -> 0) and P(0 -> 1)."""
    assert point.active_fraction is not None
    return np.uint64(seed & WORD_MASK), point.active_fraction, *point.flips


def walk_selections(point: Point, seed: int, first: int = 0) -> Iterator[np.ndarray]:
    """Yield the samples of the batches of steps `first`, `first` + 1, ... for ever."""
    draw = draw_of(point, seed)
    active = np.empty(point.n_train, dtype=np.bool_)
    words = np.empty(point.n_train, dtype=np.uint64)
    open_selection(draw, first, active)
    for step in itertools.count(first):
        advance_selection(draw[0], step, *draw[1:], words, active)
        yield np.flatnonzero(active)


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
