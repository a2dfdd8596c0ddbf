"""Where training stops being stable: a distribution over seeds, not a sharp limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import FloatArray, IntArray
from analysis.curves import Curves
from analysis.estimates import Estimate
from analysis.locating.first_crossing import crossing_after, first_rise

_UNIFORM = 1 / math.sqrt(12)


@dataclass(frozen=True)
class StabilityEdge:
    """Fractions of runs that did not fit, and the temperature at which half do not."""

    alpha: float
    """Initialization scale."""
    temperatures: FloatArray
    """Measured temperatures."""
    n_runs: IntArray
    """Runs at each of them."""
    n_diverged: IntArray
    """Diverged runs."""
    n_censored: IntArray
    """Runs that used up their budget."""
    last_whole: float | None
    """Largest temperature below which every run fitted."""
    half: float | None
    """T_edge, where half of the runs do not fit; None if that was not reached."""
    bracket: tuple[float, float] | None
    """Temperatures between which T_edge was interpolated."""

    @property
    def fraction_lost(self) -> FloatArray:
        """Fraction of runs that diverged or used up their budget."""
        return (self.n_diverged + self.n_censored) / self.n_runs

    @property
    def log_stderr(self) -> float | None:
        """Spacing of the bracket over sqrt(12): the lattice, not the seeds, limits T_edge."""
        return (
            None
            if self.bracket is None
            else _UNIFORM * math.log(self.bracket[1] / self.bracket[0])
        )

    def estimate(self) -> Estimate | None:
        """Return T_edge as an estimate; None if half of the runs fitted everywhere."""
        if self.half is None or self.bracket is None or self.log_stderr is None:
            return None
        low, high = self.bracket
        return Estimate(
            self.half,
            self.half * self.log_stderr,
            self.bracket,
            int(self.n_runs.max()),
            "temperature at which half of the runs do not fit; interval: its bracket",
            f"T = {low:.4g}..{high:.4g}",
        )


def locate_stability_edge(curves: Curves, alpha: float, p: int = 0) -> StabilityEdge:
    """Interpolate in ln T where the fraction of runs that did not fit first reaches one half."""
    index = np.flatnonzero(curves.n_runs[p] > 0)
    t = curves.temperatures[index]
    runs, fitted = curves.n_runs[p, index], curves.n_fitted[p, index]
    lost = 1 - fitted / runs
    first = np.flatnonzero(lost > 0)
    whole = len(t) if not first.size else int(first[0])
    half, bracket = None, None
    k = int(first_rise(lost, 0.5))
    if k >= 0 and lost[0] < 0.5:
        half = math.exp(crossing_after(np.log(t), lost, k, 0.5))
        bracket = float(t[k]), float(t[k + 1])
    return StabilityEdge(
        alpha=alpha,
        temperatures=t,
        n_runs=runs,
        n_diverged=curves.n_diverged[p, index],
        n_censored=curves.n_censored[p, index],
        last_whole=float(t[whole - 1]) if whole else None,
        half=half,
        bracket=bracket,
    )
