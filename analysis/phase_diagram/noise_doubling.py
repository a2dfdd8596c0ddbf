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
    mean_over_runs,
    resampled_means,
)
from analysis.locating.first_crossing import crossing_after, crossings_of_samples, first_rise
from analysis.locating.located import (
    ABOVE_WINDOW,
    DIVERGENCE,
    NO_PLATEAU,
    Bracket,
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
    y = mean_over_runs(logs[index])
    samples = resampled_means(logs[index], weights)
    status, reason = _refusal(curves, p, index, log_t, y)
    replicates = np.full(len(weights), np.nan)
    if status:
        bracket, where = _open_bracket(curves, p), f"alpha={setting_text(alpha)}"
        point = CriticalTemperature.refuse(curves, p, status, bracket, reason, where=where)
    else:
        k = int(first_rise(y - y[0], DOUBLING))
        excess = samples - samples[:, :1]
        replicates = crossings_of_samples(log_t, excess, k, DOUBLING, window="rising")
        point = CriticalTemperature.accept(
            curves,
            p,
            math.exp(crossing_after(log_t, y - y[0], k, DOUBLING)),
            bootstrap_stderr(replicates, curves.n_clusters),
            (float(np.exp(log_t[k])), float(np.exp(log_t[k + 1]))),
            int(curves.n_fitted[p].max()),
        )
    plateau = math.exp(y[0]) if len(y) else math.nan
    return NoiseDoubling(alpha, point, plateau, replicates, curves.n_clusters)


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
    k = int(first_rise(y - y[0], DOUBLING))
    stable = curves.stable[p, index]
    top = math.exp(log_t[np.flatnonzero(stable)[-1]]) if stable.any() else math.nan
    if k < 0 and curves.stable[p][curves.n_runs[p] > 0].all():
        return ABOVE_WINDOW, f"the weight change has not doubled up to T={top:.3g}"
    if k < 0 or not stable[k : k + 2].all():
        return DIVERGENCE, (
            f"fewer than 80 % of the runs fitted where the weight change doubles, "
            f"above T={top:.3g}"
        )
    return "", ""


def _open_bracket(curves: Curves, p: int) -> Bracket:
    stable = np.flatnonzero(curves.stable[p])
    return (float(curves.temperatures[stable[-1]]) if stable.size else None), None
