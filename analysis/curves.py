"""One law's rows as arrays over (P, T, seed), with means of logarithms and their resampling.

Weight change and training time are multiplicative, so every mean here is a mean of logarithms
over fitted runs; the counts of censored and diverged runs stand beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.arrays import BoolArray, FloatArray, IntArray
from analysis.estimates import (
    mean_over_runs,
    resampled_means,
    resampling_weights,
    stderr_over_runs,
)
from analysis.table import MeasurementTable, ReadTableError

STABLE_FRACTION = 0.8
"""A cell (P, T) is used if at least this fraction of its runs fitted the data."""

_FITTED, _CENSORED, _DIVERGED = 0, 1, 2
_CODES = {
    "fitted": _FITTED,
    "step_budget": _CENSORED,
    "wall_budget": _CENSORED,
    "diverged": _DIVERGED,
}


@dataclass(frozen=True)
class Runs:
    """Runs at the positions of some axes, as arrays whose last axis is the seed."""

    status: npt.NDArray[np.int8]
    """0 fitted, 1 censored, 2 diverged, -1 no run; shape (..., R)."""
    frame: pd.DataFrame
    """The rows behind the arrays."""
    slots: tuple[IntArray, ...]
    """Position (..., R) of every row."""

    @property
    def n_slots(self) -> int:
        """Length R of the seed axis."""
        return int(self.status.shape[-1])

    @property
    def n_runs(self) -> IntArray:
        """Runs per cell, shape (...)."""
        return np.asarray((self.status >= 0).sum(axis=-1), dtype=np.int64)

    @property
    def n_fitted(self) -> IntArray:
        """Fitted runs per cell, shape (...)."""
        return self._count(_FITTED)

    @property
    def n_censored(self) -> IntArray:
        """Runs per cell that used up a budget, shape (...)."""
        return self._count(_CENSORED)

    @property
    def n_diverged(self) -> IntArray:
        """Diverged runs per cell, shape (...)."""
        return self._count(_DIVERGED)

    @property
    def stable(self) -> BoolArray:
        """Cells in which at least 80 % of the runs fitted the data, shape (...)."""
        runs = self.n_runs
        return np.asarray((runs > 0) & (self.n_fitted >= STABLE_FRACTION * runs))

    def _count(self, code: int) -> IntArray:
        return np.asarray((self.status == code).sum(axis=-1), dtype=np.int64)

    def has(self, observable: str) -> bool:
        """Whether the table holds numbers for `observable`."""
        return observable in self.frame and bool(self.frame[observable].notna().any())

    def values(self, observable: str) -> FloatArray:
        """Return `observable` of the fitted runs, NaN elsewhere, shape (..., R)."""
        array = np.full(self.status.shape, np.nan)
        array[self.slots] = self.frame[observable].to_numpy(dtype=float)
        array[self.status != _FITTED] = np.nan
        return array


def status_of_runs(frame: pd.DataFrame, slots: tuple[IntArray, ...]) -> npt.NDArray[np.int8]:
    """Return how the runs at these positions ended, -1 where there is none."""
    shape = tuple(int(position.max()) + 1 for position in slots)
    status = np.full(shape, -1, dtype=np.int8)
    status[slots] = frame["stop_reason"].map(_CODES).to_numpy(dtype=np.int8)
    return status


@dataclass(frozen=True)
class Curves(Runs):
    """Observables of one law over (P, T, seed); see :func:`build_curves`."""

    sizes: IntArray
    """P, training set sizes in increasing order, shape (P,)."""
    temperatures: FloatArray
    """T = eta/B in increasing order, the union over sizes, shape (T,)."""
    shared_seeds: bool
    """Whether position r of the seed axis is the same seed in every cell."""
    seed_labels: tuple[object, ...]
    """Seed of every position of the seed axis; positions themselves where not shared."""
    n_clusters: int
    """Number S of independent replicas that sets the errors."""

    def log_values(self, observable: str) -> FloatArray:
        """Return ln `observable` of the fitted runs, NaN elsewhere, shape (P, T, R).

        Raises
        ------
        ReadTableError
            If the column is missing or not positive.
        """
        if observable not in self.frame:
            raise ReadTableError(f"the table lacks the column {observable!r}")
        values = self.values(observable)
        wrong = values[np.isfinite(values) & (values <= 0)]
        if wrong.size:
            raise ReadTableError(
                f"{observable}={wrong[0]:g} cannot be averaged in logarithms; it must be positive"
            )
        return np.log(values)

    def log_mean(self, observable: str) -> FloatArray:
        """Return the mean of ln `observable` over fitted runs, shape (P, T)."""
        return mean_over_runs(self.log_values(observable))

    def log_stderr(self, observable: str) -> FloatArray:
        """Return the standard error of :meth:`log_mean`, shape (P, T)."""
        return stderr_over_runs(self.log_values(observable))

    def resampled_log_mean(self, observable: str, n_bootstrap: int, seed: int) -> FloatArray:
        """Return bootstrap replicates of :meth:`log_mean`, shape (n_bootstrap, P, T).

        Equal `seed` draws equal replicas for every observable, so that numbers derived from
        different observables keep their correlation.
        """
        rng = np.random.default_rng(seed)
        logs = self.log_values(observable)
        if not self.shared_seeds:
            return self._resample_cells(logs, n_bootstrap, rng)
        return resampled_means(logs, resampling_weights(self.n_slots, n_bootstrap, rng))

    def _resample_cells(
        self, logs: FloatArray, n_bootstrap: int, rng: np.random.Generator
    ) -> FloatArray:
        means = np.full((n_bootstrap, *logs.shape[:2]), np.nan)
        runs = self.n_runs
        for p, t in np.argwhere(runs > 0):
            n = int(runs[p, t])
            weights = resampling_weights(n, n_bootstrap, rng)
            means[:, p, t] = resampled_means(logs[p, t, :n], weights)
        return means


def build_curves(rows: pd.DataFrame | MeasurementTable) -> Curves:
    """Arrange the rows of one law on the grid of sizes, temperatures and seeds.

    Parameters
    ----------
    rows
        The frame of a :class:`~analysis.table.TableGroup`, or a table that holds one law.
    """
    frame = rows.frame if isinstance(rows, MeasurementTable) else rows
    frame = frame.sort_values(
        [c for c in ("n_train", "temperature", "seed") if c in frame], kind="stable"
    ).reset_index(drop=True)
    sizes, p = np.unique(frame["n_train"].to_numpy(dtype=np.int64), return_inverse=True)
    temperatures, t = np.unique(frame["temperature"].to_numpy(), return_inverse=True)
    cell = p * len(temperatures) + t
    in_cell = frame.groupby(cell).cumcount().to_numpy(dtype=np.int64)
    per_cell = np.bincount(cell)
    per_cell = per_cell[per_cell > 0]
    shared = _seeds_are_shared(frame, cell)
    slot, labels = pd.factorize(frame["seed"], sort=True) if shared else (in_cell, None)
    n_slots = int(slot.max()) + 1
    seed_labels = tuple(range(n_slots)) if labels is None else tuple(labels.tolist())
    # An unfinished cell must not inflate everything, hence the median where seeds are shared.
    n_clusters = int(np.median(per_cell)) if shared else int(per_cell.min())
    slots = (p.astype(np.int64), t.astype(np.int64), slot.astype(np.int64))
    status = status_of_runs(frame, slots)
    return Curves(status, frame, slots, sizes, temperatures, shared, seed_labels, n_clusters)


def _seeds_are_shared(frame: pd.DataFrame, cell: IntArray) -> bool:
    """Whether seeds recur in different cells; labels that never recur are independent rows."""
    if "seed" not in frame:
        return False
    n_cells = len(np.unique(cell))
    recurs = frame.groupby("seed")["n_train"].size().max() > 1
    return bool(recurs or n_cells == 1)


def single_law(table: MeasurementTable) -> Curves:
    """Return the curves of a table that holds one law, at its smallest batch size.

    Raises
    ------
    ReadTableError
        If settings other than the batch size vary.
    """
    groups = table.groups(without=("batch_size",))
    if len(groups) > 1:
        labels = "; ".join(group.label for group in groups)
        raise ReadTableError(
            f"the table holds {len(groups)} laws ({labels}); analyse them with analyse_scaling "
            "or pick one of table.groups()"
        )
    frame = groups[0].frame
    if "batch_size" in frame:
        frame = frame[frame["batch_size"] == frame["batch_size"].min()]
    return build_curves(frame)
