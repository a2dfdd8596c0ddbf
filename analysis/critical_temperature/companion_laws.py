"""The laws behind T_c: dw ~ T^delta P^gamma and t* ~ T P^b in the noise-dominated regime.

Where T^delta P^gamma reaches a fixed size, T ~ P^-(gamma/delta): the companion laws predict the
exponent a that the crossings measure on their own. The prediction is exact for c -> 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import BoolArray, FloatArray
from analysis.critical_temperature.noise_windows import noise_window
from analysis.curves import Curves
from analysis.estimates import Estimate, estimate_from_replicates
from analysis.fits.form import size_range

NOISE_WINDOW = (6.0, 60.0)
"""Temperatures of the fit in units of T_noise: above, noise decides; further up, lazy ends."""

_MINIMUM_SIZES, _MINIMUM_TEMPERATURES = 3, 3


@dataclass(frozen=True)
class PlaneFit:
    """Least squares of ln y = constant + u ln T + v ln P on the means of many cells."""

    temperature_exponent: Estimate
    """u."""
    size_exponent: Estimate
    """v."""
    constant: float
    """ln y at T = P = 1."""
    cells: BoolArray = field(repr=False)
    """Cells (P, T) in the fit."""
    rms: float
    """Root mean square of the residuals."""
    replicates: FloatArray = field(repr=False)
    """(constant, u, v) of every bootstrap sample, shape (n_bootstrap, 3)."""

    def evaluate(self, sizes: FloatArray, temperatures: FloatArray) -> FloatArray:
        """Return the fitted y at (P, T), broadcast."""
        u, v = self.temperature_exponent.value, self.size_exponent.value
        return np.asarray(np.exp(self.constant + u * np.log(temperatures) + v * np.log(sizes)))


@dataclass(frozen=True)
class CompanionLaws:
    """gamma, delta and b of one law, with the exponent of T_c that they predict."""

    weight_change: PlaneFit | None
    """delta (temperature) and gamma (size) of the relative weight change."""
    training_time: PlaneFit | None
    """x (temperature) and b (size) of t*/T; x = 0 is expected."""
    predicted_exponent: Estimate | None
    """gamma/delta."""
    predicted_replicates: FloatArray = field(repr=False)
    """gamma/delta of every bootstrap sample."""
    window: tuple[float, float] | None
    """Temperatures allowed in the fits."""
    refusal: str
    """Why there is no fit; empty if there is one."""


def fit_companion_laws(
    curves: Curves, noise_temperature: float | None, *, n_bootstrap: int = 1000, seed: int = 0
) -> CompanionLaws:
    """Fit both companion laws over T in [6, 60] T_noise.

    Parameters
    ----------
    curves
        Arrays of one law.
    noise_temperature
        Geometric mean of T_noise over P, or None if the plateau was not reached.
    """
    none = np.full(n_bootstrap, np.nan)
    if noise_temperature is None:
        reason = "companion laws not determined: T_noise, which sets their fit range, is unknown"
        return CompanionLaws(None, None, None, none, None, reason)
    window = noise_window(curves.temperatures, noise_temperature, NOISE_WINDOW)
    inside = (curves.temperatures >= window[0]) & (curves.temperatures <= window[1])
    cells = curves.stable & inside[None, :]
    n_sizes, n_temperatures = int(cells.any(axis=1).sum()), int(cells.any(axis=0).sum())
    if n_sizes < _MINIMUM_SIZES or n_temperatures < _MINIMUM_TEMPERATURES:
        reason = (
            f"companion laws not determined: {n_sizes} sizes and {n_temperatures} temperatures "
            f"in T = {window[0]:.3g}..{window[1]:.3g} = 6..60 T_noise; at least "
            f"{_MINIMUM_SIZES} of each are needed"
        )
        return CompanionLaws(None, None, None, none, window, reason)
    change = _fit_plane(
        curves, "relative_weight_change", cells, n_bootstrap, seed, "dw ~ T^delta P^gamma"
    )
    time = None
    if curves.has("training_time") and _has_two_axes(curves, "training_time", cells):
        time = _fit_plane(curves, "training_time", cells, n_bootstrap, seed, "t*/T ~ T^x P^b")
    samples = change.replicates[:, 2] / change.replicates[:, 1]
    predicted = estimate_from_replicates(
        change.size_exponent.value / change.temperature_exponent.value,
        samples,
        curves.n_clusters,
        definition="gamma/delta, the exponent a predicted for c -> 0",
        fit_range=change.size_exponent.fit_range,
    )
    return CompanionLaws(change, time, predicted, samples, window, "")


def _has_two_axes(curves: Curves, observable: str, cells: BoolArray) -> bool:
    """Whether finite means remain at two sizes and two temperatures."""
    finite = cells & np.isfinite(curves.log_mean(observable))
    return int(finite.any(axis=1).sum()) > 1 and int(finite.any(axis=0).sum()) > 1


def _fit_plane(
    curves: Curves, observable: str, cells: BoolArray, n_bootstrap: int, seed: int, law: str
) -> PlaneFit:
    log_t = np.log(curves.temperatures)[None, :] + np.zeros(cells.shape)
    log_p = np.log(curves.sizes)[:, None] + np.zeros(cells.shape)
    means = curves.log_mean(observable)
    replicates = curves.resampled_log_mean(observable, n_bootstrap, seed)
    if observable == "training_time":
        means, replicates = means - log_t, replicates - log_t
    cells = cells & np.isfinite(means)
    design = np.stack([np.ones(int(cells.sum())), log_t[cells], log_p[cells]], axis=1)
    solver = np.linalg.pinv(design)
    best = solver @ means[cells]
    samples = replicates[:, cells] @ solver.T
    used = curves.temperatures[cells.any(axis=0)]
    where = (
        f"{size_range(curves.sizes[cells.any(axis=1)])}, T = {used[0]:.3g}..{used[-1]:.3g} "
        f"({design.shape[0]} means)"
    )
    names = ("delta", "gamma") if observable == "relative_weight_change" else ("x", "b")
    u, v = (
        estimate_from_replicates(
            float(best[k]),
            samples[:, k],
            curves.n_clusters,
            definition=f"{name} of {law}, least squares on mean logarithms",
            fit_range=where,
        )
        for k, name in ((1, names[0]), (2, names[1]))
    )
    residuals = means[cells] - design @ best
    return PlaneFit(u, v, float(best[0]), cells, float(np.sqrt(np.mean(residuals**2))), samples)
