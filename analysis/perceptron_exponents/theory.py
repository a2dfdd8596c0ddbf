"""Exponents that theory predicts for the perceptron, as functions of chi.

Sclocchi, Geiger and Wyart (arXiv:2301.13703) derive gamma and delta, arXiv:2309.10688 the batch
size B*; b and the law during training follow from the same argument: for T >> kappa a fraction
theta^(1+chi) of the points violates, theta = w_perp/w_1, with w_perp ~ T, so that
dw_1/dt ~ theta^(2+chi). Hence w_1/T ~ (t/T)^(1/(3+chi)), and the training stops when
theta^(1+chi) ~ 1/P.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LITERATURE = "Sclocchi, Geiger and Wyart, arXiv:2301.13703"
BATCH_LITERATURE = "Sclocchi and Wyart, arXiv:2309.10688"


@dataclass(frozen=True)
class PerceptronTheory:
    """Predictions for data whose density near the boundary goes like |x_1|^chi.

    >>> theory = PerceptronTheory(1.0)
    >>> theory.gamma, theory.b, theory.trajectory
    (0.5, 2.0, 0.25)
    """

    chi: float

    @property
    def gamma(self) -> float:
        """||w|| ~ T P^gamma, w_1/w_perp ~ P^gamma and B* ~ P^gamma: gamma = 1/(1 + chi)."""
        return 1 / (1 + self.chi)

    @property
    def b(self) -> float:
        """t* ~ T P^b: b = (3 + chi)/(1 + chi)."""
        return (3 + self.chi) / (1 + self.chi)

    @property
    def delta(self) -> float:
        """||w|| ~ T^delta: delta = 1, by scale invariance for T >> kappa."""
        return 1.0

    @property
    def trajectory(self) -> float:
        """w_1 ~ t^y during training: y = 1/(3 + chi)."""
        return 1 / (3 + self.chi)

    def first_step(self, input_dim: int) -> float:
        """Return s = E[a]/sqrt(d): a first step of size eta = T B gives w_1 = s eta."""
        ratio = math.gamma((2 + self.chi) / 2) / math.gamma((1 + self.chi) / 2)
        return math.sqrt(2) * ratio / math.sqrt(input_dim)
