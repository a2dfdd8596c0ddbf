"""A power law in the initialization scale: y = A alpha^k, from one located number per alpha.

The same weighted fit as for T_c(P), with the seeds that all alphas share resampled together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import BoolArray, FloatArray
from analysis.estimates import Estimate, estimate_from_replicates, student_factor
from analysis.fits.power_law import ERROR_FLOOR
from analysis.fits.straightness import weighted_solver
from analysis.table import setting_text

MINIMUM_ALPHAS = 3
MINIMUM_ALPHA_RANGE = 10.0
NOT_DETERMINED = "exponent not determined"


@dataclass(frozen=True)
class AlphaLaw:
    """Weighted least squares of ln y = ln A + k ln alpha."""

    symbol: str
    """What is fitted, e.g. ``T_noise``."""
    alphas: FloatArray
    """Scales in the fit, shape (n,)."""
    log_values: FloatArray = field(repr=False)
    """ln y, shape (n,)."""
    coefficients: FloatArray
    """(ln A, k), NaN where there is no fit."""
    log_stderr: FloatArray = field(repr=False)
    """Errors used as weights, floor 0.02 included, shape (n,)."""
    exponent: Estimate | None
    """k, or None if too few scales have a value."""
    remark: str
    """Why there is no exponent; empty if there is one."""
    log_replicates: FloatArray = field(repr=False)
    """ln y of resampled seeds, shape (n_bootstrap, n)."""
    n_clusters: int
    """Seeds behind the replicates."""

    def part(self, keep: BoolArray) -> AlphaLaw:
        """Return the law of the scales where `keep`, of shape (n,), is true."""
        return fit_alpha_law(
            list(self.alphas[keep]),
            self.log_values[keep],
            self.log_stderr[keep],
            self.log_replicates[:, keep],
            n_clusters=self.n_clusters,
            symbol=self.symbol,
        )

    @property
    def pulls(self) -> FloatArray:
        """ln y minus fit in units of its error, shape (n,)."""
        fitted = self.coefficients[0] + self.coefficients[1] * np.log(self.alphas)
        return np.asarray((self.log_values - fitted) / self.log_stderr)

    @property
    def fit_range(self) -> str:
        """``alpha = 10..1000``."""
        return alpha_range(self.alphas)

    @property
    def chi2(self) -> float:
        """Sum of squared residuals in units of their errors."""
        return float((self.pulls**2).sum())

    def evaluate(self, alphas: FloatArray) -> FloatArray:
        """Return the fitted y at `alphas`."""
        log_a, k = self.coefficients
        return np.asarray(np.exp(log_a + k * np.log(alphas)))

    def __str__(self) -> str:
        if self.exponent is None:
            return self.remark
        return f"{self.symbol} ~ alpha^{self.exponent}, {self.fit_range}"


def alpha_range(alphas: FloatArray) -> str:
    """Return ``alpha = 10..1000``, ``alpha = 10`` or ``no alpha``."""
    if len(alphas) == 0:
        return "no alpha"
    return f"alpha = {setting_text(alphas[0])}" + (
        f"..{setting_text(alphas[-1])}" if len(alphas) > 1 else ""
    )


def fit_alpha_law(
    alphas: Sequence[float],
    log_values: FloatArray,
    log_stderr: FloatArray,
    log_replicates: FloatArray,
    *,
    n_clusters: int,
    symbol: str,
) -> AlphaLaw:
    """Fit y = A alpha^k to numbers given by alpha, in increasing order.

    Parameters
    ----------
    log_values, log_stderr : shape (n,)
        ln y and its standard error (at least 0.02 in the weights).
    log_replicates : shape (n_bootstrap, n)
        ln y of resampled seeds.

    Examples
    --------
    >>> alphas, none = [0.001, 0.01, 0.1], np.empty((0, 3))
    >>> law = fit_alpha_law(
    ...     alphas, 0.5 * np.log(alphas), np.zeros(3), none, n_clusters=1, symbol="T"
    ... )
    >>> round(law.exponent.value, 6)
    0.5
    """
    x = np.asarray(alphas, dtype=float)
    y = np.asarray(log_values, dtype=float)
    s = np.maximum(np.nan_to_num(np.asarray(log_stderr, dtype=float)), ERROR_FLOOR)
    if len(x) < MINIMUM_ALPHAS or x[-1] < MINIMUM_ALPHA_RANGE * x[0] * (1 - 1e-9):
        remark, none = _too_few(symbol, x), np.full(2, np.nan)
        return AlphaLaw(symbol, x, y, none, s, None, remark, log_replicates, n_clusters)
    solver, _ = weighted_solver(np.log(x), s, 1)
    best = solver @ y
    exponent = estimate_from_replicates(
        float(best[1]),
        log_replicates @ solver[1],
        n_clusters,
        definition=f"exponent of {symbol} = A alpha^k",
        fit_range=alpha_range(x),
    )
    best = np.asarray(best)
    return AlphaLaw(symbol, x, y, best, s, exponent, "", log_replicates, n_clusters)


def _too_few(symbol: str, alphas: FloatArray) -> str:
    span = f" over a factor {alphas[-1] / alphas[0]:.3g}" if len(alphas) > 1 else ""
    return (
        f"{NOT_DETERMINED}: {symbol} is valid at {len(alphas)} values of alpha{span}; at least "
        f"{MINIMUM_ALPHAS} over a factor {MINIMUM_ALPHA_RANGE:g} are needed"
    )


def pull_from(estimate: Estimate, expected: float) -> float | None:
    """Return the departure from `expected` in standard errors, None without an error."""
    return (estimate.value - expected) / estimate.stderr if estimate.stderr else None


def status_of(estimate: Estimate, expected: float, tolerance: float = 0.0) -> str:
    """Return the verdict on `estimate` = `expected`, within `tolerance` and its 95 % interval.

    ``contradicted`` needs half as much again as the 95 % interval.
    """
    if not estimate.stderr or not math.isfinite(estimate.value):
        return "not established"
    excess = (abs(estimate.value - expected) - tolerance) / estimate.stderr
    limit = student_factor(estimate.n)
    if excess <= 0 or (tolerance == 0 and excess <= limit):
        return "established"
    return "contradicted" if excess > 1.5 * limit else "not established"
