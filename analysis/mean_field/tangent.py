"""Responses of the effective samples: the part of the mean-field solver that costs T^3.

D(t, q) = dh^t / dzeta^q obeys D(t, q) = delta_tq + sum_{q <= r < t} R(t, r) K(r, q) with
K(t, q) = A^t D(t, q) (equation 3), one triangular system per copy. A copy that is idle at q has
K(t, q) = 0 for every t, so column q holds the copies with A^q != 0 alone: half of the work and of
the memory at active fraction 1/2, a tenth at 1/10, and nothing is approximated.

The work is bound by memory: every step reads all that is stored. Columns are therefore kept in
single precision, in blocks of neighbouring q that one matrix-vector product sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.arrays import FloatArray

BLOCK = 8
"""Columns q in a block; the part of it with t < q is stored as zeros."""


def tangent_bytes(n_steps: int, n_active: float) -> float:
    """Return the bytes of all columns if `n_active` copies are active at a step."""
    rows = n_steps + 1
    return 4.0 * n_active * rows * (rows + BLOCK) / 2.0


@dataclass(frozen=True)
class _Block:
    """K(t, q) for neighbouring columns q."""

    first: int
    """Smallest q."""
    members: npt.NDArray[np.int64]
    """Copies active at q, for one q after the other."""
    starts: npt.NDArray[np.int64]
    """Where each q begins in `members`."""
    rows: npt.NDArray[np.float32]
    """K(first + k, q) in row k, shape (rows, members); zero where t < q."""


class Tangent:
    """K(t, q) of every copy; row by row, forward in t."""

    def __init__(self, n_steps: int) -> None:
        self._n_steps = n_steps
        self._blocks: list[_Block] = []
        self._open: list[_Block] = []

    def step(self, t: int, response: FloatArray, curvature: FloatArray) -> FloatArray:
        """Return E[K(t, q)] for q = 0 .. t, the equal-time part last.

        Parameters
        ----------
        t
            The step; must follow the last one.
        response : shape (t,)
            R(t, 0 .. t-1).
        curvature : shape (n,)
            A^t of every copy.
        """
        means = np.empty(t + 1)
        small = curvature.astype(np.float32)
        weights = response.astype(np.float32)
        for block in (*self._blocks, *self._open):
            filled = t - block.first
            latest = block.rows[filled]
            np.dot(weights[block.first :], block.rows[:filled], out=latest)
            latest *= small[block.members]
            sums = np.add.reduceat(latest, block.starts, dtype=np.float64)
            means[block.first : block.first + sums.size] = sums / curvature.size
        means[t] = curvature.mean()
        self._open.append(_column(t, small))
        if len(self._open) == BLOCK:
            self._blocks.append(_merge(self._open, self._n_steps))
            self._open = []
        return means


def _column(q: int, curvature: npt.NDArray[np.float32]) -> _Block:
    """Return a block of one column, with the rows it needs until it is merged."""
    members = np.flatnonzero(curvature)
    # Sums over columns need at least one member; copy 0 is idle here and adds zero.
    members = members if members.size else np.zeros(1, dtype=np.int64)
    rows = np.zeros((BLOCK + 1, members.size), dtype=np.float32)
    rows[0] = curvature[members]
    return _Block(q, members, np.zeros(1, dtype=np.int64), rows)


def _merge(columns: list[_Block], n_steps: int) -> _Block:
    """Return one block of neighbouring columns with room for all steps to come."""
    first = columns[0].first
    starts = np.cumsum([0] + [column.members.size for column in columns])
    rows = np.empty((n_steps + 1 - first, starts[-1]), dtype=np.float32)
    rows[:BLOCK] = 0.0
    for k, column in enumerate(columns):
        rows[k:BLOCK, starts[k] : starts[k + 1]] = column.rows[: BLOCK - k]
    members = np.concatenate([column.members for column in columns])
    return _Block(first, members, starts[:-1], rows)
