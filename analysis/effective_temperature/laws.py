"""Power laws between temperatures, noise and distances, with errors from leaving out seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import FloatArray, IntArray
from analysis.effective_temperature.table import ReplicaCell, TemperatureCell
from analysis.estimates import Estimate, estimate_from_error, jackknife_stderr


@dataclass(frozen=True)
class LogLaw:
    """ln y = intercept + slope ln x, all points with equal weight."""

    slope: Estimate
    prefactor: float
    """y at x = 1."""
    x: FloatArray = field(repr=False)
    y: FloatArray = field(repr=False)
    left_out: FloatArray = field(repr=False)
    """y without each seed in turn, shape (seeds, points)."""

    def part(self, keep: IntArray) -> LogLaw:
        """Return the law of the chosen points."""
        return fit_log_law(
            list(self.x[keep]),
            list(self.y[keep]),
            list(self.left_out[:, keep]),
            definition=self.slope.definition,
            fit_range=f"x = {self.x[keep].min():.3g}..{self.x[keep].max():.3g}",
        )

    @property
    def span(self) -> float:
        """Largest x over smallest x."""
        return float(self.x.max() / self.x.min())


def fit_log_law(
    x: Sequence[float],
    y: Sequence[float],
    left_out: Sequence[Sequence[float]],
    *,
    definition: str,
    fit_range: str,
) -> LogLaw:
    """Fit a power law; `left_out` holds y without each seed in turn, one sequence per seed.

    Examples
    --------
    >>> law = fit_log_law([1, 10], [2, 20], [], definition="", fit_range="")
    >>> law.slope.value, law.prefactor
    (1.0, 2.0)
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    slope = _slope(xs, ys)
    replicates = [_slope(xs, np.asarray(values, dtype=np.float64)) for values in left_out]
    n = max(1, len(replicates))
    estimate = estimate_from_error(
        slope,
        jackknife_stderr(replicates),
        n - 1,
        n,
        definition=definition,
        fit_range=fit_range,
    )
    prefactor = math.exp(float(np.log(ys).mean() - slope * np.log(xs).mean()))
    others = np.asarray(left_out, dtype=np.float64).reshape(len(left_out), len(xs))
    return LogLaw(estimate, float(f"{prefactor:.12g}"), xs, ys, others)


def _slope(x: FloatArray, y: FloatArray) -> float:
    u = np.log(x) - np.log(x).mean()
    return float(f"{float((u * np.log(y)).sum() / (u * u).sum()):.12g}")


def secants(cells: Sequence[TemperatureCell]) -> list[float]:
    """Return T_sec of every cell."""
    return [cell.found.slopes["secant"] for cell in cells]


def secants_left_out(cells: Sequence[TemperatureCell]) -> list[list[float]]:
    """Return T_sec of every cell without each seed; none unless all cells share their seeds."""
    if len({cell.seeds for cell in cells}) != 1:
        return []
    n = len(cells[0].found.left_out)
    return [[cell.found.left_out[k]["secant"] for cell in cells] for k in range(n)]


def distances(cells: Sequence[ReplicaCell]) -> list[float]:
    """Return the mean replica distance of every cell."""
    return [float(cell.columns["replica_distance"].mean()) for cell in cells]


def distances_left_out(cells: Sequence[ReplicaCell]) -> list[list[float]]:
    """Return the mean distance without each seed; none unless all cells share their seeds."""
    n = len(cells[0].seeds)
    if n < 2 or len({cell.seeds for cell in cells}) != 1:
        return []
    return [
        [float(np.delete(cell.columns["replica_distance"], k).mean()) for cell in cells]
        for k in range(n)
    ]


def ratio_estimate(above: TemperatureCell, below: TemperatureCell, definition: str) -> Estimate:
    """Return T_sec of one cell over that of another, seeds paired where they are shared."""
    value = above.found.slopes["secant"] / below.found.slopes["secant"]
    left = secants_left_out([above, below])
    error = jackknife_stderr([math.log(a / b) for a, b in left])
    n = max(1, len(left))
    return estimate_from_error(
        value, error, n - 1, n, definition=definition, fit_range=above.control.label,
        logarithmic=True,
    )  # fmt: skip
