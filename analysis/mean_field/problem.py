"""The perceptron whose training dynamics has an exact theory: losses, tasks, selection, limits.

N weights, M = load N samples, labels absorbed into the inputs x; margin h = w.x / sqrt(N). One
step of size eta is

    w -= eta [ridge w + N^-1/2 sum_mu g_mu x_mu - H] + sqrt(2 T_L eta) xi
    g_mu = (s_mu / b) l'(h_mu)

where s_mu in {0, 1} tells which samples are active, on average a fraction b. The factor 1/b keeps
the drift that of full-batch descent, so that b sets the noise alone. The objective is the *sum* of
the losses over samples: every effective temperature is in its units.

After Mignacco and Urbani (J. Stat. Mech. 2022, 083405; arXiv:2112.10852), whose conventions for
tau and for the factor 1/b were not checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.arrays import FloatArray


class SolveDynamicsError(ValueError):
    """A problem without a solution worth a number; the message is one sentence for the user."""


@dataclass(frozen=True)
class MarginLoss:
    """A loss of the margin h, at target margin k."""

    value: Callable[[FloatArray, float], FloatArray]
    """l(h)."""
    slope: Callable[[FloatArray, float], FloatArray]
    """l'(h), continuous."""
    curvature: Callable[[FloatArray, float], FloatArray]
    """l''(h), almost everywhere."""
    largest_curvature: float
    """Largest l''."""
    two_valued: bool
    """Whether l'' is zero or one constant."""


def _logistic_curvature(h: FloatArray, _: float) -> FloatArray:
    wrong = special.expit(-h)
    return np.asarray(wrong * (1.0 - wrong))


MARGIN_LOSSES = {
    "quadratic_hinge": MarginLoss(
        value=lambda h, k: 0.5 * np.maximum(k - h, 0.0) ** 2,
        slope=lambda h, k: np.minimum(h - k, 0.0),
        curvature=lambda h, k: (h < k).astype(np.float64),
        largest_curvature=1.0,
        two_valued=True,
    ),
    "logistic": MarginLoss(
        value=lambda h, _: np.logaddexp(0.0, -h),
        slope=lambda h, _: -special.expit(-h),
        curvature=_logistic_curvature,
        largest_curvature=0.25,
        two_valued=False,
    ),
    "square": MarginLoss(
        value=lambda h, k: 0.5 * (h - k) ** 2,
        slope=lambda h, k: h - k,
        curvature=lambda h, _: np.ones_like(h),
        largest_curvature=1.0,
        two_valued=True,
    ),
}
"""Losses by name."""
TASKS = ("random", "mixture", "teacher")
"""Random labels; two Gaussian clusters at distance 2 `separation`; labels of a teacher."""


@dataclass(frozen=True)
class DynamicsProblem:
    """Everything that fixes the dynamics in the limit of many weights."""

    load: float
    """M / N."""
    learning_rate: float
    """eta, against the sum of the losses."""
    active_fraction: float = 1.0
    """b, the fraction of samples in a step; 1 is full batch."""
    persistence_time: float | None = None
    """tau, mean time eta t for which a sample stays active; None draws every step afresh."""
    loss: str = "quadratic_hinge"
    """A name of MARGIN_LOSSES."""
    target_margin: float = 1.0
    """kappa, below which a sample counts as violated."""
    ridge: float = 0.0
    """lambda, coefficient of |w|^2 / 2."""
    langevin_temperature: float = 0.0
    """T_L of added white noise."""
    initial_scale: float = 1.0
    """R, standard deviation of the initial weights."""
    task: str = "random"
    """A name of TASKS."""
    separation: float = 1.0
    """rho, distance of a cluster from the origin (task `mixture`)."""

    def __post_init__(self) -> None:
        _check_names(self)
        _check_numbers(self)
        _check_selection(self)
        stiffness = self.stiffness
        if self.learning_rate * stiffness >= 2.0:
            raise SolveDynamicsError(
                f"learning_rate={self.learning_rate:g} is beyond stability: the curvature "
                f"reaches {stiffness:.3g}, which needs a learning rate below "
                f"{2.0 / stiffness:.3g}"
            )

    @property
    def stiffness(self) -> float:
        """Largest curvature of the objective: ridge + max l'' times the edge of the spectrum."""
        curvature = MARGIN_LOSSES[self.loss].largest_curvature
        edge = (1.0 + math.sqrt(self.load)) ** 2
        strength = self.separation**2 if self.task == "mixture" else 0.0
        # Clusters push one eigenvalue out of the bulk (Baik, Ben Arous and Peche 2005).
        if strength > 1.0 / math.sqrt(self.load):
            edge = (1.0 + strength) * (self.load + 1.0 / strength)
        return self.ridge + curvature * edge

    @property
    def deactivation(self) -> float:
        """P(1 -> 0) per step."""
        if self.persistence_time is None:
            return 1.0 - self.active_fraction
        return self.learning_rate / self.persistence_time

    @property
    def activation(self) -> float:
        """P(0 -> 1) per step."""
        b = self.active_fraction
        return 0.0 if b == 1.0 else b / (1.0 - b) * self.deactivation

    @property
    def selection_correlation(self) -> float:
        """rho, correlation of the selection between neighbouring steps; 0 for plain SGD."""
        return 1.0 - self.deactivation - self.activation if self.active_fraction < 1 else 0.0

    @property
    def noise_strength(self) -> float:
        """eta (1-b)/b, to which every temperature of plain SGD is proportional at small noise."""
        return self.learning_rate * (1.0 - self.active_fraction) / self.active_fraction

    def bare_temperature(self, mean_squared_slope: float) -> float:
        """Return the temperature T_0 of the white noise that slow directions feel.

        load (1-b)/b E[l'^2] ((1-b) tau - eta/2) for persistent selection and
        (eta/2) load (1-b)/b E[l'^2] for a fresh one, plus T_L.
        """
        ratio = (1.0 + self.selection_correlation) / (1.0 - self.selection_correlation)
        noise = 0.5 * self.noise_strength * self.load * mean_squared_slope * ratio
        return self.langevin_temperature + noise


def _check_names(problem: DynamicsProblem) -> None:
    for name, allowed in (("loss", tuple(MARGIN_LOSSES)), ("task", TASKS)):
        if getattr(problem, name) not in allowed:
            raise SolveDynamicsError(
                f"{name}={getattr(problem, name)!r} is unknown; allowed: {', '.join(allowed)}"
            )


def _check_numbers(problem: DynamicsProblem) -> None:
    for name in ("load", "learning_rate", "initial_scale"):
        value = getattr(problem, name)
        if not (math.isfinite(value) and value > 0):
            raise SolveDynamicsError(f"{name}={value!r}: must be positive and finite")
    for name in ("ridge", "langevin_temperature"):
        value = getattr(problem, name)
        if not (math.isfinite(value) and value >= 0):
            raise SolveDynamicsError(f"{name}={value!r}: must be zero or positive, and finite")
    for name in ("target_margin", "separation"):
        value = getattr(problem, name)
        if not math.isfinite(value):
            raise SolveDynamicsError(f"{name}={value!r}: must be finite")


def _check_selection(problem: DynamicsProblem) -> None:
    b, tau, eta = problem.active_fraction, problem.persistence_time, problem.learning_rate
    if not 0.0 < b <= 1.0:
        raise SolveDynamicsError(
            f"active_fraction={b!r}: must be above 0 and at most 1 (1 is full batch)"
        )
    if tau is None:
        return
    if b == 1.0:
        raise SolveDynamicsError(
            f"persistence_time={tau!r} has no meaning at active_fraction=1, where every sample is "
            "always active; leave it out"
        )
    shortest = eta * max(1.0, b / (1.0 - b))
    if not (math.isfinite(tau) and tau >= shortest * (1.0 - 1e-12)):
        raise SolveDynamicsError(
            f"persistence_time={tau!r}: must be at least {shortest:.6g} for learning_rate={eta:g} "
            f"and active_fraction={b:g}, or a sample would flip more than once per step; plain "
            f"SGD is persistence_time={eta / (1.0 - b):.6g}"
        )
