"""Maximum likelihood of the Student law, which is the stationary law of power-law dynamics.

p(w) = (1 + rho w^2)^(-kappa) / Z is a Student t with nu = 2 kappa - 1 degrees of freedom and
scale^2 = 1/(rho nu). For given rho the best kappa follows from one average, so that the fit is a
root in one variable, done for all columns at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import special

from analysis.arrays import FloatArray

LARGEST_DOF = 1000.0
"""Degrees of freedom beyond which a Student law is a Gaussian for all purposes."""


@dataclass(frozen=True)
class StudentFit:
    """One fit per row of the sample."""

    kappa: FloatArray = field(repr=False)
    """Exponent of 1 + rho w^2, shape (k,)."""
    rho: FloatArray = field(repr=False)
    """Curvature of the noise over its value at the minimum, shape (k,)."""
    log_likelihood: FloatArray = field(repr=False)
    """Sum over the row at the maximum, shape (k,)."""

    @property
    def dof(self) -> FloatArray:
        """Degrees of freedom nu = 2 kappa - 1, at most LARGEST_DOF."""
        return 2 * self.kappa - 1

    @property
    def scale(self) -> FloatArray:
        """Scale of the Student law."""
        scale: FloatArray = np.sqrt(1 / (self.rho * self.dof))
        return scale


def log_normalization(kappa: FloatArray, rho: FloatArray) -> FloatArray:
    """Return log Z, Z = sqrt(pi/rho) Gamma(kappa - 1/2) / Gamma(kappa)."""
    logarithm: FloatArray = (
        0.5 * np.log(np.pi / rho) + special.gammaln(kappa - 0.5) - special.gammaln(kappa)
    )
    return logarithm


def fit_student(rows: FloatArray) -> StudentFit:
    """Fit a centred Student law to every row by maximum likelihood.

    Parameters
    ----------
    rows : shape (k, n) or (n,)
        Measured from the centre.

    Examples
    --------
    >>> drawn = np.random.default_rng(0).standard_t(3, 50_000)
    >>> print(f"{fit_student(drawn).dof[0]:.1f}")
    3.0
    """
    square = np.atleast_2d(np.asarray(rows, dtype=float)) ** 2
    unit = np.median(square, axis=1)
    unit = np.where(unit > 0, unit, square.mean(axis=1))[:, None]
    square = square / unit
    log_q = _root(square)
    _, kappa, mean_log = _score(square, log_q)
    rho = np.exp(-log_q) / unit[:, 0]
    likelihood = -square.shape[1] * (log_normalization(kappa, rho) + kappa * mean_log)
    return StudentFit(kappa, rho, likelihood)


def _root(square: FloatArray) -> FloatArray:
    """Return log q = -log rho at which the score vanishes, in units of the median square.

    The score falls from positive to negative. Regula falsi in the Illinois form: halve the
    weight of an end that stays, so that both ends move.
    """
    result = np.zeros(len(square))
    active = np.arange(len(square))
    low = np.full(len(square), -12.0)
    # For dof + 1 = 2 kappa fixed, the root is at most (dof + 1) times the variance.
    high = np.log(np.minimum(square.mean(axis=1), 10.0) * (LARGEST_DOF + 1)) + 1e-3
    at_low, at_high = _score(square, low)[0], _score(square, high)[0]
    side = np.zeros(len(square))
    for _ in range(60):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        middle = np.clip(np.where(np.isfinite(middle), middle, (low + high) / 2), low, high)
        score = _score(square[active], middle)[0]
        result[active] = middle
        above = score > 0
        at_high = np.where(above & (side > 0), at_high / 2, at_high)
        at_low = np.where(~above & (side < 0), at_low / 2, at_low)
        low, at_low = np.where(above, middle, low), np.where(above, score, at_low)
        high, at_high = np.where(above, high, middle), np.where(above, at_high, score)
        side = np.where(above, 1.0, -1.0)
        going = (np.abs(score) > 1e-6) & (high - low > 1e-6)
        if not going.any():
            break
        active = active[going]
        low, high, at_low, at_high, side = (
            values[going] for values in (low, high, at_low, at_high, side)
        )
    return result


def _score(square: FloatArray, log_q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return d log-likelihood / d log q per element, the best kappa, and mean log(1 + w^2/q)."""
    ratio = square * np.exp(-log_q)[:, None]
    mean_log = np.log1p(ratio).mean(axis=1)
    pull = np.divide(ratio, 1 + ratio, out=ratio).mean(axis=1)
    kappa = np.minimum(_best_kappa(mean_log), (LARGEST_DOF + 1) / 2)
    return kappa * pull - 0.5, kappa, mean_log


_LOG_EXCESS: FloatArray = np.linspace(-7.0, 9.0, 1601)
_LOG_MEAN_LOG: FloatArray = np.log(
    special.digamma(np.exp(_LOG_EXCESS) + 0.5) - special.digamma(np.exp(_LOG_EXCESS))
)


def _best_kappa(mean_log: FloatArray) -> FloatArray:
    """Solve digamma(kappa) - digamma(kappa - 1/2) = mean_log for kappa > 1/2."""
    excess = np.exp(np.interp(-np.log(mean_log), -_LOG_MEAN_LOG, _LOG_EXCESS))
    for _ in range(2):
        value = special.digamma(excess + 0.5) - special.digamma(excess)
        slope = special.polygamma(1, excess + 0.5) - special.polygamma(1, excess)
        step = np.clip((value - mean_log) / slope, -excess / 2, excess)
        excess = excess - step
    kappa: FloatArray = excess + 0.5
    return kappa
