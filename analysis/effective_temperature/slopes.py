"""The temperature of a training's fluctuations, from displacement and response.

Where dynamics is that of thermal equilibrium, the mean squared displacement B(k) of k steps and
the response chi(k) to a constant field obey B = T chi. SGD's noise resembles the Hessian, so stiff
directions are hotter than soft ones and the plot of B against chi is curved: there is no single
temperature. Three slopes are reported, each under its name:

- ``long``: least-squares slope over chi in [0.5, 0.95] chi(L), the soft directions;
- ``secant``: B(L) / chi(L), the mean over directions, the least noisy;
- ``short``: B(1) / chi(1), the noise of one step.

At finite step size B is replaced by its midpoint average [B(k) + B(k+1) - B(1)] / 2, which obeys
the law exactly for Langevin dynamics in any quadratic well; the raw B is off by eta k / 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.arrays import FloatArray
from analysis.estimates import Estimate, estimate_from_error, jackknife_stderr
from analysis.mean_field.solver import DmftSolution

LONG_RANGE = (0.5, 0.95)
"""Part of chi(L) over which the long-time slope is fitted."""
DRIFTS = {"train loss": 0.03, "|w|²/N": 0.05, "B(L)": 0.15, "χ(L)": 0.10}
"""Relative change over the measurement beyond which a quantity counts as drifting."""
UNFINISHED = 0.20
"""Part of B(L) or chi(L) that may come in the second half of the window."""
SIGNIFICANCE = 3.0
"""Standard errors that a drift must exceed as well."""
DEFINITIONS = {
    "long": "slope of B against χ over χ in [0.5, 0.95] χ(L)",
    "secant": "B(L)/χ(L)",
    "short": "B(1)/χ(1)",
}


class MeasureTemperatureError(ValueError):
    """Fluctuations from which no temperature can be taken; one sentence for the user."""


@dataclass(frozen=True)
class FluctuationRecord:
    """Displacement and response in windows of runs that should be stationary."""

    displacement: FloatArray = field(repr=False)
    """B(k) for k = 0 .. L + 1, averaged over windows, shape (seeds, L + 2)."""
    response: FloatArray = field(repr=False)
    """chi(k), averaged over windows, shape (seeds, L + 2)."""
    series: dict[str, FloatArray] = field(repr=False)
    """What must not drift, by its name in `DRIFTS`, each of shape (seeds, times)."""

    def __post_init__(self) -> None:
        if self.displacement.ndim != 2 or self.displacement.shape != self.response.shape:
            raise MeasureTemperatureError(
                "displacement and response must share a shape (seeds, L + 2); got "
                f"{self.displacement.shape} and {self.response.shape}"
            )
        if self.displacement.shape[1] < 8:
            raise MeasureTemperatureError(
                f"windows of {self.displacement.shape[1] - 2} steps are too short for a "
                "temperature; at least 6 are needed"
            )

    @classmethod
    def from_windows(
        cls, displacement: FloatArray, response: FloatArray, loss: FloatArray, norm: FloatArray
    ) -> FluctuationRecord:
        """Average over windows and keep their ends for the test of stationarity.

        Parameters
        ----------
        displacement, response : shape (seeds, windows, L + 2)
        loss, norm : shape (seeds, windows + 1)
            Train loss and |w|^2 / N where the windows start, and at the end.
        """
        ends = midpoint_displacement(displacement)[..., -1]
        series = {"train loss": loss, "|w|²/N": norm, "B(L)": ends, "χ(L)": response[..., -2]}
        return cls(displacement.mean(axis=1), response.mean(axis=1), series)


@dataclass(frozen=True)
class Stationarity:
    """Whether the runs had stopped changing and the windows were long enough."""

    stationary: bool
    reasons: tuple[str, ...]
    """What speaks against it, with numbers; empty if nothing does."""

    def __str__(self) -> str:
        return "stationary" if self.stationary else f"not stationary: {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class EffectiveTemperatures:
    """The three slopes and the curves they come from.

    A temperature of runs that are not stationary has no meaning: `long`, `secant` and `short` are
    None then, and what the slopes would have been is in `slopes` alone.
    """

    long: Estimate | None
    secant: Estimate | None
    short: Estimate | None
    stationarity: Stationarity
    slopes: dict[str, float]
    """The three slopes, whatever the stationarity."""
    uncorrected: float
    """B(L)/chi(L) without the midpoint average."""
    displacement: FloatArray = field(repr=False)
    """Midpoint displacement for k = 0 .. L, averaged, shape (L + 1,)."""
    response: FloatArray = field(repr=False)
    """chi(k), averaged, shape (L + 1,)."""
    left_out: tuple[dict[str, float], ...] = field(repr=False)
    """The slopes without each seed in turn; empty for one seed."""

    def summary(self) -> str:
        """Return the three slopes, or why there are none, in one line."""
        if self.long is None or self.secant is None or self.short is None:
            return str(self.stationarity)
        return f"T_long = {self.long}, T_sec = {self.secant}, T_short = {self.short}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found = {"long": self.long, "secant": self.secant, "short": self.short}
        return {
            "stationary": self.stationarity.stationary,
            "reasons": list(self.stationarity.reasons),
            **{name: None if e is None else e.to_dict() for name, e in found.items()},
        }


def midpoint_displacement(displacement: FloatArray) -> FloatArray:
    """Return [B(k) + B(k+1) - B(1)] / 2 for k = 0 .. L from B(0 .. L + 1), last axis.

    For Langevin dynamics in any quadratic well it equals T chi(k) at every step size, where B
    itself gives T / (1 - eta curvature / 2) per direction.
    """
    b = displacement
    return np.asarray(0.5 * (b[..., :-1] + b[..., 1:] - b[..., 1:2]))


def fluctuations_from_dmft(
    solutions: Sequence[DmftSolution], burn_in: int, length: int, n_origins: int = 5
) -> FluctuationRecord:
    """Take displacement and response from mean-field kernels, one row per solver seed.

    Parameters
    ----------
    solutions
        At least ``burn_in + length + 1`` steps long.
    burn_in
        First origin.
    length
        L.
    n_origins
        Origins, evenly spaced from `burn_in` to the last possible one.
    """
    last = len(solutions[0].correlation) - length - 2
    if burn_in > last:
        raise MeasureTemperatureError(
            f"burn_in={burn_in} and length={length} need {burn_in + length + 1} steps; the "
            f"solution has {last + length + 1}"
        )
    origins = np.unique(np.linspace(burn_in, last, n_origins).round().astype(int))
    ends = [*origins, last + length + 1]
    return FluctuationRecord.from_windows(
        displacement=np.array([[_displacement(s, t, length) for t in origins] for s in solutions]),
        response=np.array([[_response(s, t, length) for t in origins] for s in solutions]),
        loss=np.array([s.samples.loss[ends] for s in solutions]),
        norm=np.array([np.diagonal(s.correlation)[ends] for s in solutions]),
    )


def _displacement(solution: DmftSolution, t: int, length: int) -> FloatArray:
    c = solution.correlation
    times = np.arange(t, t + length + 2)
    return np.asarray(0.5 * (c[times, times] + c[t, t]) - c[times, t])


def _response(solution: DmftSolution, t: int, length: int) -> FloatArray:
    return np.array([-solution.response[t + k, t : t + k].sum() for k in range(length + 2)])


def measure_temperatures(record: FluctuationRecord) -> EffectiveTemperatures:
    """Measure the three slopes with jackknife errors over seeds, after the test of stationarity.

    Raises
    ------
    MeasureTemperatureError
        If the response does not grow, or the numbers are not finite.
    """
    b = midpoint_displacement(record.displacement)
    chi = record.response[:, :-1]
    slopes = _slopes(b.mean(axis=0), chi.mean(axis=0))
    if not all(math.isfinite(value) for value in slopes.values()):
        raise MeasureTemperatureError("the response does not grow with time: no slope exists")
    left_out = _leave_one_out(b, chi)
    stationarity = check_stationarity(record)
    n, length = len(b), b.shape[1] - 1
    estimates = {
        name: estimate_from_error(
            value,
            jackknife_stderr([left[name] for left in left_out]),
            n - 1,
            n,
            definition=DEFINITIONS[name],
            fit_range=f"L = {length} steps",
        )
        if stationarity.stationary
        else None
        for name, value in slopes.items()
    }
    return EffectiveTemperatures(
        **estimates,
        stationarity=stationarity,
        slopes=slopes,
        uncorrected=float(record.displacement[:, -2].mean() / chi[:, -1].mean()),
        displacement=b.mean(axis=0),
        response=chi.mean(axis=0),
        left_out=left_out,
    )


def _slopes(b: FloatArray, chi: FloatArray) -> dict[str, float]:
    low, high = (share * chi[-1] for share in LONG_RANGE)
    used = (chi >= low) & (chi <= high)
    if used.sum() < 3 or chi[-1] <= 0 or chi[1] <= 0:
        return {"long": math.nan, "secant": math.nan, "short": math.nan}
    x, y = chi[used] - chi[used].mean(), b[used]
    return {
        "long": float((x * y).sum() / (x * x).sum()),
        "secant": float(b[-1] / chi[-1]),
        "short": float(b[1] / chi[1]),
    }


def _leave_one_out(b: FloatArray, chi: FloatArray) -> tuple[dict[str, float], ...]:
    n = len(b)
    if n < 2:
        return ()
    return tuple(_slopes(b[k].mean(axis=0), chi[k].mean(axis=0)) for k in ~np.eye(n, dtype=bool))


def check_stationarity(record: FluctuationRecord) -> Stationarity:
    """Test whether loss, norm, B(L) and chi(L) drift and whether B and chi have levelled off.

    A drift is the change of a linear fit over the windows; it counts if it exceeds both its limit
    in `DRIFTS` and three standard errors over seeds.
    """
    reasons = [
        reason
        for name, values in record.series.items()
        if (reason := _drift(name, DRIFTS[name], values))
    ]
    b, chi = midpoint_displacement(record.displacement), record.response[:, :-1]
    for name, curves in (("B", b), ("χ", chi)):
        mean = curves.mean(axis=0)
        late = 1.0 - mean[mean.size // 2] / mean[-1]
        if late > UNFINISHED:
            reasons.append(
                f"{late:.0%} of {name}(L) comes in the second half of the window (limit "
                f"{UNFINISHED:.0%}): relaxation is slower than the window"
            )
    return Stationarity(not reasons, tuple(reasons))


def _drift(name: str, limit: float, values: FloatArray) -> str:
    """Return a sentence if the quantity, shape (seeds, times), changes over the times."""
    n, times = values.shape
    if times < 2:
        return ""
    x = np.linspace(-0.5, 0.5, times)
    changes = values @ x / (x * x).sum() / values.mean()
    error = float(changes.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0
    change = float(changes.mean())
    if abs(change) <= max(limit, SIGNIFICANCE * error):
        return ""
    return (
        f"{name} changes by {change:+.0%} of its mean during the measurement (limit {limit:.0%})"
    )
