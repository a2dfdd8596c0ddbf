"""Where one noisy monotone curve crosses a level: the posterior, and where to measure next.

Finding a critical temperature is root finding on a noisy curve. Close to the crossing the curve
is a line in logarithms,

    ln y = ln c + D (ln T - x_c) + noise,    x_c = ln T_c,

with a prior D ~ N(0.9, 0.2^2) and a flat one on x_c. Measuring at the posterior mean of x_c,
displaced by 1/4 to alternating sides so that D stays identifiable, costs about ten trainings
for 5 % of T_c; a grid of temperatures costs a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analysis.arrays import FloatArray
from analysis.estimates import Estimate, estimate_from_error
from analysis.locating.located import ABOVE_WINDOW, BELOW_WINDOW, DIVERGENCE, LOCATED

OPEN = "not located yet"

SLOPE = (0.9, 0.2)
"""Mean and standard deviation of the prior of D."""
NOISE = 0.15
"""Standard deviation of ln y until five points measure it."""
LOCAL_RANGE = 1.2
"""Largest |ln y - ln c| of a point that enters the line."""
DITHER = 0.25
LARGEST_MOVE = 2.5
MIN_POINTS = 4
"""Fewest points on the line of a located crossing."""

_SLOPES = np.linspace(0.15, 1.65, 42)[1:]
_RETREAT = math.log(4)
_SAME = 1e-3
"""Temperatures this close in ln T are the same: callers round them."""


@dataclass(frozen=True)
class MeasuredCurve:
    """The finished measurements of one curve, in the order in which they were asked for."""

    log_t: FloatArray
    """ln T, shape (n,)."""
    log_y: FloatArray
    """ln y, shape (n,); NaN where the measurement diverged or was censored."""

    @classmethod
    def of(cls, temperatures: Iterable[float], values: Iterable[float | None]) -> MeasuredCurve:
        """Build a curve; a value that is None, not finite or not positive means diverged."""
        log_y = [math.log(y) if y and 0 < y < math.inf else math.nan for y in values]
        return cls(np.log(np.array(list(temperatures), dtype=float)), np.array(log_y, dtype=float))

    def __post_init__(self) -> None:
        if self.log_t.shape != self.log_y.shape or self.log_t.ndim != 1:
            raise ValueError(
                f"{self.log_t.shape} temperatures and {self.log_y.shape} values do not match"
            )
        if not np.isfinite(self.log_t).all():
            raise ValueError("temperatures must be positive and finite")

    def __len__(self) -> int:
        return len(self.log_t)

    @property
    def fitted(self) -> np.typing.NDArray[np.bool_]:
        """Which measurements have a value, shape (n,)."""
        return np.isfinite(self.log_y)

    @property
    def first_divergence(self) -> float:
        """Smallest ln T that diverged, infinite if none did."""
        return float(np.min(self.log_t[~self.fitted], initial=math.inf))


@dataclass(frozen=True)
class Crossing:
    """Posterior of x_c = ln T_c."""

    threshold: float
    """c, the level that is crossed."""
    mean: float
    """Posterior mean of ln T_c."""
    sd: float
    """Posterior standard deviation of ln T_c."""
    slope: float
    """Posterior mean of D = d ln y / d ln T."""
    noise: float
    """Standard deviation of ln y that was assumed or, from five points on, measured."""
    n_used: int
    """Points on the line: those within 1.2 of ln c."""
    n_fitted: int
    """Points with a value."""
    n_diverged: int
    """Points without one."""
    log_range: tuple[float, float]
    """Smallest and largest ln T of the points used."""

    @property
    def temperature(self) -> float:
        """T_c."""
        return math.exp(self.mean)

    def to_estimate(self, observable: str = "relative_weight_change") -> Estimate:
        """Return T_c with its error; the interval is Student's with n_used degrees of freedom."""
        low, high = (math.exp(x) for x in self.log_range)
        return estimate_from_error(
            self.temperature,
            self.sd,
            self.n_used,
            self.n_used,
            definition=(
                f"temperature at which a local line through ln({observable}) reaches "
                f"ln {self.threshold:g}"
            ),
            fit_range=f"T = {low:.4g}..{high:.4g}",
            logarithmic=True,
        )


def locate_crossing(curve: MeasuredCurve, threshold: float) -> Crossing | None:
    """Return the posterior of ln T_c, or None while no point of the curve has a value.

    For each D on a grid the crossings z_k = x_k - (ln y_k - ln c)/D of the n points used have
    the mean z(D) and the variance v(D) = (sigma/D)^2/n; the posterior is the mixture of normal
    distributions N(z(D), v(D)) with weights

        w(D) = prior(D) exp(-D^2 sum_k (z_k - z)^2 / (2 sigma^2)) sqrt(v(D)),

    the last factor from integrating over x_c. The noise is sigma = 0.15, and from five points on
    sigma^2 = (RSS + 2 0.15^2)/n with the residuals of the local line.

    >>> crossing = locate_crossing(MeasuredCurve.of([0.5, 1.0, 2.0], [0.05, 0.1, 0.2]), 0.1)
    >>> round(crossing.temperature, 3)
    1.0
    """
    if not (math.isfinite(threshold) and threshold > 0):
        raise ValueError(f"threshold={threshold!r} must be a positive finite number")
    x, y = curve.log_t[curve.fitted], curve.log_y[curve.fitted] - math.log(threshold)
    if x.size == 0:
        return None
    local = np.abs(y) <= max(LOCAL_RANGE, float(np.min(np.abs(y))))
    noise = _noise(x[local], y[local])
    mean, sd, slope = _mixture(x[local], y[local], noise)
    return Crossing(
        threshold=threshold,
        mean=mean,
        sd=sd,
        slope=slope,
        noise=noise,
        n_used=int(local.sum()),
        n_fitted=x.size,
        n_diverged=len(curve) - x.size,
        log_range=(float(x[local].min()), float(x[local].max())),
    )


def _noise(x: FloatArray, y: FloatArray) -> float:
    n = x.size
    if n < 5:
        return NOISE
    line = np.stack([np.ones(n), x - x.mean()], axis=1)
    residuals = y - line @ np.linalg.lstsq(line, y, rcond=None)[0]
    return math.sqrt((float(residuals @ residuals) + 2 * NOISE**2) / n)


def _mixture(x: FloatArray, y: FloatArray, noise: float) -> tuple[float, float, float]:
    """Return mean and standard deviation of x_c, and the mean of D."""
    crossings = x - y / _SLOPES[:, None]
    means = crossings.mean(axis=1)
    variances = (noise / _SLOPES) ** 2 / x.size
    spread = np.square(crossings - means[:, None]).sum(axis=1)
    log_weights = (
        -0.5 * ((_SLOPES - SLOPE[0]) / SLOPE[1]) ** 2
        - spread * _SLOPES**2 / (2 * noise**2)
        + 0.5 * np.log(variances)
    )
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    mean = float(weights @ means)
    variance = float(weights @ (variances + (means - mean) ** 2))
    return mean, math.sqrt(variance), float(weights @ _SLOPES)


def propose(
    curve: MeasuredCurve, threshold: float, window: tuple[float, float], pending: int = 0
) -> float:
    """Return the next ln T to measure: a pure function of the finished points.

    The first points halve the logarithmic window again and again (1/2, 1/4, 3/4, ...). Then ln T
    is the posterior mean of ln T_c +- 1/4, the sign alternating, at most 2.5 from the nearest
    point that has a value. At or above the smallest ln T that diverged it is replaced by the
    middle between that one and the largest fitted one below.

    Parameters
    ----------
    curve
        The finished points.
    threshold
        c, the level to cross.
    window
        Smallest and largest ln T allowed.
    pending
        How many points were proposed from the same finished points before this one: a whole
        generation is ``[propose(curve, c, window, k) for k in range(size)]``.

    Examples
    --------
    >>> window = (math.log(0.001), math.log(10))
    >>> round(math.exp(propose(MeasuredCurve.of([], []), 0.1, window)), 6)
    0.1
    """
    low, high = window
    x_bad = curve.first_divergence
    crossing = locate_crossing(curve, threshold)
    if crossing is not None:
        x = _near_crossing(curve, crossing, pending)
    elif math.isinf(x_bad):
        x = low + (high - low) * _bisecting_fraction(pending)
    else:
        x = x_bad - _RETREAT * (pending + 1)
    return min(max(x, low), high)


def _near_crossing(curve: MeasuredCurve, crossing: Crossing, pending: int) -> float:
    sign = 1 if (len(curve) + pending) % 2 == 0 else -1
    x = crossing.mean + sign * DITHER
    fitted = curve.log_t[curve.fitted]
    nearest = float(fitted[np.argmin(np.abs(fitted - x))])
    x = min(max(x, nearest - LARGEST_MOVE), nearest + LARGEST_MOVE)
    x_bad = curve.first_divergence
    if x < x_bad - _SAME:
        return x
    below = fitted[fitted < x_bad]
    if below.size == 0:
        return x_bad - _RETREAT * (pending + 1)
    return x_bad - (x_bad - float(below.max())) * (pending + 1) / (pending + 2)


def _bisecting_fraction(k: int) -> float:
    """Term k of the van der Corput sequence 1/2, 1/4, 3/4, 1/8, ..."""
    digits = f"{k + 1:b}"
    return int(digits[::-1], 2) / float(1 << len(digits))


def is_located(curve: MeasuredCurve, threshold: float, tolerance: float) -> bool:
    """Whether ln T_c is known to `tolerance`, from four points or more, below any divergence."""
    crossing = locate_crossing(curve, threshold)
    return (
        crossing is not None
        and crossing.n_used >= MIN_POINTS
        and crossing.sd < tolerance
        and crossing.mean < curve.first_divergence
    )


def crossing_status(
    curve: MeasuredCurve, threshold: float, window: tuple[float, float], tolerance: float
) -> str:
    """Say whether the crossing is located, still open, or out of reach.

    Out of reach, with two standard deviations to spare, is a crossing above the smallest
    temperature that diverged, or outside the window although two points were measured at its
    edge. Nothing is extrapolated.

    Returns
    -------
    str
        ``located``, ``not located yet``, ``limited by divergence``, ``Tc > Tmax_stable`` or
        ``Tc < Tmin``.
    """
    crossing = locate_crossing(curve, threshold)
    if is_located(curve, threshold, tolerance):
        return LOCATED
    if crossing is None or len(curve) < MIN_POINTS:
        return OPEN
    low, high = window
    x_bad = curve.first_divergence
    x = curve.log_t[curve.fitted]
    smallest, largest = crossing.mean - 2 * crossing.sd, crossing.mean + 2 * crossing.sd
    if smallest > x_bad and (np.abs(x - x_bad) < 2 * DITHER).any():
        return DIVERGENCE
    if smallest > high and np.sum(x > high - DITHER) >= 2:
        return ABOVE_WINDOW
    if largest < low and np.sum(x < low + DITHER) >= 2:
        return BELOW_WINDOW
    return OPEN
