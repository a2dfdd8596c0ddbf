"""Escapes of a Levy-driven particle: rates, trapping, exit coordinate, overshoot, schedules.

dw_j = -grad_j U dt + noise_scale_j dL_j leaves the box |w_j| < width_j by one large jump, so the
rate knows the width and not the barrier (Imkeller and Pavlyukevich 2006; Simsekli et al. 2019).
The law is asymptotic: it needs a box of at least 15 stationary scales for 10 % accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.arrays import FloatArray
from analysis.distributions.stable_density import jump_constant

RELIABLE_WIDTH = 15.0
"""Width over stationary scale from which the asymptotic rate holds to about 10 %."""


@dataclass(frozen=True)
class LevyEscape:
    """The small-noise law of leaving a box."""

    rates: FloatArray = field(repr=False)
    """Exits per unit time through each coordinate, shape (d,)."""
    tail_index: FloatArray = field(repr=False)
    """Tail index of each coordinate."""
    relative_width: FloatArray = field(repr=False)
    """Width over the stationary scale of each coordinate."""

    @property
    def mean_time(self) -> float:
        """Mean time to leave; infinite for Gaussian noise, which has no jumps."""
        total = float(self.rates.sum())
        return 1 / total if total > 0 else float("inf")

    @property
    def exit_probability(self) -> FloatArray:
        """Probability that coordinate j leaves first: rates, not tail indices, rank them."""
        probability: FloatArray = self.rates / self.rates.sum()
        return probability

    @property
    def reliable(self) -> bool:
        """Whether every coordinate that matters lies in the range of the asymptotic law."""
        matters = self.rates > 0.01 * self.rates.sum()
        return bool((self.relative_width[matters] >= RELIABLE_WIDTH).all() and matters.any())

    def trapping_probability(self, time: npt.ArrayLike) -> FloatArray:
        """Return P(no exit until `time`)."""
        probability: FloatArray = np.exp(-np.asarray(time, dtype=float) * self.rates.sum())
        return probability


def levy_escape(
    tail_index: npt.ArrayLike,
    noise_scale: npt.ArrayLike,
    width: npt.ArrayLike,
    curvature: npt.ArrayLike = 1.0,
) -> LevyEscape:
    """Return rates r_j = 2 C (noise_scale/width)^a / a, C = Gamma(1 + a) sin(pi a/2) / pi.

    Parameters
    ----------
    tail_index, noise_scale, width, curvature
        One number per coordinate, or one for all. The curvature enters only the range of
        validity, through the stationary scale noise_scale / (a curvature)^(1/a).

    Examples
    --------
    >>> print(f"{levy_escape(1.5, 0.034, 1.0).mean_time:.0f}")
    400
    """
    a, scale, half, h = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, float)) for v in (tail_index, noise_scale, width, curvature))
    )
    rates: FloatArray = 2 * jump_constant(a) * (scale / half) ** a / a
    return LevyEscape(rates, a, half * (a * h) ** (1 / a) / scale)


def noise_scale_for(tail_index: float, mean_time: float, width: float = 1.0) -> float:
    """Return the noise scale at which one coordinate leaves after `mean_time` on average."""
    constant = float(jump_constant(tail_index))
    return width * float((tail_index / (2 * constant * mean_time)) ** (1 / tail_index))


def overshoot_probability(factor: npt.ArrayLike, tail_index: float) -> FloatArray:
    """Return P(|w|/width > factor) after an exit: a Pareto law of median 2^(1/tail_index)."""
    probability: FloatArray = np.maximum(np.asarray(factor, dtype=float), 1.0) ** -tail_index
    return probability


def schedule_survival(
    tail_index: float,
    learning_rates: npt.ArrayLike,
    noise_scales: npt.ArrayLike,
    width: float = 1.0,
) -> float:
    """Return the predicted probability of no exit during w <- w - eta_k (w + sigma_k xi_k).

    exp(-(2 C / a) sum_k (eta_k sigma_k / width)^a): only the product of learning rate and noise
    enters, so that decaying either traps equally well.
    """
    jump = np.asarray(learning_rates, float) * np.asarray(noise_scales, float) / width
    total = float((jump**tail_index).sum())
    return float(np.exp(-2 * jump_constant(tail_index) / tail_index * total))


def distance_to_exponential(times: FloatArray) -> float:
    """Return sup |P(tau > t) - exp(-t/mean)| of uncensored exit times, with their own mean."""
    ordered = np.sort(np.asarray(times, dtype=float))
    law = np.exp(-ordered / ordered.mean())
    survival = 1 - np.arange(1, ordered.size + 1) / ordered.size
    return float(
        np.maximum(np.abs(survival - law), np.abs(survival + 1 / ordered.size - law)).max()
    )
