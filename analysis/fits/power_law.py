"""A power law y = C x^g: the weighted fit, what speaks against it, and when there is none at all.

A straight line can be drawn through anything. Hence every law carries its chi2, its residuals,
the exponent without each point in turn, local slopes, and the comparison with a constant and with
a curved law; too few points or too short a range give no exponent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import special

from analysis.arrays import BoolArray, FloatArray, IntArray
from analysis.estimates import (
    Estimate,
    bootstrap_stderr,
    estimate_from_error,
    format_value,
    jackknife_stderr,
)
from analysis.fits.form import DECAY, Form
from analysis.fits.straightness import LocalSlope, information_criteria, weighted_solver

ERROR_FLOOR = 0.02
"""Smallest error of ln y that a weight may assume: slow drifts of this size are not tested."""
POOLING = 16.0
"""Weight, in degrees of freedom, of the errors' mean square over points against each one's own."""
FLAT = 0.25
"""|g| ln(xmax/xmin) below which a law counts as independent of x."""
DRIFT = 4.0
"""Advantage in AIC at which a quadratic term means that the local exponent drifts."""
NOT_DETERMINED = "exponent not determined"

Weights = Literal["pooled", "floor", "given"]
"""Errors of ln y behind the weights 1/s^2: drawn toward their mean square and at least the floor;
at least the floor; or as they are."""


@dataclass(frozen=True)
class PowerLaw:
    """Weighted least squares of ln y = ln C + g ln x and its tests; see :func:`fit_power`."""

    symbol: str
    """What y is, e.g. ``T_lazy(0.1)``."""
    x: IntArray | FloatArray
    """Positions in the fit in increasing order, shape (n,)."""
    log_values: FloatArray = field(repr=False)
    """ln y, shape (n,)."""
    log_stderr: FloatArray = field(repr=False)
    """Errors used as weights, shape (n,)."""
    log_replicates: FloatArray = field(repr=False)
    """ln y of resampled seeds, or without each seed in turn; shape (n_bootstrap, n)."""
    n_clusters: int
    """Number of seeds behind the replicates."""
    form: Form = field(default=DECAY, repr=False)
    """How the law is written."""
    refused: tuple[int, ...] | None = ()
    """Positions without a valid y; None where nobody counts them."""
    definition: str = ""
    """What the exponent is, where the form does not say it."""
    where: str = ""
    """What the law was fitted to, where x does not say it."""
    jackknife: bool = False
    """Whether the replicates leave out one seed each."""
    shortage: str = ""
    """Why the exponent is not determined, where another reason than the points decides."""
    more_remarks: tuple[str, ...] = ()
    """Remarks of the study on this law."""

    @property
    def exists(self) -> bool:
        """Whether there is a best estimate."""
        return self._reaches(self.form.fewest)

    @property
    def determined(self) -> bool:
        """Whether points and range suffice for an exponent."""
        return self.exists and self._reaches(self.form.needed)

    def _reaches(self, least: tuple[int, float]) -> bool:
        enough = len(self.x) >= least[0]
        return enough and bool(self.x[-1] >= least[1] * self.x[0] * (1 - 1e-9))

    @cached_property
    def _solver(self) -> tuple[FloatArray, FloatArray]:
        return weighted_solver(np.log(self.x), self.log_stderr, 1)

    @cached_property
    def coefficients(self) -> FloatArray:
        """(ln C, g), NaN where there is no fit."""
        if not self.exists:
            return np.full(2, np.nan)
        return np.asarray(self._solver[0] @ self.log_values)

    @cached_property
    def lines(self) -> FloatArray:
        """(ln C, g) of every replicate, shape (n_bootstrap, 2)."""
        if not self.exists:
            return np.full((len(self.log_replicates), 2), np.nan)
        return np.asarray(self.log_replicates @ self._solver[0].T)

    @property
    def replicates(self) -> FloatArray:
        """The exponent of every replicate, shape (n_bootstrap,)."""
        return self.form.sign * self.lines[:, 1]

    @property
    def covariance(self) -> FloatArray:
        """Covariance of (ln C, exponent) that the weights imply, shape (2, 2)."""
        signs = np.array([1.0, self.form.sign])
        return self._solver[1] * np.outer(signs, signs)

    @property
    def residuals(self) -> FloatArray:
        """ln y minus fit, shape (n,)."""
        if not self.exists:
            return np.zeros(len(self.x))
        constant, g = self.coefficients
        return np.asarray(self.log_values - constant - g * np.log(self.x))

    @property
    def pulls(self) -> FloatArray:
        """Residuals in units of the errors used as weights, shape (n,)."""
        return self.residuals / self.log_stderr

    @property
    def chi2(self) -> float:
        """Sum of squared residuals in units of their errors."""
        return float((self.pulls**2).sum())

    @property
    def dof(self) -> int:
        """Degrees of freedom, n - 2."""
        return max(len(self.x) - 2, 0)

    @property
    def p_value(self) -> float | None:
        """Probability of a larger chi2 if the law holds; None without degrees of freedom."""
        return float(special.chdtrc(self.dof, self.chi2)) if self.dof else None

    @property
    def r_squared(self) -> float | None:
        """Fraction of the weighted variance explained; None if there is none."""
        if not len(self.x):
            return None
        mean = np.average(self.log_values, weights=self.log_stderr**-2)
        total = float((((self.log_values - mean) / self.log_stderr) ** 2).sum())
        return 1 - self.chi2 / total if total > 0 else None

    @property
    def fit_range(self) -> str:
        """``P = 64..1024``."""
        return self.where or self.form.range_of(np.asarray(self.x))

    @property
    def span(self) -> float:
        """Largest x over smallest x."""
        return float(self.x[-1] / self.x[0])

    @cached_property
    def slope(self) -> Estimate:
        """The exponent with the sign that is quoted, of a law that exists."""
        value = self.form.sign * float(self.coefficients[1])
        error, dof, note = self._error(1)
        definition = self.definition or f"exponent of {self.symbol} = {self.form.equation}{note}"
        n, where = self.n_clusters, self.fit_range
        return estimate_from_error(value, error, dof, n, definition=definition, fit_range=where)

    @property
    def exponent(self) -> Estimate | None:
        """The exponent, None without a fit. Only an estimate to quote if `determined`."""
        return self.slope if self.exists else None

    @property
    def quoted(self) -> Estimate | None:
        """The exponent if it is determined."""
        return self.slope if self.determined else None

    @property
    def power(self) -> str:
        """g with its error, as it stands over x: ``-0.333(6)``."""
        return format_value(float(self.coefficients[1]), self.slope.stderr)

    @cached_property
    def prefactor(self) -> Estimate | None:
        """C, the value at x = 1."""
        if not self.exists:
            return None
        error, dof, note = self._error(0)
        return estimate_from_error(
            math.exp(self.coefficients[0]),
            error,
            dof,
            self.n_clusters,
            definition=f"prefactor of {self.symbol} = {self.form.equation}{note}",
            fit_range=self.fit_range,
            logarithmic=True,
        )

    def _error(self, k: int) -> tuple[float | None, int, str]:
        """Error of a coefficient, its degrees of freedom, and a note on where it comes from."""
        n = self.n_clusters
        if self.jackknife:
            return jackknife_stderr(list(self.lines[:, k])), n - 1, ""
        by_seeds = [bootstrap_stderr(self.lines[:, each], n) for each in (0, 1)]
        if by_seeds[1] is None and self.form.from_residuals and self.dof:
            scale = math.sqrt(self.chi2 / self.dof)
            error = math.sqrt(self._solver[1][k, k]) * scale
            return error, self.dof, " (error from the residuals)"
        return by_seeds[k], n - 1, ""

    def evaluate(self, x: FloatArray) -> FloatArray:
        """Return the fitted y at `x`; NaN without a fit."""
        constant, g = self.coefficients
        return np.asarray(np.exp(constant + g * np.log(np.asarray(x, dtype=float))))

    def log_stderr_at(self, x: FloatArray) -> FloatArray:
        """Return the bootstrap standard error of ln of :meth:`evaluate`; NaN where unknown."""
        finite = self.lines[np.isfinite(self.lines).all(axis=1)]
        n = self.n_clusters
        if not self.exists or n < 2 or len(finite) < 2:
            return np.full(np.shape(x), np.nan)
        values = finite[:, :1] + finite[:, 1:] * np.log(np.asarray(x, dtype=float))
        return np.asarray(np.std(values, axis=0, ddof=1) * math.sqrt(n / (n - 1)))

    def subset(self, keep: BoolArray) -> PowerLaw:
        """Return the law of the points where `keep`, of shape (n,), is true; equal weights."""
        return PowerLaw(
            self.symbol,
            self.x[keep],
            self.log_values[keep],
            self.log_stderr[keep],
            self.log_replicates[:, keep],
            self.n_clusters,
            form=replace(self.form, from_residuals=False),
            definition=self.definition,
            jackknife=self.jackknife,
        )

    @cached_property
    def leave_one_out(self) -> dict[float, Estimate]:
        """The exponent without each point in turn; none for fewer than three points.

        Each has its own bootstrap error, which is larger than that of the full fit: by a factor
        1.4 without an end of five equally spaced sizes.
        """
        if len(self.x) < 3:
            return {}
        parts = {value: self.subset(self.x != value) for value in self.x.tolist()}
        return {value: part.slope for value, part in parts.items() if part.exists}

    @cached_property
    def from_each(self) -> dict[float, Estimate]:
        """The exponent of the points x >= x_min, by x_min, down to the last three points."""
        parts = {value: self.subset(self.x >= value) for value in self.x.tolist()[:-2]}
        return {value: part.slope for value, part in parts.items() if part.exists}

    @cached_property
    def local_slopes(self) -> tuple[LocalSlope, ...]:
        """The exponent between neighbouring points."""
        steps = self.form.sign * np.diff(np.log(self.x))
        values = np.diff(self.log_values) / steps
        samples = np.diff(self.log_replicates, axis=1) / steps
        ends = self.x.tolist()
        return tuple(
            LocalSlope(
                ends[k], ends[k + 1], value, bootstrap_stderr(samples[:, k], self.n_clusters)
            )
            for k, value in enumerate(values.tolist())
        )

    @cached_property
    def aic(self) -> dict[str, float]:
        """AIC = chi2 + 2k by model; see :func:`information_criteria`."""
        if not self.exists:
            return {}
        return information_criteria(np.log(self.x), self.log_values, self.log_stderr)

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """Fixed sentences that must accompany the law."""
        remarks = [] if self.determined else [self.shortage or self._too_few()]
        if self.refused and self.exists:
            remarks.append(f"not in the fit: P = {', '.join(map(str, self.refused))}")
        if self.determined:
            change = abs(self.slope.value) * math.log(self.span)
            if change < FLAT:
                percent = 100 * math.expm1(change)
                remarks.append(f"{self.form.axis}-independent within {percent:.0f} %")
            if self.aic["power law"] - self.aic.get("quadratic", math.inf) > DRIFT:
                listed = ", ".join(
                    f"{format_value(each.value, each.stderr)} at P = {each.low}..{each.high}"
                    for each in self.local_slopes
                )
                remarks.append(f"local exponent drifts: {listed}")
        return (*remarks, *self.more_remarks)

    def _too_few(self) -> str:
        """Say how much is missing for an exponent."""
        n, (points, ratio) = len(self.x), self.form.needed
        counted = f"{n} of {n + len(self.refused)}" if n < 2 and self.refused is not None else n
        over = f" over a factor {self.span:.3g}" if n > 1 else ""
        best = f" (best estimate a = {-self.coefficients[1]:.2f})" if self.exists else ""
        return (
            f"{NOT_DETERMINED}: {self.symbol} is valid at {counted} {self.form.points}{over}; at "
            f"least {points} over a factor {ratio:g} are needed{best}"
        )

    def __str__(self) -> str:
        if not self.determined or self.prefactor is None:
            return self.remarks[0]
        return (
            f"T_c = {self.prefactor} P^{self.power}, chi2/dof = {self.chi2:.1f}/{self.dof}, "
            f"P in [{self.x[0]}, {self.x[-1]}]"
        )

    @property
    def brief(self) -> str:
        """``T_noise ~ alpha^-1.00(2), alpha = 10..1000``, or why there is no exponent."""
        if not self.determined:
            return self.remarks[0]
        return f"{self.symbol} ~ {self.form.axis}^{self.power}, {self.fit_range}"

    def summary(self) -> str:
        """Return the law and its remarks as lines of text."""
        return "\n".join([str(self), *(r for r in self.remarks if r != str(self))])


def fit_power(
    x: Sequence[float] | FloatArray | IntArray,
    log_values: FloatArray,
    log_stderr: FloatArray,
    log_replicates: FloatArray,
    *,
    n_clusters: int,
    symbol: str = "T_c",
    form: Form = DECAY,
    weights: Weights = "pooled",
    refused: Sequence[int] | None = (),
    definition: str = "",
    where: str = "",
) -> PowerLaw:
    """Fit a power law to numbers given by x; errors of its exponent come from the replicates.

    Parameters
    ----------
    x : shape (n,)
        Positions in increasing order.
    log_values, log_stderr : shape (n,)
        ln y and its standard error (zero where unknown; the floor replaces it).
    log_replicates : shape (n_bootstrap, n)
        ln y of resampled seeds; may hold no samples.
    n_clusters
        Number of seeds behind the replicates.

    Examples
    --------
    >>> sizes = [64, 128, 256, 512, 1024]
    >>> y = np.log(4.9) - np.log(sizes) / 3
    >>> law = fit_power(sizes, y, np.zeros(5), np.empty((0, 5)), n_clusters=1)
    >>> round(law.exponent.value, 6), round(law.prefactor.value, 6)
    (0.333333, 4.9)
    """
    return PowerLaw(
        symbol,
        np.asarray(x),
        np.asarray(log_values, dtype=float),
        _weighing_errors(np.asarray(log_stderr, dtype=float), weights, n_clusters),
        log_replicates,
        n_clusters,
        form=form,
        refused=None if refused is None else tuple(refused),
        definition=definition,
        where=where,
    )


def _weighing_errors(log_stderr: FloatArray, weights: Weights, n_clusters: int) -> FloatArray:
    """Errors for the weights.

    The error of an error from S seeds is 1/sqrt(2(S-1)). Weights from four seeds would let chance
    decide which point counts, and the intervals would cover 90 instead of 95 %: hence the pooling.
    """
    own = np.nan_to_num(log_stderr)
    if weights == "given" or not own.size:
        return own
    if weights == "pooled":
        dof = n_clusters - 1
        own = np.sqrt((dof * own**2 + POOLING * np.mean(own**2)) / (dof + POOLING))
    return np.asarray(np.maximum(own, ERROR_FLOOR))
