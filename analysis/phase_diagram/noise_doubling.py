"""T_noise at any alpha: where the weight change has doubled over its low-temperature plateau.

The fit of a smooth broken power law (:mod:`analysis.critical_temperature.noise_onset`) holds where
the network is lazy. In the feature regime the plateau itself is of order one, and a doubling is
still defined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import FloatArray, IntArray
from analysis.curves import Curves
from analysis.estimates import (
    Estimate,
    bootstrap_stderr,
    estimate_from_replicates,
    resampled_means,
)
from analysis.locating.located import (
    ABOVE_WINDOW,
    DIVERGENCE,
    LOCATED,
    NO_PLATEAU,
    CriticalTemperature,
)
from analysis.table import setting_text

DOUBLING = math.log(2.0)
FLAT_SLOPE = 0.2
"""Largest slope d ln dw/d ln T over the lowest half decade that counts as a plateau."""
_OBSERVABLE = "relative_weight_change"
DEFINITION = (
    "first temperature at which the geometric mean of relative_weight_change over fitted runs is "
    "twice that at the lowest temperature"
)


@dataclass(frozen=True)
class NoiseDoubling:
    """T_noise of one alpha and one size."""

    alpha: float
    """Initialization scale."""
    point: CriticalTemperature
    """T_noise or its refusal."""
    plateau: float
    """Geometric mean of the weight change at the lowest temperature."""
    log_replicates: FloatArray = field(repr=False)
    """ln T_noise of resampled seeds, shape (n_bootstrap,); NaN where refused."""
    n_clusters: int
    """Number S of seeds."""

    def estimate(self) -> Estimate | None:
        """Return T_noise as an estimate, None if it is refused."""
        low, high = self.point.bracket
        if self.point.value is None or low is None or high is None:
            return None
        return estimate_from_replicates(
            self.point.value,
            self.log_replicates,
            self.n_clusters,
            definition=DEFINITION,
            fit_range=f"P = {self.point.n_train}, T = {low:.4g}..{high:.4g}",
            logarithmic=True,
        )


def locate_noise_doubling(
    curves: Curves, alpha: float, weights: FloatArray, p: int = 0
) -> NoiseDoubling:
    """Locate T_noise of one size by linear interpolation in (ln T, ln dw).

    Parameters
    ----------
    weights : shape (n_bootstrap, seeds)
        How often each seed of `curves` is drawn in each resampled set.
    """
    logs = curves.log_values(_OBSERVABLE)[p]
    index = np.flatnonzero(np.isfinite(logs).any(axis=1))
    log_t = np.log(curves.temperatures[index])
    y = resampled_means(logs[index], np.ones((1, logs.shape[1])))[0]
    samples = resampled_means(logs[index], weights)
    refusal = _refusal(curves, p, index, log_t, y)
    replicates = np.full(len(weights), np.nan)
    value, bracket = None, _open_bracket(curves, p, index)
    if not refusal[0]:
        k = _upward(y - y[0])
        assert k is not None
        value = math.exp(_interpolate(log_t, y - y[0], k))
        bracket = (float(np.exp(log_t[k])), float(np.exp(log_t[k + 1])))
        replicates = _replicates(log_t, samples - samples[:, :1], k)
    point = CriticalTemperature(
        n_train=int(curves.sizes[p]),
        value=value,
        log_stderr=bootstrap_stderr(replicates, curves.n_clusters) if value else None,
        bracket=bracket,
        n_replicas=int(curves.n_fitted[p].max()),
        n_temperatures=len(index),
        n_censored=int(curves.n_censored[p].sum()),
        n_diverged=int(curves.n_diverged[p].sum()),
        status=refusal[0] or LOCATED,
        message=f"{refusal[0]} at alpha={setting_text(alpha)}: {refusal[1]}" if refusal[0] else "",
    )
    plateau = math.exp(y[0]) if len(y) else math.nan
    return NoiseDoubling(alpha, point, plateau, replicates, curves.n_clusters)


def _upward(excess: FloatArray) -> int | None:
    above = excess >= DOUBLING
    steps = np.flatnonzero(~above[:-1] & above[1:])
    return int(steps[0]) if steps.size else None


def _interpolate(log_t: FloatArray, excess: FloatArray, k: int) -> float:
    slope = (excess[k + 1] - excess[k]) / (log_t[k + 1] - log_t[k])
    return float(log_t[k] + (DOUBLING - excess[k]) / slope)


def _replicates(log_t: FloatArray, excess: FloatArray, own: int) -> FloatArray:
    """ln T of the first doubling of each sample; one that has none keeps the line of `own`."""
    result = np.full(len(excess), np.nan)
    for row, sample in enumerate(excess):
        k = _upward(sample)
        k = own if k is None else k
        if sample[k + 1] > sample[k]:
            result[row] = _interpolate(log_t, sample, k)
    return result


def _refusal(
    curves: Curves, p: int, index: IntArray, log_t: FloatArray, y: FloatArray
) -> tuple[str, str]:
    if len(index) < 3:
        return NO_PLATEAU, f"{len(index)} temperatures with fitted runs; at least 3 are needed"
    half_decade = np.flatnonzero(log_t - log_t[0] >= math.log(10) / 2 - 1e-6)
    last = int(half_decade[0]) if half_decade.size else len(y) - 1
    slope = (y[last] - y[0]) / (log_t[last] - log_t[0])
    if slope > FLAT_SLOPE:
        return NO_PLATEAU, (
            f"the weight change grows with local slope {slope:.2f} from the lowest "
            f"T={math.exp(log_t[0]):.3g} on; extend the temperature axis below it"
        )
    k = _upward(y - y[0])
    stable = curves.stable[p, index]
    top = math.exp(log_t[np.flatnonzero(stable)[-1]]) if stable.any() else math.nan
    if k is None and curves.stable[p][curves.n_runs[p] > 0].all():
        return ABOVE_WINDOW, f"the weight change has not doubled up to T={top:.3g}"
    if k is None or not stable[k : k + 2].all():
        return DIVERGENCE, (
            f"fewer than 80 % of the runs fitted where the weight change doubles, "
            f"above T={top:.3g}"
        )
    return "", ""


def _open_bracket(curves: Curves, p: int, index: IntArray) -> tuple[float | None, float | None]:
    stable = np.flatnonzero(curves.stable[p])
    return (float(curves.temperatures[stable[-1]]) if stable.size else None), None
