"""Which columns of a sample can have a tail index, and how many cannot, by reason.

A parameter behind a dead unit has no noise; one that most minibatches leave alone has a point
mass at its mean gradient, where a density means nothing. They are excluded and counted, never
averaged in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.arrays import FloatArray

USED = "used"
NOT_FINITE = "not finite"
TOO_FEW = "fewer than 100 minibatches"
DEAD = "dead (constant)"
ATOM = "atom of 5 % or more"
REASONS = (USED, NOT_FINITE, TOO_FEW, DEAD, ATOM)

MINIMUM_SAMPLES = 100
LARGEST_ATOM = 0.05
_BLOCK_ELEMENTS = 2**15
"""Elements worked on at a time: a quarter of a megabyte, which stays in the cache."""


@dataclass(frozen=True)
class Columns:
    """The state of every column."""

    reason: npt.NDArray[Any] = field(repr=False)
    """One of REASONS per column, shape (k,)."""
    atom: FloatArray = field(repr=False)
    """Share of the most frequent exact value if it repeats, shape (k,)."""

    @property
    def used(self) -> npt.NDArray[np.intp]:
        """Positions of the columns that have a tail index."""
        return np.flatnonzero(self.reason == USED)

    @property
    def counts(self) -> dict[str, int]:
        """Number of columns by reason, all reasons listed."""
        return {reason: int((self.reason == reason).sum()) for reason in REASONS}


def screen_columns(matrix: npt.NDArray[Any]) -> Columns:
    """Classify the columns of a sample (n, k).

    An atom is a value that occurs exactly, again and again: the full gradient's negative where
    the minibatch gradient is exactly zero, whatever was subtracted.
    """
    n, k = matrix.shape
    reason = np.full(k, USED, dtype=object)
    atom = np.zeros(k)
    if n < MINIMUM_SAMPLES:
        reason[:] = TOO_FEW
    for chosen in blocks(np.arange(k), n):
        part = matrix[:, chosen]
        finite = np.isfinite(part).all(axis=0) if n else np.zeros(chosen.size, dtype=bool)
        if n:
            atom[chosen] = np.where(finite, _largest_atom(part), np.nan)
            dead = finite & (part.max(axis=0) == part.min(axis=0))
            masses = finite & ~dead & (atom[chosen] >= LARGEST_ATOM)
            if n >= MINIMUM_SAMPLES:
                reason[chosen[masses]] = ATOM
            reason[chosen[dead]] = DEAD
        reason[chosen[~finite]] = NOT_FINITE
    return Columns(reason, atom)


def _largest_atom(part: npt.NDArray[Any]) -> FloatArray:
    """Return the share of the longest run of equal values of each sorted column."""
    n = part.shape[0]
    ordered = np.sort(part, axis=0)
    starts = np.ones(ordered.shape, dtype=bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    position = np.arange(n)[:, None]
    begin = np.maximum.accumulate(np.where(starts, position, 0), axis=0)
    longest = (position - begin + 1).max(axis=0)
    share: FloatArray = np.where(longest > 1, longest / n, 0.0)
    return share


def blocks(positions: npt.NDArray[np.intp], n: int) -> Iterator[npt.NDArray[np.intp]]:
    """Split column positions so that each block holds some ten thousand elements."""
    size = max(1, _BLOCK_ELEMENTS // max(n, 1))
    for begin in range(0, positions.size, size):
        yield positions[begin : begin + size]
