"""Where the test error is least: T_opt at fixed alpha, from differences paired by seed.

The minimum is shallow, a tenth of the test error, while the error of a single run scatters by a
quarter. Only differences between temperatures at equal seed (same images, same initial weights)
resolve it; T_opt is the minimum of a cubic through their means, never the best of many trials. It
is reported only if its 68 % interval stays inside the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import FloatArray
from analysis.curves import Curves
from analysis.estimates import (
    Estimate,
    bootstrap_stderr,
    estimate_from_replicates,
    resampling_weights,
)
from analysis.table import setting_text

LOCATED = "located"
NOT_RESOLVED = "minimum not resolved"
INSUFFICIENT = "insufficient seeds"
LIMITED = "limited by divergence"

MINIMUM_TEMPERATURES = 6
MINIMUM_SEEDS = 16
"""Percentiles of fewer resampled seeds cover too little."""
DEGREES = (3, 2)
"""The polynomial in ln T that is quoted, and the one that checks it."""
_GRID = 401


@dataclass(frozen=True)
class OptimalTemperature:
    """T_opt of one alpha, or why there is none."""

    alpha: float
    """Initialization scale."""
    n_train: int
    """P."""
    value: float | None
    """T_opt by the cubic, or None if the minimum is not resolved."""
    best: float | None
    """Minimum of the cubic inside the window, resolved or not; None without a fit."""
    by_degree: dict[int, float]
    """Minimum of the polynomial of each degree."""
    interval68: tuple[float, float] | None
    """Percentiles 16 and 84 of the resampled minimum."""
    gain: Estimate | None
    """Test error at T_opt minus that at the lowest temperature, both on the cubic."""
    status: str
    """``located`` or the reason of the refusal, in fixed words."""
    message: str
    """One sentence with the numbers behind a refusal; else empty."""
    temperatures: FloatArray
    """Temperatures in the fit."""
    differences: FloatArray = field(repr=False)
    """Mean over seeds of the test error minus its mean over temperatures."""
    stderr: FloatArray = field(repr=False)
    """Standard errors of `differences`."""
    level: float
    """Mean test error over temperatures and seeds of the fit."""
    curve: tuple[FloatArray, FloatArray] = field(repr=False)
    """T and the cubic's difference on a fine grid."""
    n_seeds: int
    """Seeds that fitted at every temperature of the fit."""
    n_dropped: int
    """Seeds left out because a run did not fit."""
    log_replicates: dict[int, FloatArray] = field(repr=False)
    """ln of the minimum of each degree for every resampled set of seeds."""

    @property
    def log_stderr(self) -> float | None:
        """Standard error of ln T_opt."""
        if not self.log_replicates:
            return None
        return bootstrap_stderr(self.log_replicates[DEGREES[0]], self.n_seeds)

    def estimate(self) -> Estimate | None:
        """Return T_opt as an estimate, None if it is refused."""
        if self.value is None:
            return None
        t = self.temperatures
        return estimate_from_replicates(
            self.value,
            self.log_replicates[DEGREES[0]],
            self.n_seeds,
            definition="minimum of a cubic in ln T through the test error paired by seed",
            fit_range=f"P = {self.n_train}, T = {t[0]:.3g}..{t[-1]:.3g} ({len(t)} temperatures)",
            logarithmic=True,
        )


def locate_optimal_temperature(
    curves: Curves, alpha: float, p: int = 0, *, n_bootstrap: int = 1000, seed: int = 0
) -> OptimalTemperature:
    """Fit the test error of one alpha and one size in ln T and locate its minimum.

    Temperatures at which fewer than 80 % of the runs fitted are left out, and then every seed
    that did not fit at all the others.

    Parameters
    ----------
    p
        Position of the size in `curves`.
    n_bootstrap, seed
        Resampled sets of seeds; equal `seed` and seeds draw equal sets for every alpha.
    """
    errors = curves.values("test_error")[p]
    used = np.flatnonzero(curves.stable[p])
    complete = np.flatnonzero(np.isfinite(errors[used]).all(axis=0)) if used.size else used
    dropped = int((curves.status[p] >= 0).any(axis=0).sum()) - len(complete)
    fit = _Fit.of(curves.temperatures[used], errors[used][:, complete])
    reason = _too_little(fit)
    replicates: dict[int, FloatArray] = {}
    best: dict[int, float] = {}
    gain: FloatArray = np.empty(0)
    if not reason[0]:
        draws = resampling_weights(curves.n_slots, n_bootstrap, np.random.default_rng(seed))
        weights = draws[:, complete]
        for degree in DEGREES:
            best[degree] = math.exp(fit.minimum(fit.mean[None, :], degree)[0][0])
            replicates[degree], depths = fit.minimum(fit.resampled(weights), degree)
            gain = depths if degree == DEGREES[0] else gain
        reason = _not_resolved(fit, _interval(replicates[DEGREES[0]]), alpha, curves, p)
    return _assemble(curves, alpha, p, fit, best, replicates, gain, reason, dropped)


@dataclass(frozen=True)
class _Fit:
    """Paired test errors of one alpha on a grid of ln T."""

    temperatures: FloatArray
    paired: FloatArray
    """Test error minus the seed's mean over temperatures, shape (T, seed)."""
    level: float
    grid: FloatArray
    """Fine grid of ln T inside the window."""

    @classmethod
    def of(cls, temperatures: FloatArray, errors: FloatArray) -> _Fit:
        level = float(errors.mean()) if errors.size else math.nan
        paired = errors - errors.mean(axis=0) if errors.size else errors
        log_t = np.log(temperatures)
        grid = np.linspace(log_t[0], log_t[-1], _GRID) if log_t.size else log_t
        return cls(temperatures, paired, level, grid)

    @property
    def mean(self) -> FloatArray:
        return np.asarray(self.paired.mean(axis=1))

    @property
    def stderr(self) -> FloatArray:
        n = self.paired.shape[1]
        return np.asarray(self.paired.std(axis=1, ddof=1) / math.sqrt(n))

    def resampled(self, weights: FloatArray) -> FloatArray:
        """Means of resampled seeds, shape (n_bootstrap, T)."""
        totals = np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
        return np.asarray(weights @ self.paired.T / totals)

    def evaluate(self, means: FloatArray, degree: int) -> FloatArray:
        """The polynomial through `means` on the fine grid, shape (..., grid)."""
        centre, half = self.grid.mean(), (self.grid[-1] - self.grid[0]) / 2
        design = np.vander((np.log(self.temperatures) - centre) / half, degree + 1)
        fine = np.vander((self.grid - centre) / half, degree + 1)
        return np.asarray(means @ np.linalg.pinv(design).T @ fine.T)

    def minimum(self, means: FloatArray, degree: int) -> tuple[FloatArray, FloatArray]:
        """ln T of the minimum inside the window, and its depth below the lowest T."""
        curves = self.evaluate(means, degree)
        return self.grid[curves.argmin(axis=-1)], curves.min(axis=-1) - curves[..., 0]


def _too_little(fit: _Fit) -> tuple[str, str]:
    n_temperatures, n_seeds = fit.paired.shape if fit.paired.ndim == 2 else (0, 0)
    if n_temperatures < MINIMUM_TEMPERATURES:
        return NOT_RESOLVED, (
            f"{n_temperatures} temperatures at which 80 % of the runs fitted; at least "
            f"{MINIMUM_TEMPERATURES} are needed"
        )
    if n_seeds < MINIMUM_SEEDS:
        return INSUFFICIENT, (
            f"{n_seeds} seeds fitted at every temperature; needed S = {MINIMUM_SEEDS} for an "
            "interval, about 64 to resolve a minimum of a tenth of the test error"
        )
    return "", ""


def _not_resolved(
    fit: _Fit, interval: tuple[float, float], alpha: float, curves: Curves, p: int
) -> tuple[str, str]:
    """Say at which edge of the window the 68 % interval ends; nothing if inside."""
    low, high = (float(np.exp(end)) for end in (fit.grid[0], fit.grid[-1]))
    minimum = f"the 68 % interval [{interval[0]:.3g}, {interval[1]:.3g}] of the minimum"
    shown = f"{minimum} at alpha={setting_text(alpha)}"
    ends = []
    if interval[0] <= low * (1 + 1e-9):
        ends.append(f"the lowest temperature T={low:.3g}")
    if interval[1] >= high * (1 - 1e-9):
        beyond = (curves.n_runs[p] > 0) & (curves.temperatures > high * (1 + 1e-9))
        edge = "at the stability edge" if beyond.any() else "the highest measured"
        ends.append(f"the highest usable temperature T={high:.3g}, {edge}")
        if beyond.any() and len(ends) == 1:
            return LIMITED, f"{shown} reaches {ends[0]}; T_opt is a lower bound"
    if not ends:
        return "", ""
    return NOT_RESOLVED, (
        f"{shown} reaches {' and '.join(ends)}; more seeds or a wider window would settle it"
    )


def _interval(log_replicates: FloatArray) -> tuple[float, float]:
    low, high = np.exp(np.percentile(log_replicates, [16, 84]))
    return float(low), float(high)


def _gain(fit: _Fit, replicates: FloatArray, size: int) -> Estimate:
    t = fit.temperatures
    return estimate_from_replicates(
        float(fit.minimum(fit.mean[None, :], DEGREES[0])[1][0]),
        replicates,
        fit.paired.shape[1],
        definition="test error at T_opt minus that at the lowest temperature, paired by seed",
        fit_range=f"P = {size}, T = {t[0]:.3g}..{t[-1]:.3g}",
    )


def _assemble(
    curves: Curves,
    alpha: float,
    p: int,
    fit: _Fit,
    best: dict[int, float],
    replicates: dict[int, FloatArray],
    gain: FloatArray,
    reason: tuple[str, str],
    dropped: int,
) -> OptimalTemperature:
    fitted = bool(best)
    degree = DEGREES[0]
    t = fit.temperatures
    several = fit.paired.ndim == 2 and fit.paired.shape[1] > 1
    return OptimalTemperature(
        alpha=alpha,
        n_train=int(curves.sizes[p]),
        value=best[degree] if fitted and not reason[0] else None,
        best=best.get(degree),
        by_degree=best,
        interval68=_interval(replicates[degree]) if fitted else None,
        gain=_gain(fit, gain, int(curves.sizes[p])) if fitted else None,
        status=reason[0] or LOCATED,
        message=f"{reason[0]}: {reason[1]}" if reason[0] else "",
        temperatures=t,
        differences=fit.mean if several else np.full(len(t), np.nan),
        stderr=fit.stderr if several else np.full(len(t), np.nan),
        level=fit.level,
        curve=(np.exp(fit.grid), fit.evaluate(fit.mean, degree)) if fitted else (t[:0], t[:0]),
        n_seeds=int(fit.paired.shape[1]) if fit.paired.ndim == 2 else 0,
        n_dropped=dropped,
        log_replicates=replicates,
    )
