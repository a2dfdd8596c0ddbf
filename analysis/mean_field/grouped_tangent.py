"""Responses of effective samples that share their histories: the tangent process in full batch.

K(t, q) depends on a copy through its curvatures A^q .. A^t alone (see
:mod:`analysis.mean_field.tangent`). In full batch a hinge's curvature is 0 or 1 and seldom
changes, so most copies have had the same curvatures since q: one column serves them all until they
part. A hundredth (descent) to a fifth (Langevin) of the columns are left, and nothing is
approximated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.arrays import FloatArray

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
BLOCK = 16
"""Columns q in a block, which share their groups; the part with t < q is stored as zeros."""


class GroupedTangent:
    """K(t, q) of every copy; row by row, forward in t; as :class:`.tangent.Tangent`."""

    def __init__(self, n_steps: int) -> None:
        self._n_steps = n_steps
        self._blocks: list[_Block] = []

    def step(self, t: int, response: FloatArray, curvature: FloatArray) -> FloatArray:
        """Return E[K(t, q)] for q = 0 .. t, the equal-time part last.

        Parameters
        ----------
        t
            The step; must follow the last one.
        response : shape (t,)
            R(t, 0 .. t-1).
        curvature : shape (n,)
            A^t of every copy, zero or one positive constant.
        """
        means = np.empty(t + 1)
        small = curvature.astype(np.float32)
        weights = response.astype(np.float32)
        for block in self._blocks:
            sums = block.step(t - block.first, weights[block.first :], small)
            means[block.first : block.first + sums.size] = sums / curvature.size
        if t % BLOCK == 0:
            self._blocks.append(_Block(t, self._n_steps, small))
        self._blocks[-1].open_column(small)
        means[t] = curvature.mean()
        return means


class _Groups:
    """Copies that have been active at the same steps so far."""

    def __init__(self, curvature: Floats) -> None:
        self._of = np.zeros(curvature.size, dtype=np.int64)
        self.leader = np.zeros(1, dtype=np.int64)
        """One copy of each group."""
        self.size = np.array([curvature.size])
        """Copies in each group."""
        self.split(curvature)

    def split(self, curvature: Floats) -> Indices:
        """Part active from idle copies; return the group that each new group was in."""
        moving = np.flatnonzero(curvature != curvature[self.leader[self._of]])
        if not moving.size:
            return moving
        left = self._of[moving]
        table = np.full(self.leader.size, -1)
        table[left] = moving
        parents = np.flatnonzero(table >= 0)
        leaders = table[parents]
        table[parents] = self.leader.size + np.arange(parents.size)
        self._of[moving] = table[left]
        self.leader = np.concatenate([self.leader, leaders])
        self.size = np.bincount(self._of)
        return parents


class _Block:
    """K(t, q) for neighbouring columns q, stored once for every group that was active at q."""

    def __init__(self, first: int, n_steps: int, curvature: Floats) -> None:
        self.first = first
        """Smallest q."""
        self._groups = _Groups(curvature)
        self._most = BLOCK * curvature.size
        self._rows = np.empty((n_steps + 1 - first, 0), dtype=np.float32)
        """K(first + k, q) in row k; zero where k < q - first."""
        self._n_columns = 0
        self._column = np.zeros(0, dtype=np.int64)
        """q - first of what is stored, ..."""
        self._group = np.zeros(0, dtype=np.int64)
        """... its group, ..."""
        self._leader = np.zeros(0, dtype=np.int64)
        """... a copy of the group, ..."""
        self._size = np.zeros(0, dtype=np.int64)
        """... and the number of its copies."""

    def step(self, filled: int, weights: Floats, curvature: Floats) -> FloatArray:
        """Fill a row from those before; return its sums over copies, one per column q."""
        self._split(filled, curvature)
        used = self._group.size
        latest = self._rows[filled, :used]
        np.dot(weights, self._rows[:filled, :used], out=latest)
        latest *= curvature[self._leader]
        return np.asarray(
            np.bincount(self._column, latest * self._size, self._n_columns), dtype=np.float64
        )

    def open_column(self, curvature: Floats) -> None:
        """Begin the next column, q being the present step."""
        k = self._n_columns
        value = curvature[self._groups.leader]
        active = np.flatnonzero(value)
        new = self._append(k + 1, np.full(active.size, k), active)
        self._rows[:k, new] = 0.0
        self._rows[k, new] = value[active]
        self._n_columns = k + 1

    def _split(self, filled: int, curvature: Floats) -> None:
        """Give groups that part from others columns of their own."""
        n_groups = self._groups.leader.size
        parents = self._groups.split(curvature)
        if not parents.size:
            return
        place = np.full((self._n_columns, n_groups), -1)
        place[self._column, self._group] = np.arange(self._group.size)
        sources = place[:, parents]
        column, child = np.nonzero(sources >= 0)
        new = self._append(filled, column, n_groups + child)
        self._rows[:filled, new] = self._rows[:filled, sources[column, child]]

    def _append(self, filled: int, column: Indices, group: Indices) -> slice:
        """Make room for columns; return where they are."""
        used = self._group.size
        needed = used + group.size
        if needed > self._rows.shape[1]:
            room = max(needed, min(needed + needed // 2, self._most))
            rows = np.empty((len(self._rows), room), dtype=np.float32)
            rows[:filled, :used] = self._rows[:filled, :used]
            self._rows = rows
        self._column = np.concatenate([self._column, column])
        self._group = np.concatenate([self._group, group])
        self._leader = self._groups.leader[self._group]
        self._size = self._groups.size[self._group]
        return slice(used, needed)
