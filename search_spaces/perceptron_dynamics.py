"""The control parameters of the perceptron whose training has an exact mean-field theory.

N weights, load N samples of independent Gaussian components, the *sum* of a loss over samples.
A step of size eta uses each sample with probability b and weights it by 1/b, so that b sets the
noise and not the drift (Mignacco and Urbani, arXiv:2112.10852).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from search_spaces.choices import InvalidSettingError, check_name
from search_spaces.selection import flip_probabilities

MARGIN_LOSSES = ("quadratic_hinge", "logistic", "square")
TASKS = ("random", "mixture", "teacher")
"""Random labels; two Gaussian clusters; labels of a teacher perceptron."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptronDynamics:
    """One configuration of the dynamics; complete, checked and immutable."""

    n_weights: int = 1000
    """N."""
    load: float = 4.0
    """Samples per weight."""
    learning_rate: float = 0.05
    """eta, against the sum of the losses."""
    active_fraction: float = 1.0
    """b; 1 is full batch."""
    persistence_time: float | None = None
    """tau, mean time eta t for which a sample stays active; None draws every step afresh."""
    loss: str = "quadratic_hinge"
    target_margin: float = 1.0
    """kappa."""
    ridge: float = 0.0
    """lambda, coefficient of |w|^2 / 2."""
    langevin_temperature: float = 0.0
    """T_L of added white noise."""
    initial_scale: float = 1.0
    """R: |w^0|^2 = R^2 N exactly."""
    task: str = "random"
    separation: float = 1.0
    """rho, distance of a cluster from the origin (task `mixture`)."""

    def __post_init__(self) -> None:
        check_name("loss", self.loss, MARGIN_LOSSES)
        check_name("task", self.task, TASKS)
        if not isinstance(self.n_weights, int) or self.n_weights < 10:
            raise InvalidSettingError(f"n_weights={self.n_weights!r}: a whole number >= 10")
        for name in ("load", "learning_rate", "initial_scale"):
            _check_number(name, getattr(self, name), positive=True)
        for name in ("ridge", "langevin_temperature"):
            _check_number(name, getattr(self, name))
        for name in ("target_margin", "separation"):
            if not math.isfinite(getattr(self, name)):
                raise InvalidSettingError(f"{name}={getattr(self, name)!r}: must be finite")
        flip_probabilities(self.active_fraction, self.persistence_time, self.learning_rate)

    @property
    def n_samples(self) -> int:
        """M, at least 1."""
        return max(1, round(self.load * self.n_weights))

    @property
    def flips(self) -> tuple[float, float]:
        """P(1 -> 0) and P(0 -> 1) per step."""
        return flip_probabilities(self.active_fraction, self.persistence_time, self.learning_rate)

    def mean_field_settings(self) -> dict[str, Any]:
        """Return what is left of the settings for N -> infinity."""
        settings = asdict(self)
        del settings["n_weights"]
        return settings


def _check_number(name: str, value: float, *, positive: bool = False) -> None:
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        words = "positive" if positive else "zero or positive"
        raise InvalidSettingError(f"{name}={value!r}: must be {words} and finite")
