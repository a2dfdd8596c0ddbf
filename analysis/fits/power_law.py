"""T_c = C P^-a: the weighted fit, what speaks against it, and when there is no exponent at all.

A straight line can be drawn through anything. Hence every fit carries its chi2, its residuals,
the exponent without each size in turn, local slopes, and the comparison with a constant and with
a curved law; too few sizes or too short a range give no exponent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from analysis.arrays import FloatArray, IntArray
from analysis.estimates import Estimate, bootstrap_stderr, estimate_from_error, format_value
from analysis.fits.straightness import (
    LocalSlope,
    exponents_from_each,
    exponents_without_each,
    information_criteria,
    local_slopes_between,
    weighted_solver,
)
from analysis.locating.located import CriticalTemperatures

MINIMUM_SIZES = 4
MINIMUM_RANGE = 8.0
ERROR_FLOOR = 0.02
"""Smallest error of ln T_c that a weight may assume: slow drifts of this size are not tested."""
POOLING = 16.0
"""Weight, in degrees of freedom, of the errors' mean square over sizes against each one's own."""
FLAT = 0.25
"""|a| ln(Pmax/Pmin) below which a law counts as independent of P."""
DRIFT = 4.0
"""Advantage in AIC at which a quadratic term means that the local exponent drifts."""
NOT_DETERMINED = "exponent not determined"


@dataclass(frozen=True)
class PowerLawFit:
    """Weighted least squares of ln T_c = ln C - a ln P and its tests."""

    symbol: str
    """What is fitted, e.g. ``T_lazy(0.1)``."""
    exponent: Estimate | None
    """a, or None with fewer than two sizes. Only an estimate to quote if `determined`."""
    prefactor: Estimate | None
    """C, the value at P = 1."""
    covariance: FloatArray = field(repr=False)
    """Covariance of (ln C, a) that the weights imply, shape (2, 2)."""
    sizes: IntArray
    """Sizes in the fit, shape (n,)."""
    log_values: FloatArray = field(repr=False)
    """ln T_c, shape (n,)."""
    log_stderr: FloatArray = field(repr=False)
    """Errors used as weights, floor 0.02 included, shape (n,)."""
    residuals: FloatArray = field(repr=False)
    """ln T_c minus fit, shape (n,)."""
    leave_one_out: dict[int, Estimate]
    """a without each size in turn."""
    from_size: dict[int, Estimate]
    """a of sizes P >= P_min, by P_min."""
    local_slopes: tuple[LocalSlope, ...]
    """a between neighbouring sizes."""
    aic: dict[str, float]
    """AIC = chi2 + 2k of ``constant``, ``power law``, ``quadratic``, ``logarithm``, ``broken``."""
    refused: tuple[int, ...]
    """Sizes without a valid T_c."""
    determined: bool
    """Whether sizes and range suffice for an exponent."""
    remarks: tuple[str, ...]
    """Fixed sentences that must accompany the fit."""
    replicates: FloatArray = field(repr=False)
    """(ln C, a) of every bootstrap sample, shape (n_bootstrap, 2)."""

    @property
    def chi2(self) -> float:
        """Sum of squared residuals in units of their errors."""
        return float(((self.residuals / self.log_stderr) ** 2).sum())

    @property
    def dof(self) -> int:
        """Degrees of freedom, n - 2."""
        return max(len(self.sizes) - 2, 0)

    @property
    def p_value(self) -> float | None:
        """Probability of a larger chi2 if the law holds; None without degrees of freedom."""
        return float(special.chdtrc(self.dof, self.chi2)) if self.dof else None

    @property
    def r_squared(self) -> float | None:
        """Fraction of the weighted variance explained; None if there is none."""
        if not len(self.sizes):
            return None
        mean = np.average(self.log_values, weights=self.log_stderr**-2)
        total = float((((self.log_values - mean) / self.log_stderr) ** 2).sum())
        return 1 - self.chi2 / total if total > 0 else None

    @property
    def fit_range(self) -> str:
        """``P = 64..1024``."""
        return size_range(self.sizes)

    def evaluate(self, sizes: FloatArray) -> FloatArray:
        """Return the fitted T_c at `sizes`."""
        if self.exponent is None or self.prefactor is None:
            return np.full(np.shape(sizes), np.nan)
        return self.prefactor.value * np.asarray(sizes, dtype=float) ** -self.exponent.value

    def log_stderr_at(self, sizes: FloatArray) -> FloatArray:
        """Return the bootstrap standard error of ln of :meth:`evaluate`; NaN where unknown."""
        finite = self.replicates[np.isfinite(self.replicates).all(axis=1)]
        if self.exponent is None or self.exponent.n < 2 or len(finite) < 2:
            return np.full(np.shape(sizes), np.nan)
        lines = finite[:, :1] - finite[:, 1:] * np.log(np.asarray(sizes, dtype=float))
        n = self.exponent.n
        return np.asarray(np.std(lines, axis=0, ddof=1) * math.sqrt(n / (n - 1)))

    def __str__(self) -> str:
        if not self.determined or self.exponent is None or self.prefactor is None:
            return self.remarks[0]
        a, c = self.exponent, self.prefactor
        negative = format_value(-a.value, a.stderr)
        return (
            f"T_c = {c} P^{negative}, chi2/dof = {self.chi2:.1f}/{self.dof}, "
            f"P in [{self.sizes[0]}, {self.sizes[-1]}]"
        )

    def summary(self) -> str:
        """Return the law and its remarks as lines of text."""
        return "\n".join([str(self), *(r for r in self.remarks if r != str(self))])


def size_range(sizes: IntArray) -> str:
    """Return ``P = 64..1024``, or ``P = 64``, or ``no sizes``.

    >>> size_range(np.array([64, 1024]))
    'P = 64..1024'
    """
    if len(sizes) == 0:
        return "no sizes"
    return f"P = {sizes[0]}" + (f"..{sizes[-1]}" if len(sizes) > 1 else "")


def fit_power_law(temperatures: CriticalTemperatures) -> PowerLawFit:
    """Fit T_c = C P^-a to the located temperatures; refused sizes never enter.

    Weights 1/s_P^2 with s_P the bootstrap error of ln T_c, at least 0.02 and, with few seeds,
    pooled over sizes. Errors of a and C: the
    same weighted fit to T_c of every resampled set of seeds. With a single replica they come from
    the residuals.
    """
    located = np.array([point.value is not None for point in temperatures.points], dtype=bool)
    points = temperatures.located
    return fit_log_log(
        [point.n_train for point in points],
        np.log([float(point.value or math.nan) for point in points]),
        np.array([point.log_stderr or 0.0 for point in points]),
        temperatures.log_replicates[:, located],
        n_clusters=temperatures.n_clusters,
        symbol=temperatures.symbol,
        refused=[point.n_train for point in temperatures.refused],
    )


def fit_log_log(
    sizes: Sequence[int],
    log_values: FloatArray,
    log_stderr: FloatArray,
    log_replicates: FloatArray,
    *,
    n_clusters: int,
    symbol: str = "T_c",
    refused: Sequence[int] = (),
) -> PowerLawFit:
    """Fit a decreasing power law to numbers given by size; see :func:`fit_power_law`.

    Parameters
    ----------
    sizes : shape (n,)
        P in increasing order.
    log_values, log_stderr : shape (n,)
        ln T_c and its standard error (zero where unknown; the floor replaces it).
    log_replicates : shape (n_bootstrap, n)
        ln T_c of resampled seeds; may hold no samples.
    n_clusters
        Number of seeds behind the replicates.

    Examples
    --------
    >>> sizes = [64, 128, 256, 512, 1024]
    >>> y = np.log(4.9) - np.log(sizes) / 3
    >>> fit = fit_log_log(sizes, y, np.zeros(5), np.empty((0, 5)), n_clusters=1)
    >>> round(fit.exponent.value, 6), round(fit.prefactor.value, 6)
    (0.333333, 4.9)
    """
    p = np.asarray(sizes, dtype=np.int64)
    y = np.asarray(log_values, dtype=float)
    s = _shrunk_errors(np.asarray(log_stderr, dtype=float), n_clusters)
    if len(p) < 2:
        return _no_fit(symbol, p, y, s, refused, log_replicates)
    best, covariance, samples = _line(p, y, s, log_replicates)
    residuals = y - best[0] + best[1] * np.log(p)
    determined = len(p) >= MINIMUM_SIZES and p[-1] >= MINIMUM_RANGE * p[0]
    exponent, prefactor = _parameters(
        symbol, best, samples, covariance, residuals / s, p, n_clusters
    )
    aic = information_criteria(np.log(p), y, s)
    slopes = local_slopes_between(p, y, log_replicates, n_clusters)
    remarks = _remarks(symbol, p, exponent.value, determined, refused, aic, slopes)
    return PowerLawFit(
        symbol=symbol,
        exponent=exponent,
        prefactor=prefactor,
        covariance=covariance,
        sizes=p,
        log_values=y,
        log_stderr=s,
        residuals=residuals,
        leave_one_out=exponents_without_each(p, y, s, log_replicates, n_clusters),
        from_size=exponents_from_each(p, y, s, log_replicates, n_clusters),
        local_slopes=slopes,
        aic=aic,
        refused=tuple(refused),
        determined=bool(determined),
        remarks=remarks,
        replicates=samples,
    )


def _line(
    p: IntArray, y: FloatArray, s: FloatArray, log_replicates: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(ln C, a) of the weighted fit, their covariance, and both for every bootstrap sample."""
    solver, covariance = weighted_solver(np.log(p), s, 1)
    sign = np.array([1.0, -1.0])
    return solver @ y * sign, covariance * np.outer(sign, sign), log_replicates @ solver.T * sign


def _shrunk_errors(log_stderr: FloatArray, n_clusters: int) -> FloatArray:
    """Errors for the weights: drawn toward their root mean square, and not below the floor.

    The error of an error from S seeds is 1/sqrt(2(S-1)). Weights from four seeds would let chance
    decide which size counts, and the intervals would cover 90 instead of 95 %.
    """
    own = np.nan_to_num(log_stderr)
    if not own.size:
        return own
    dof = n_clusters - 1
    variance = (dof * own**2 + POOLING * np.mean(own**2)) / (dof + POOLING)
    return np.asarray(np.maximum(np.sqrt(variance), ERROR_FLOOR))


def _parameters(
    symbol: str,
    best: FloatArray,
    samples: FloatArray,
    covariance: FloatArray,
    pulls: FloatArray,
    sizes: IntArray,
    n_clusters: int,
) -> tuple[Estimate, Estimate]:
    """Exponent and prefactor with errors from the bootstrap, or from residuals without one."""
    dof, n = len(sizes) - 2, n_clusters
    errors = [bootstrap_stderr(samples[:, k], n_clusters) for k in (0, 1)]
    note = ""
    if errors[1] is not None:
        dof = n_clusters - 1
    elif dof > 0:
        scale = math.sqrt(float((pulls**2).sum()) / dof)
        errors = [float(error) * scale for error in np.sqrt(np.diag(covariance))]
        note = " (error from the residuals)"
    where = size_range(sizes)
    law = f"of {symbol} = C P^-a{note}"
    exponent = estimate_from_error(
        float(best[1]), errors[1], dof, n, definition=f"exponent {law}", fit_range=where
    )
    prefactor = estimate_from_error(
        math.exp(best[0]),
        errors[0],
        dof,
        n,
        definition=f"prefactor {law}",
        fit_range=where,
        logarithmic=True,
    )
    return exponent, prefactor


def _remarks(
    symbol: str,
    p: IntArray,
    a: float,
    determined: bool,
    refused: Sequence[int],
    aic: dict[str, float],
    slopes: tuple[LocalSlope, ...],
) -> tuple[str, ...]:
    remarks = []
    if not determined:
        remarks.append(
            f"{NOT_DETERMINED}: {symbol} is valid at {len(p)} sizes over a factor "
            f"{p[-1] / p[0]:.3g}; at least {MINIMUM_SIZES} over a factor {MINIMUM_RANGE:g} are "
            f"needed (best estimate a = {a:.2f})"
        )
    if refused:
        remarks.append(f"not in the fit: P = {', '.join(str(size) for size in refused)}")
    change = abs(a) * math.log(p[-1] / p[0])
    if determined and change < FLAT:
        remarks.append(f"P-independent within {100 * math.expm1(change):.0f} %")
    if determined and "quadratic" in aic and aic["power law"] - aic["quadratic"] > DRIFT:
        listed = ", ".join(
            f"{format_value(slope.value, slope.stderr)} at P = {slope.low}..{slope.high}"
            for slope in slopes
        )
        remarks.append(f"local exponent drifts: {listed}")
    return tuple(remarks)


def _no_fit(
    symbol: str,
    p: IntArray,
    y: FloatArray,
    s: FloatArray,
    refused: Sequence[int],
    log_replicates: FloatArray,
) -> PowerLawFit:
    remark = (
        f"{NOT_DETERMINED}: {symbol} is valid at {len(p)} of {len(p) + len(refused)} sizes; at "
        f"least {MINIMUM_SIZES} over a factor {MINIMUM_RANGE:g} are needed"
    )
    return PowerLawFit(
        symbol=symbol,
        exponent=None,
        prefactor=None,
        covariance=np.full((2, 2), np.nan),
        sizes=p,
        log_values=y,
        log_stderr=s,
        residuals=np.zeros(len(p)),
        leave_one_out={},
        from_size={},
        local_slopes=(),
        aic={},
        refused=tuple(refused),
        determined=False,
        remarks=(remark,),
        replicates=np.full((len(log_replicates), 2), np.nan),
    )
