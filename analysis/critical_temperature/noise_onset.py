"""Where noise sets in: T_noise, the end of the gradient-descent plateau, size by size.

T_noise belongs to the step size and the margin (about 1/(alpha K)) and is independent of P; it is
not the temperature that obeys a = gamma/delta. It fixes the range T in [6, 60] T_noise in which
noise alone decides the weight change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from analysis.arrays import FloatArray
from analysis.curves import Curves
from analysis.estimates import bootstrap_stderr
from analysis.fits.least_squares import BatchFit
from analysis.locating.located import NO_PLATEAU, CriticalTemperature, CriticalTemperatures

LARGEST_CHANGE = 0.2
"""Only weight changes up to this value enter the fit: beyond, the network is no longer lazy."""

DELTA_BOUNDS = (0.3, 2.0)
_POINTS_BELOW, _POINTS_ABOVE = 2, 4
_ITERATIONS = 8
_OBSERVABLE = "relative_weight_change"


@dataclass(frozen=True)
class NoiseOnset:
    """T_noise of one law and the curves that were fitted for it."""

    temperatures: CriticalTemperatures
    """T_noise, one per size."""
    parameters: FloatArray
    """Plateau l0 = ln dw0, ln T_noise and delta by size, NaN where not fitted; shape (P, 3)."""

    @property
    def geometric_mean(self) -> float | None:
        """Geometric mean of T_noise over the sizes that have one."""
        values = [point.value for point in self.temperatures.located if point.value is not None]
        return math.exp(float(np.mean(np.log(values)))) if values else None


def locate_noise_onset(curves: Curves, *, n_bootstrap: int = 1000, seed: int = 0) -> NoiseOnset:
    """Fit ln dw = l0 + delta ln(1 + T/T_noise) at every size.

    Least squares on the mean logarithms over all stable temperatures with dw <= 0.2. The
    sharpness of the crossover is one, the value measured when it is left free (1.02 to 1.14).
    """
    means = curves.log_mean(_OBSERVABLE)
    replicates = curves.resampled_log_mean(_OBSERVABLE, n_bootstrap, seed)
    usable = curves.stable & (means <= math.log(LARGEST_CHANGE))
    parameters = np.full((len(curves.sizes), 3), np.nan)
    log_replicates = np.full((n_bootstrap, len(curves.sizes)), np.nan)
    points = []
    for p in range(len(curves.sizes)):
        index = np.flatnonzero(usable[p])
        log_t = np.log(curves.temperatures[index])
        fitted = _fit_plateau(log_t, means[p, index])
        reason = _refusal(log_t, fitted)
        if fitted is not None:
            parameters[p] = fitted
        if fitted is not None and not reason:
            samples = replicates[:, p][:, index]
            log_replicates[:, p] = _refit(log_t, samples, fitted)[:, 1]
        points.append(_point(curves, p, parameters[p], log_replicates[:, p], reason))
    temperatures = CriticalTemperatures(
        name="noise",
        observable=_OBSERVABLE,
        threshold=None,
        definition=(
            f"crossover of ln {_OBSERVABLE} = l0 + delta ln(1 + T/T_noise), the end of the "
            "gradient-descent plateau"
        ),
        points=tuple(points),
        log_replicates=log_replicates,
        n_clusters=curves.n_clusters,
    )
    return NoiseOnset(temperatures, parameters)


def plateau_curve(parameters: FloatArray, log_t: FloatArray) -> FloatArray:
    """Return ln dw of the smooth broken power law at ln T.

    >>> plateau_curve(np.array([0.0, 0.0, 1.0]), np.array([0.0]))  # twice the plateau at T_noise
    array([0.69314718])
    """
    l0, log_onset, delta = np.moveaxis(np.asarray(parameters), -1, 0)
    result = l0[..., None] + delta[..., None] * np.logaddexp(0.0, log_t - log_onset[..., None])
    return np.asarray(result, dtype=float)


def _fit_plateau(log_t: FloatArray, y: FloatArray) -> FloatArray | None:
    """Bounded least squares; None with fewer points than parameters plus one."""
    if log_t.size < 4:
        return None
    low, high = log_t[0] - math.log(10), log_t[-1] + math.log(10)
    start = np.array([y[0], 0.5 * (log_t[0] + log_t[-1]), 0.95])
    # The crossover lies about where the curve has doubled.
    doubled = np.flatnonzero(y >= y[0] + math.log(2))
    if doubled.size:
        start[1] = log_t[doubled[0]]

    def residuals(q: FloatArray) -> FloatArray:
        return np.asarray(plateau_curve(q, log_t) - y)

    result = optimize.least_squares(
        residuals,
        start,
        bounds=([-np.inf, low, DELTA_BOUNDS[0]], [np.inf, high, DELTA_BOUNDS[1]]),
    )
    return np.asarray(result.x, dtype=float)


def _refit(log_t: FloatArray, samples: FloatArray, start: FloatArray) -> FloatArray:
    """Parameters of all bootstrap samples, shape (n_bootstrap, 3).

    Samples lie close to the fitted curve, so a few steps from its parameters converge.
    """

    def jacobian(q: FloatArray) -> FloatArray:
        above = 1.0 / (1.0 + np.exp(q[:, 1:2] - log_t))
        softplus = np.logaddexp(0.0, log_t - q[:, 1:2])
        return np.stack([np.ones_like(above), -q[:, 2:3] * above, softplus], axis=-1)

    def bounded(q: FloatArray) -> FloatArray:
        return np.column_stack([q[:, :2], np.clip(q[:, 2], *DELTA_BOUNDS)])

    fit = BatchFit(
        lambda q: plateau_curve(q, log_t), (0, 1, 2), jacobian, bounded=bounded, largest_step=0.5
    )
    return fit.gauss_newton(np.repeat(start[None, :], len(samples), axis=0), samples, _ITERATIONS)


def _refusal(log_t: FloatArray, fitted: FloatArray | None) -> str:
    """Say why the fit is no measurement of T_noise; empty if it is one."""
    if fitted is None:
        return f"{log_t.size} stable temperatures with dw <= {LARGEST_CHANGE:g}; 6 are needed"
    below = int((log_t < fitted[1]).sum())
    above = log_t.size - below
    onset = math.exp(fitted[1])
    if below < _POINTS_BELOW or above < _POINTS_ABOVE:
        return (
            f"{below} temperatures below and {above} above the fitted onset T={onset:.3g}; at "
            f"least {_POINTS_BELOW} and {_POINTS_ABOVE} are needed"
        )
    if not DELTA_BOUNDS[0] + 1e-3 < fitted[2] < DELTA_BOUNDS[1] - 1e-3:
        return f"delta={fitted[2]:.2f} lies at its bound"
    return ""


def _point(
    curves: Curves, p: int, fitted: FloatArray, log_replicates: FloatArray, reason: str
) -> CriticalTemperature:
    if reason:
        return CriticalTemperature.refuse(curves, p, NO_PLATEAU, (None, None), reason)
    onset = math.exp(fitted[1])
    measured = curves.temperatures[curves.n_runs[p] > 0]
    bracket = float(measured[measured <= onset].max()), float(measured[measured > onset].min())
    error = bootstrap_stderr(log_replicates, curves.n_clusters)
    return CriticalTemperature.accept(
        curves, p, onset, error, bracket, int(curves.n_fitted[p].max())
    )
