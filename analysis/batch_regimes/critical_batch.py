"""B*(P): the first batch size at which more than T = eta/B decides the weight change.

At fixed T the weight change does not depend on B until the first step alone moves the weights as
far as noise does. B* is where dw(B)/dw(1) first exceeds 1.1, interpolated, provided that the
learning rate T B is still well inside the stable range; else instability would pass for B*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.arrays import FloatArray, IntArray
from analysis.batch_regimes.grid import BatchGrid
from analysis.estimates import (
    Estimate,
    bootstrap_stderr,
    estimate_from_replicates,
    mean_over_runs,
    resampled_means,
)
from analysis.fits.form import Form
from analysis.fits.power_law import PowerLaw, fit_power
from analysis.locating.first_crossing import crossing_after, crossings_of_samples, first_rise

EXCESS = 1.1
"""dw(B)/dw(1) at B*."""
STABLE_SHARE = 0.5
"""Largest learning rate in units of eta_max at which batch sizes are compared."""

LOCATED = "located"
BEYOND = "beyond the stable step"
ABOVE = "B* > Bmax"
TOO_FEW = "too few batch sizes"
_LOG_EXCESS = math.log(EXCESS)
_SLACK = 1 + 1e-9
_GROWTH = Form("C P^g", falling=False, from_residuals=True)


@dataclass(frozen=True)
class CriticalBatch:
    """B* at one size and temperature, or why there is none."""

    n_train: int
    """P."""
    temperature: float
    """T."""
    value: float | None
    """B*, or None if it was refused."""
    log_stderr: float | None
    """Bootstrap standard error of ln B*."""
    bracket: tuple[int | None, int | None]
    """Batch sizes that enclose B*; None on an open side."""
    n_seeds: int
    """Seeds compared at the bracket."""
    status: str
    """``located`` or the reason of the refusal, in fixed words."""
    message: str
    """One sentence with the numbers behind a refusal; else empty."""
    log_replicates: FloatArray = field(repr=False)
    """ln B* of resampled seeds, shape (n_bootstrap,)."""

    def estimate(self) -> Estimate | None:
        """Return B* as an estimate, None if it is refused."""
        if self.value is None:
            return None
        return estimate_from_replicates(
            self.value,
            self.log_replicates,
            self.n_seeds,
            definition=f"batch size at which dw exceeds {EXCESS:g} times that at the smallest B, "
            "paired by seed",
            fit_range=f"P = {self.n_train}, T = {self.temperature:.3g}, "
            f"B = {self.bracket[0]}..{self.bracket[1]}",
            logarithmic=True,
        )


def locate_critical_batches(grid: BatchGrid, stable_rate: float) -> tuple[CriticalBatch, ...]:
    """Locate B* at every measured (P, T).

    Parameters
    ----------
    stable_rate
        eta_max; batch sizes with T B > eta_max/2 are not used.
    """
    ratios = grid.paired("relative_weight_change")
    return tuple(
        _locate(grid, ratios[p, t], p, t, stable_rate)
        for p in range(len(grid.sizes))
        for t in range(len(grid.temperatures))
        if grid.n_runs[p, t].any()
    )


def _locate(
    grid: BatchGrid, ratios: FloatArray, p: int, t: int, stable_rate: float
) -> CriticalBatch:
    measured = grid.n_runs[p, t] > 0
    calm = grid.learning_rates[t] <= STABLE_SHARE * stable_rate * _SLACK
    known = np.isfinite(ratios).any(axis=1)
    index = np.flatnonzero(measured & calm & known)
    base = _unlocated(grid, p, t)
    if len(index) < 2:
        status = BEYOND if (measured & ~calm).any() else TOO_FEW
        reason = f"{len(index)} batch sizes with eta <= {STABLE_SHARE * stable_rate:.3g}"
        return _refuse(base, status, reason)
    log_b = np.log(grid.batch_sizes[index])
    means = mean_over_runs(ratios[index])
    k = int(first_rise(means, _LOG_EXCESS))
    if k < 0:
        hidden = bool(measured[index[-1] + 1 :].any())
        return _not_reached(base, grid, index, float(means[-1]), hidden, stable_rate)
    samples = resampled_means(ratios[index], grid.weights)
    replicates = crossings_of_samples(log_b, samples, k, _LOG_EXCESS, window="rising")
    seeds = int(np.isfinite(ratios[index[k : k + 2]]).all(axis=0).sum())
    return replace(
        base,
        value=math.exp(crossing_after(log_b, means, k, _LOG_EXCESS)),
        log_stderr=bootstrap_stderr(replicates, seeds),
        bracket=(int(grid.batch_sizes[index[k]]), int(grid.batch_sizes[index[k + 1]])),
        n_seeds=seeds,
        status=LOCATED,
        log_replicates=replicates,
    )


def _unlocated(grid: BatchGrid, p: int, t: int) -> CriticalBatch:
    return CriticalBatch(
        n_train=int(grid.sizes[p]),
        temperature=float(grid.temperatures[t]),
        value=None,
        log_stderr=None,
        bracket=(None, None),
        n_seeds=0,
        status="",
        message="",
        log_replicates=np.full(len(grid.weights), np.nan),
    )


def _not_reached(
    base: CriticalBatch,
    grid: BatchGrid,
    index: IntArray,
    log_ratio: float,
    hidden: bool,
    stable_rate: float,
) -> CriticalBatch:
    """Refuse B* as a lower bound; `hidden`: larger B were measured beyond the stable step."""
    bottom, top = (int(grid.batch_sizes[k]) for k in (index[0], index[-1]))
    base = replace(base, bracket=(top, None))
    reason = f"dw({top})/dw({bottom}) = {math.exp(log_ratio):.3f} at the largest B"
    if not hidden:
        return _refuse(base, ABOVE, reason)
    rate = STABLE_SHARE * stable_rate
    return _refuse(base, BEYOND, f"{reason} with eta <= eta_max/2 = {rate:.3g}")


def _refuse(base: CriticalBatch, status: str, reason: str) -> CriticalBatch:
    where = f"P={base.n_train}, T={base.temperature:.3g}"
    return replace(base, status=status, message=f"{status} at {where}: {reason}")


@dataclass(frozen=True)
class CriticalBatchLaw:
    """B* ~ P^g at one temperature."""

    temperature: float
    """T."""
    batches: tuple[CriticalBatch, ...]
    """One per size, refused ones included."""
    fit: PowerLaw
    """The fit of B* = C P^g."""

    @property
    def located(self) -> tuple[CriticalBatch, ...]:
        """The sizes that have a B*."""
        return tuple(batch for batch in self.batches if batch.value is not None)

    @property
    def exponent(self) -> Estimate | None:
        """g, None below four sizes or a factor eight in P."""
        return self.fit.quoted


def fit_critical_batches(batches: Sequence[CriticalBatch]) -> tuple[CriticalBatchLaw, ...]:
    """Fit B* = C P^g at every temperature; refused sizes never enter."""
    laws = []
    for temperature in sorted({batch.temperature for batch in batches}):
        own = tuple(batch for batch in batches if batch.temperature == temperature)
        located = [batch for batch in own if batch.value is not None]
        n_bootstrap = len(own[0].log_replicates)
        fit = fit_power(
            np.array([batch.n_train for batch in located], dtype=np.int64),
            np.log([batch.value or math.nan for batch in located]),
            np.array([batch.log_stderr or 0.0 for batch in located]),
            np.stack([batch.log_replicates for batch in located], axis=1)
            if located
            else np.empty((n_bootstrap, 0)),
            n_clusters=min((batch.n_seeds for batch in located), default=1),
            symbol="B*",
            form=_GROWTH,
            refused=[batch.n_train for batch in own if batch.value is None],
            definition=f"exponent g of B* = C P^g at T = {temperature:.3g}",
        )
        laws.append(CriticalBatchLaw(temperature, own, fit))
    return tuple(laws)
