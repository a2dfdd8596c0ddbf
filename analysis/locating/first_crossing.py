"""Where a curve first rises through a level: between which points, and where on their line."""

from __future__ import annotations

from typing import Literal

import numpy as np

from analysis.arrays import FloatArray, IntArray

Window = Literal["free", "clip", "rising"]
"""What a line may do that need not rise inside its bracket: be followed wherever it leads, be held
within the range of x, or give no position (NaN) unless it rises."""


def first_rise(y: FloatArray, level: float = 0.0) -> IntArray:
    """Return k with y[k] < level <= y[k + 1], the first of each curve; -1 where there is none.

    Parameters
    ----------
    y : shape (..., n)
        Curves; NaN counts as below.

    Returns
    -------
    array, shape (...)

    Examples
    --------
    >>> first_rise(np.array([[0.0, 1.0, -1.0, 2.0], [3.0, 2.0, 1.0, 0.0]]), 0.5)
    array([ 0, -1])
    """
    above = np.asarray(y) >= level
    up = ~above[..., :-1] & above[..., 1:]
    if not up.shape[-1]:
        return np.full(up.shape[:-1], -1, dtype=np.int64)
    return np.where(up.any(axis=-1), up.argmax(axis=-1), -1)


def crossing_after(
    x: FloatArray, y: FloatArray, k: int | IntArray, level: float = 0.0, window: Window = "free"
) -> FloatArray:
    """Return x at which the line from point k to point k + 1 reaches `level`; NaN if nowhere.

    Parameters
    ----------
    x : shape (n,)
        In increasing order.
    y : shape (..., n)
        Curves over x.
    k : shape (...)
        Lower end of the bracket of each curve, or one for all.

    Examples
    --------
    >>> float(crossing_after(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 2.0]), 1, 1.5))
    2.0
    """
    steps = np.broadcast_to(k, y.shape[:-1])[..., None]
    y0, y1 = (np.take_along_axis(y, steps + end, axis=-1)[..., 0] for end in (0, 1))
    x0, x1 = x[np.asarray(k)], x[np.asarray(k) + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = x0 + (level - y0) / (y1 - y0) * (x1 - x0)
    if window == "clip":
        found = np.clip(found, x[0], x[-1])
    known = np.isfinite(found) & (y1 > y0) if window == "rising" else np.isfinite(found)
    return np.asarray(np.where(known, found, np.nan))


def crossings_of_samples(
    x: FloatArray, samples: FloatArray, own: int, level: float = 0.0, window: Window = "free"
) -> FloatArray:
    """Return the first rise of every sample through `level`, shape (n_bootstrap,).

    A sample that never rises through it keeps the line of bracket `own`, lest the error shrink.

    Parameters
    ----------
    samples : shape (n_bootstrap, n)
        Resampled curves over x.
    """
    k = first_rise(samples, level)
    return crossing_after(x, samples, np.where(k < 0, own, k), level, window)


def all_crossings(x: FloatArray, y: FloatArray, level: float = 0.0) -> tuple[float, ...]:
    """Return every x at which one curve passes `level`, upward or downward.

    >>> all_crossings(np.arange(3.0), np.array([0.0, 1.0, 0.0]), 0.5)
    (0.5, 1.5)
    """
    return tuple(
        float(crossing_after(x, y, int(k), level)) for k in np.flatnonzero(np.diff(y >= level))
    )
