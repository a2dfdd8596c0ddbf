"""State-dependent noise: stationary power laws, their exponents, and exact first passages.

dw = -H w dt + sqrt(eta (sigma_g + sigma_H w^2)) dB has the stationary law
p ~ (1 + rho w^2)^(-kappa), rho = sigma_H / sigma_g, a Student t of 2 kappa - 1 degrees of freedom
(Meng et al. 2020, with another convention of the stochastic integral). SGD is Ito: its kappa is
larger by one than the value of that paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from analysis.arrays import FloatArray
from analysis.distributions.student import log_normalization

CONVENTIONS = {"ito": 1.0, "stratonovich": 0.5, "paper": 0.0}
"""What is added to H/(eta sigma_H) by convention."""

_GRID = 40_001
_LARGEST_GRID = 4_000_001
_FINEST = 0.05
"""Largest change of the exponent between two points of the quadrature."""


class EscapeSettingError(ValueError):
    """A parameter outside the range in which the law is defined."""


def power_law_kappa(
    curvature: float, learning_rate: float, sigma_h: float, convention: str = "ito"
) -> float:
    """Return kappa of the stationary law; infinite (a Gaussian) for sigma_h = 0.

    Examples
    --------
    >>> [power_law_kappa(1.0, 0.1, 8.0, name) for name in ("ito", "stratonovich", "paper")]
    [2.25, 1.75, 1.25]

    Raises
    ------
    EscapeSettingError
        For an unknown convention, or numbers that give no stationary law.
    """
    if convention not in CONVENTIONS:
        raise EscapeSettingError(f"convention={convention!r}; allowed: {', '.join(CONVENTIONS)}")
    if not (curvature > 0 and learning_rate > 0 and sigma_h >= 0):
        raise EscapeSettingError(
            f"curvature={curvature}, learning_rate={learning_rate} must be positive and "
            f"sigma_h={sigma_h} not negative"
        )
    if sigma_h == 0:
        return float("inf")
    return CONVENTIONS[convention] + curvature / (learning_rate * sigma_h)


def power_law_log_pdf(w: npt.ArrayLike, kappa: float, rho: float) -> FloatArray:
    """Return log p of p = (1 + rho w^2)^(-kappa) / Z, for kappa > 1/2 and rho > 0."""
    log_z = log_normalization(np.asarray(kappa, float), np.asarray(rho, float))
    result: FloatArray = -kappa * np.log1p(rho * np.asarray(w, dtype=float) ** 2) - log_z
    return result


def power_law_variance(
    curvature: float, learning_rate: float, sigma_g: float, sigma_h: float
) -> float:
    """Return eta sigma_g / (2 H - eta sigma_H) of the Ito law, infinite where it diverges."""
    excess = 2 * curvature - learning_rate * sigma_h
    return learning_rate * sigma_g / excess if excess > 0 else float("inf")


def sgd_variance(curvature: float, learning_rate: float, sigma_g: float, sigma_h: float) -> float:
    """Return the exact stationary variance of SGD with random curvature.

    eta sigma_g / (2 H - eta (H^2 + sigma_H)): the diffusion lacks the term eta H^2.
    """
    excess = 2 * curvature - learning_rate * (curvature**2 + sigma_h)
    return learning_rate * sigma_g / excess if excess > 0 else float("inf")


@dataclass(frozen=True)
class TailExponent:
    """The exponent nu of P(|w| > x) ~ x^-nu of SGD with random curvature."""

    value: float
    """nu; infinite if no step amplifies, NaN if SGD does not contract on average."""
    effective_samples: float
    """Number of curvature samples that carry the average at nu; below 100 it is unconverged."""

    @property
    def converged(self) -> bool:
        """Whether the sample suffices."""
        return bool(np.isfinite(self.value)) and self.effective_samples >= 100


def kesten_exponent(curvatures: npt.ArrayLike, learning_rate: float) -> TailExponent:
    """Solve E|1 - eta A|^nu = 1 on a sample of minibatch curvatures A (Kesten 1973).

    The diffusion approximation predicts the same exponent only where
    :func:`diffusion_validity` is small.
    """
    factor = np.abs(1 - learning_rate * np.asarray(curvatures, dtype=float).ravel())
    with np.errstate(divide="ignore"):
        log_factor = np.log(factor)
    if not np.mean(np.maximum(log_factor, -700)) < 0:
        return TailExponent(np.nan, 0.0)
    if log_factor.max() <= 0:
        return TailExponent(np.inf, 0.0)

    def log_mean(nu: float) -> float:
        return float(special.logsumexp(nu * log_factor) - np.log(log_factor.size))

    high = 1.0
    while log_mean(high) < 0:
        high *= 2
    nu = float(optimize.brentq(log_mean, 1e-6, high, xtol=1e-6)) if high > 1e-6 else np.nan
    weight = np.exp(nu * log_factor - (nu * log_factor).max())
    return TailExponent(nu, float(weight.sum() ** 2 / (weight**2).sum()))


def diffusion_validity(curvature: float, sigma_h: float) -> float:
    """Return 2 H / sqrt(sigma_H); where it is << 1 the power law describes SGD itself."""
    return 2 * curvature / float(np.sqrt(sigma_h)) if sigma_h > 0 else float("inf")


def hill_exponent(samples: npt.ArrayLike, share: float = 0.001) -> float:
    """Return the tail exponent from the largest `share` of |w| (Hill 1975)."""
    ordered = np.sort(np.abs(np.asarray(samples, dtype=float).ravel()))
    k = max(10, round(share * ordered.size))
    largest = ordered[-k - 1 :]
    return float(1 / np.mean(np.log(largest[1:] / largest[0])))


def log_mean_first_passage(
    drift: Callable[[FloatArray], FloatArray],
    diffusion: Callable[[FloatArray], FloatArray],
    barrier: float,
    *,
    reflecting: float = 0.0,
    start: float | None = None,
    n_points: int = _GRID,
) -> float:
    """Return ln E[tau] of dw = drift dt + sqrt(diffusion) dB, absorbed at `barrier`.

    T(x0) = int_{x0}^b dy s(y) int_l^y 2/(D s) dz with s = exp(-int 2 drift/D) and a reflecting
    end l (Gardiner, Stochastic Methods, 5.5.2), by the trapezoidal rule on logarithms, so that
    barriers of hundreds of kT are no problem. A symmetric well with |w| < b has l = x0 = 0.

    Raises
    ------
    EscapeSettingError
        If the barrier is not beyond start and reflecting end, or D is not positive.
    """
    begin = reflecting if start is None else start
    if not (reflecting <= begin < barrier):
        raise EscapeSettingError(
            f"need reflecting={reflecting} <= start={begin} < barrier={barrier}"
        )
    y, d, force = _on_grid(drift, diffusion, reflecting, barrier, begin, n_points)
    step = np.diff(y)
    steepest = float(np.max(np.abs(force[:-1] * step)))
    if steepest > _FINEST:
        # The exponent must change little from point to point.
        finer = min(int(n_points * steepest / _FINEST), _LARGEST_GRID)
        y, d, force = _on_grid(drift, diffusion, reflecting, barrier, begin, finer)
        step = np.diff(y)
    potential = np.concatenate([[0.0], np.cumsum((force[1:] + force[:-1]) * step / 2)])
    inner = _log_cumulative(np.log(2 / d) + potential, step)
    outer = inner - potential
    first = int(np.searchsorted(y, begin))
    return float(_log_cumulative(outer[first:], step[first:])[-1])


def _on_grid(
    drift: Callable[[FloatArray], FloatArray],
    diffusion: Callable[[FloatArray], FloatArray],
    low: float,
    high: float,
    start: float,
    n_points: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return positions with `start` among them, D, and 2 drift / D."""
    y = np.union1d(np.linspace(low, high, n_points), [start])
    d = np.broadcast_to(diffusion(y), y.shape)
    if not bool((d > 0).all()):
        raise EscapeSettingError(f"diffusion is {d.min():g} somewhere; it must be positive")
    return y, d, 2 * np.broadcast_to(drift(y), y.shape) / d


def _log_cumulative(log_values: FloatArray, step: FloatArray) -> FloatArray:
    """Return the logarithm of the cumulative trapezoidal integral, -inf at the first point."""
    pairs = np.logaddexp(log_values[1:], log_values[:-1]) + np.log(step / 2)
    cumulative: FloatArray = np.concatenate([[-np.inf], np.logaddexp.accumulate(pairs)])
    return cumulative


def log_well_escape(
    width: float, curvature: float, learning_rate: float, sigma_g: float, sigma_h: float
) -> float:
    """Return the exact ln E[tau] from |w| < `width` in a quadratic well with power-law noise."""
    return log_mean_first_passage(
        lambda w: -curvature * w,
        lambda w: learning_rate * (sigma_g + sigma_h * w**2),
        width,
    )
