"""Two steps of the test error on the lazy side: up where noise sets in, down on leaving the lazy
regime.

Temperatures are grouped in advance, by the window of each alpha and not by the errors seen. The
difference between two groups is taken seed by seed, since images and initial weights are shared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import FloatArray
from analysis.curves import Curves
from analysis.estimates import Estimate, estimate_from_error
from analysis.locating.window import Window

_LATTICE = 1.05
"""Slack of the ends, for temperatures rounded to a lattice."""

SIGNIFICANT = 3.0
MINIMUM_SEEDS = 16
_EFFECT = 0.1
"""Relative step that the number of seeds should resolve by three standard errors."""


@dataclass(frozen=True)
class ErrorStep:
    """Difference of mean test errors between two groups of temperatures at one alpha."""

    name: str
    """``rise`` or ``fall``, the sign that is expected."""
    alpha: float
    """Initialization scale."""
    n_train: int
    """P."""
    lower: FloatArray = field(repr=False)
    """Temperatures of the colder group."""
    upper: FloatArray = field(repr=False)
    """Temperatures of the hotter group."""
    difference: Estimate
    """Test error of the hotter group minus that of the colder one, paired by seed."""
    level: float
    """Mean test error of the colder group."""

    @property
    def significance(self) -> float | None:
        """Step in its expected direction in standard errors; None without an error."""
        if not self.difference.stderr:
            return None
        sign = 1.0 if self.name == "rise" else -1.0
        return sign * self.difference.value / self.difference.stderr

    @property
    def needed_seeds(self) -> int | None:
        """S (3 se/f)^2 for a step of 10 %; None without an error."""
        if not self.difference.stderr:
            return None
        relative = 3 * self.difference.stderr / (_EFFECT * self.level)
        return math.ceil(self.difference.n * relative**2)


def measure_error_steps(
    curves: Curves, alpha: float, window: Window, p: int = 0
) -> tuple[ErrorStep, ...]:
    """Return the rise from cold to noisy and the fall from noisy to hot; empty if undefined.

    A seed enters if it fitted at every stable temperature of both groups.
    """
    if not (window.has_noisy_plateau() and curves.has("test_error")):
        return ()
    means = {name: _group(curves, p, ends) for name, ends in window.groups().items()}
    steps = [
        _step(curves, alpha, p, name, means[low], means[high])
        for name, low, high in (("rise", "cold", "noisy"), ("fall", "noisy", "hot"))
    ]
    return tuple(step for step in steps if step is not None)


_Group = tuple[FloatArray, FloatArray]


def _group(curves: Curves, p: int, ends: tuple[float, float]) -> _Group:
    """Temperatures of a group and every seed's mean test error over them."""
    inside = (curves.temperatures * _LATTICE >= ends[0]) & (
        curves.temperatures <= ends[1] * _LATTICE
    )
    chosen = np.flatnonzero(inside & curves.stable[p])
    return curves.temperatures[chosen], curves.values("test_error")[p][chosen]


def _step(
    curves: Curves, alpha: float, p: int, name: str, lower: _Group, upper: _Group
) -> ErrorStep | None:
    if not (lower[0].size and upper[0].size):
        return None
    differences = upper[1].mean(axis=0) - lower[1].mean(axis=0)
    seeds = np.isfinite(differences)
    n = int(seeds.sum())
    if n == 0:
        return None
    error = float(differences[seeds].std(ddof=1) / math.sqrt(n)) if n > 1 else None
    where = " to ".join(f"T = {t[0]:.3g}..{t[-1]:.3g}" for t in (lower[0], upper[0]))
    estimate = estimate_from_error(
        float(differences[seeds].mean()),
        error,
        n - 1,
        n,
        definition=f"{name} of the mean test error from one group of temperatures to the next, "
        "paired by seed",
        fit_range=f"P = {curves.sizes[p]}, {where}",
    )
    level = float(lower[1][:, seeds].mean())
    return ErrorStep(name, alpha, int(curves.sizes[p]), lower[0], upper[0], estimate, level)
