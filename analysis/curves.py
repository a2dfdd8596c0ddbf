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
from analysis.estimates import resampling_weights
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
class Curves:
    """Observables of one law on the grid of sizes and temperatures; see :func:`build_curves`."""

    sizes: IntArray
    """P, training set sizes in increasing order, shape (P,)."""
    temperatures: FloatArray
    """T = eta/B in increasing order, the union over sizes, shape (T,)."""
    n_slots: int
    """Length of the seed axis."""
    shared_seeds: bool
    """Whether position r of the seed axis is the same seed in every cell."""
    seed_labels: tuple[object, ...]
    """Seed of every position of the seed axis; positions themselves where not shared."""
    n_clusters: int
    """Number S of independent replicas that sets the errors."""
    status: npt.NDArray[np.int8]
    """0 fitted, 1 censored, 2 diverged, -1 no run; shape (P, T, R)."""
    frame: pd.DataFrame
    """The rows behind the arrays."""
    slots: tuple[IntArray, IntArray, IntArray]
    """Position (P, T, R) of every row."""

    @property
    def n_runs(self) -> IntArray:
        """Runs per cell, shape (P, T)."""
        return np.asarray((self.status >= 0).sum(axis=2), dtype=np.int64)

    @property
    def n_fitted(self) -> IntArray:
        """Fitted runs per cell, shape (P, T)."""
        return self._count(_FITTED)

    @property
    def n_censored(self) -> IntArray:
        """Runs per cell that used up a budget, shape (P, T)."""
        return self._count(_CENSORED)

    @property
    def n_diverged(self) -> IntArray:
        """Diverged runs per cell, shape (P, T)."""
        return self._count(_DIVERGED)

    @property
    def stable(self) -> BoolArray:
        """Cells in which at least 80 % of the runs fitted the data, shape (P, T)."""
        runs = self.n_runs
        return np.asarray((runs > 0) & (self.n_fitted >= STABLE_FRACTION * runs))

    def _count(self, code: int) -> IntArray:
        return np.asarray((self.status == code).sum(axis=2), dtype=np.int64)

    def has(self, observable: str) -> bool:
        """Whether the table holds numbers for `observable`."""
        return observable in self.frame and bool(self.frame[observable].notna().any())

    def values(self, observable: str) -> FloatArray:
        """Return `observable` of the fitted runs, NaN elsewhere, shape (P, T, R)."""
        array = np.full(self.status.shape, np.nan)
        array[self.slots] = self.frame[observable].to_numpy(dtype=float)
        array[self.status != _FITTED] = np.nan
        return array

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
        known = np.isfinite(logs)
        filled = np.where(known, logs, 0.0)
        if not self.shared_seeds:
            return self._resample_cells(filled, known, n_bootstrap, rng)
        weights = resampling_weights(self.n_slots, n_bootstrap, rng)
        shape = (n_bootstrap, len(self.sizes), len(self.temperatures))
        sums = (weights @ filled.reshape(-1, self.n_slots).T).reshape(shape)
        counts = (weights @ known.reshape(-1, self.n_slots).T.astype(float)).reshape(shape)
        return _ratio(sums, counts)

    def _resample_cells(
        self, filled: FloatArray, known: BoolArray, n_bootstrap: int, rng: np.random.Generator
    ) -> FloatArray:
        means = np.full((n_bootstrap, *filled.shape[:2]), np.nan)
        runs = self.n_runs
        for p, t in np.argwhere(runs > 0):
            n = runs[p, t]
            weights = resampling_weights(int(n), n_bootstrap, rng)
            sums = weights @ filled[p, t, :n]
            means[:, p, t] = _ratio(sums, weights @ known[p, t, :n].astype(float))
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
    status = np.full((len(sizes), len(temperatures), n_slots), -1, dtype=np.int8)
    slots = (p.astype(np.int64), t.astype(np.int64), slot.astype(np.int64))
    status[slots] = frame["stop_reason"].map(_CODES).to_numpy(dtype=np.int8)
    return Curves(
        sizes, temperatures, n_slots, shared, seed_labels, n_clusters, status, frame, slots
    )


def _seeds_are_shared(frame: pd.DataFrame, cell: IntArray) -> bool:
    """Whether seeds recur in different cells; labels that never recur are independent rows."""
    if "seed" not in frame:
        return False
    n_cells = len(np.unique(cell))
    recurs = frame.groupby("seed")["n_train"].size().max() > 1
    return bool(recurs or n_cells == 1)


def mean_over_runs(values: FloatArray) -> FloatArray:
    """Mean over the last axis of what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(float))


def stderr_over_runs(values: FloatArray) -> FloatArray:
    """Standard error of :func:`mean_over_runs`; NaN for fewer than two values."""
    known = np.isfinite(values)
    n = known.sum(axis=-1).astype(float)
    deviations = np.where(known, values - mean_over_runs(values)[..., None], 0.0)
    variance = _ratio((deviations**2).sum(axis=-1), n - 1)
    return np.sqrt(_ratio(variance, n))


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    result = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


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
