"""T_lazy(c) from trainings that were placed where they tell most: the adaptive design's analysis.

Every training has a temperature and a seed of its own, so there are no means over seeds to
interpolate between. Each size has a posterior of ln T_c from the line through its trainings close
to the crossing (:mod:`analysis.locating.posterior`); its standard deviation is the error, and all
errors downstream come from samples of these posteriors. Censored and diverged runs are upper
bounds.
"""

from __future__ import annotations

import math

import numpy as np

from analysis.arrays import FloatArray
from analysis.curves import Curves
from analysis.locating.located import (
    ABOVE_WINDOW,
    BELOW_WINDOW,
    DIVERGENCE,
    FEATURE_REGIME,
    FLAT_SLOPE,
    LOCATED,
    POSTERIOR,
    Bracket,
    CriticalTemperature,
    CriticalTemperatures,
    cause_of_loss,
)
from analysis.locating.posterior import (
    MIN_POINTS,
    OPEN,
    Crossing,
    MeasuredCurve,
    crossing_status,
    locate_crossing,
)

DEFAULT_TOLERANCE = 0.05
MOST_AT_ONE_TEMPERATURE = 3
"""Mean number of trainings per (P, T) from which on a table is a grid."""
_OBSERVABLE = "relative_weight_change"


def is_adaptive(curves: Curves) -> bool:
    """Whether every training has a seed of its own within its size, with few at the same T.

    >>> import pandas as pd
    >>> from analysis.curves import build_curves
    >>> rows = {"n_train": 64, "temperature": [1.0, 1.3, 0.8, 1.2], "seed": [0, 1, 2, 3],
    ...         "relative_weight_change": 0.1, "stop_reason": "fitted"}
    >>> is_adaptive(build_curves(pd.DataFrame(rows)))
    True
    """
    if "seed" not in curves.frame or len(curves.frame) < MIN_POINTS:
        return False
    runs = curves.n_runs
    few = float(np.mean(runs[runs > 0])) < MOST_AT_ONE_TEMPERATURE
    return few and not curves.frame.duplicated(["n_train", "seed"]).any()


def locate_by_posterior(
    curves: Curves,
    threshold: float,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    window: tuple[float, float] | None = None,
    n_samples: int = 1000,
    seed: int = 0,
) -> CriticalTemperatures:
    """Locate T_lazy(c) at every size from the posterior of its crossing.

    Parameters
    ----------
    curves
        Arrays of one law.
    threshold
        c, the relative weight change to reach.
    tolerance
        Standard deviation of ln T_c that was asked for.
    window
        Lowest and highest temperature that was allowed; the measured ones if None.
    n_samples, seed
        Samples of every posterior and the seed that draws them.
    """
    rng = np.random.default_rng(seed)
    log_samples = np.full((n_samples, len(curves.sizes)), np.nan)
    points, used = [], 0
    for p in range(len(curves.sizes)):
        normal = rng.standard_normal(n_samples)
        measured = measured_curve(curves, p)
        crossing = locate_crossing(measured, threshold)
        point = _locate(curves, p, measured, crossing, tolerance, window)
        points.append(point)
        if point.value is not None and crossing is not None:
            log_samples[:, p] = crossing.mean + crossing.sd * normal
            used += crossing.n_used
    return CriticalTemperatures(
        name="lazy",
        observable=_OBSERVABLE,
        threshold=threshold,
        definition=(
            f"temperature at which a line through ln {_OBSERVABLE} of the trainings close to it "
            f"reaches ln {threshold:g}"
        ),
        points=tuple(points),
        log_replicates=log_samples,
        n_clusters=max(used, 1),
        errors=POSTERIOR,
    )


def measured_curve(curves: Curves, p: int) -> MeasuredCurve:
    """Return the trainings of one size, NaN for those that did not fit the data."""
    t, r = np.nonzero(curves.status[p] >= 0)
    return MeasuredCurve(np.log(curves.temperatures)[t], curves.log_values(_OBSERVABLE)[p, t, r])


def _locate(
    curves: Curves,
    p: int,
    measured: MeasuredCurve,
    crossing: Crossing | None,
    tolerance: float,
    window: tuple[float, float] | None,
) -> CriticalTemperature:
    x = measured.log_t
    ends = (float(x.min()), float(x.max()))
    log_window = ends if window is None else (math.log(window[0]), math.log(window[1]))
    status = OPEN
    if crossing is None:
        status, reason = cause_of_loss(curves, p), "no training fitted the data"
        return _refuse(curves, p, status, (None, None), reason)
    status = crossing_status(measured, crossing.threshold, log_window, tolerance)
    between = measured.log_t[measured.fitted]
    inside = between.min() <= crossing.mean <= min(between.max(), measured.first_divergence)
    if status == LOCATED or (status == OPEN and crossing.n_used >= MIN_POINTS and inside):
        return _accept(curves, p, measured, crossing, tolerance)
    return _refused(curves, p, measured, crossing, status)


def _accept(
    curves: Curves, p: int, measured: MeasuredCurve, crossing: Crossing, tolerance: float
) -> CriticalTemperature:
    x = measured.log_t[measured.fitted]
    below, above = x[x <= crossing.mean], x[x > crossing.mean]
    bracket = (
        _temperature(below.max()) if below.size else None,
        _temperature(above.min()) if above.size else None,
    )
    remarks = []
    if crossing.sd >= tolerance:
        remarks.append(
            f"tolerance {tolerance:g} not reached: the error of ln T_c is {crossing.sd:.3f} after "
            f"{len(measured)} trainings; more seeds would continue"
        )
    if crossing.n_diverged:
        remarks.append(f"{crossing.n_diverged} trainings that did not fit are upper bounds only")
    value, error = crossing.temperature, crossing.sd
    return CriticalTemperature.accept(
        curves, p, value, error, bracket, crossing.n_used, remarks=remarks
    )


def _refused(
    curves: Curves, p: int, measured: MeasuredCurve, crossing: Crossing, status: str
) -> CriticalTemperature:
    fitted = measured.log_t[measured.fitted]
    low, high = _temperature(fitted.min()), _temperature(fitted.max())
    y = measured.log_y[measured.fitted]
    last = f"weight change {np.exp(y[np.argmax(fitted)]):.3g} at the highest fitted T={high:.4g}"
    if status == OPEN and crossing.mean > measured.first_divergence:
        status = DIVERGENCE
    if status == DIVERGENCE:
        first = math.exp(measured.first_divergence)
        reason = f"{last}, and a run did not fit at T={first:.4g}; T_c >= {high:.4g}"
        return _refuse(curves, p, cause_of_loss(curves, p), (high, None), reason)
    if status == ABOVE_WINDOW:
        return _refuse(curves, p, status, (high, None), f"{last}; extend the temperatures above")
    if status == BELOW_WINDOW:
        flat = _slope(fitted, y) < FLAT_SLOPE
        reason = f"weight change {np.exp(y.min()):.3g} or more down to T={low:.4g}"
        reason += "; it is flat there" if flat else "; extend the temperatures below"
        return _refuse(curves, p, FEATURE_REGIME if flat else status, (None, low), reason)
    reason = f"{crossing.n_used} of {len(measured)} trainings lie close to the crossing"
    return _refuse(curves, p, OPEN, (None, None), f"{reason}; more seeds would continue")


def _temperature(log_t: float) -> float:
    """T of ln T, to the digits that a table carries."""
    return float(f"{math.exp(log_t):.9g}")


def _slope(x: FloatArray, y: FloatArray) -> float:
    return float(np.polyfit(x, y, 1)[0]) if np.ptp(x) > 0.5 else math.inf


def _refuse(
    curves: Curves, p: int, status: str, bracket: Bracket, reason: str
) -> CriticalTemperature:
    n = int(curves.n_fitted[p].sum())
    return CriticalTemperature.refuse(curves, p, status, bracket, reason, n_replicas=n)
