"""The fall of the test error as one law in (P, T), and whether it has an exponent of its own.

r(T) = 1 - A/(1 + exp(-(ln T - ln T_c(P))/w)) with T_c = C P^-a: a curve that falls further at
larger P looks like one that falls earlier. So a_test is fitted together with the exponent q of
the amplitude A ~ P^q, and where the two cannot be told apart there is no a_test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import FloatArray
from analysis.critical_temperature.test_error.onsets import KERNEL_PLATEAU
from analysis.critical_temperature.test_error.ratios import ErrorRatios
from analysis.curves import Curves
from analysis.estimates import Estimate, estimate_from_replicates, format_value
from analysis.fits.form import size_range
from analysis.fits.least_squares import BatchFit

NOT_IDENTIFIABLE = "not identifiable"
WIDEST = 0.15
"""Largest half width of the 95 % interval of a_test: enough to tell 1/3 from 0 and from 1/2."""
LARGEST_CHI2 = 3.0
"""chi2 per degree of freedom above which one law does not describe the ratios of all sizes."""
ERROR_FLOOR = 0.01

_BOUNDS = {"w": (math.log(0.1), math.log(3.0)), "A": (math.log(0.01), 0.0), "a": (-3.0, 3.0)}
_MINIMUM_CELLS = 10
_STEPS, _REFIT_STEPS = 40, 15
MOST_SAMPLES = 200
"""Bootstrap samples that are fitted: each is a search."""


@dataclass(frozen=True)
class LogisticLaw:
    """The logistic law of the test error with a free exponent q of its amplitude."""

    a: Estimate
    """Exponent of T_c = C P^-a with A ~ P^q. To quote only if `identifiable`, and with q."""
    q: Estimate
    """Exponent of the amplitude."""
    a_constant: Estimate
    """Exponent with one amplitude for all sizes, q = 0."""
    temperature: float
    """Geometric mean of T_c over the sizes."""
    amplitude: float
    """Geometric mean of A over the sizes."""
    width: float
    """w."""
    chi2: float
    """Sum of squared residuals in units of their errors, q free."""
    chi2_constant: float
    """The same with q = 0."""
    dof: int
    """Degrees of freedom with q free."""
    identifiable: bool
    """Whether a_test is determined apart from q."""
    reason: str
    """The numbers behind it."""
    replicates: FloatArray = field(repr=False)
    """(a, q) of every bootstrap sample, shape (n, 2)."""
    systematic: float | None = None
    """Half the spread of a over references with an end moved; None if unknown."""


def fit_error_law(
    curves: Curves,
    ratios: ErrorRatios | None,
    noise_temperature: float | None,
    n_samples: int = MOST_SAMPLES,
) -> LogisticLaw | None:
    """Fit the logistic law to all r at T >= 6 T_noise; None with too few sizes or cells.

    Without bootstrap samples, `n_samples` = 0, it has no error bars.
    """
    if ratios is None or noise_temperature is None:
        return None
    errors = ratios.stderr(curves.n_clusters)
    allowed = curves.temperatures >= KERNEL_PLATEAU[0] * noise_temperature
    cells = curves.stable & allowed[None, :] & np.isfinite(ratios.values) & np.isfinite(errors)
    if cells.any(axis=1).sum() < 3 or cells.sum() < _MINIMUM_CELLS:
        return None
    log_t = np.broadcast_to(np.log(curves.temperatures), cells.shape)[cells]
    log_p = np.broadcast_to(np.log(curves.sizes)[:, None], cells.shape)[cells]
    log_p = log_p - np.log(curves.sizes[cells.any(axis=1)]).mean()
    data = _Cells(log_t, log_p, ratios.values[cells], np.hypot(errors[cells], ERROR_FLOOR))
    # Samples keep their positions, at which other exponents saw the same resampled seeds.
    samples = ratios.replicates[:n_samples, cells]
    where = f"{size_range(curves.sizes[cells.any(axis=1)])} ({int(cells.sum())} ratios)"
    return _law(data, samples, curves.n_clusters, where)


@dataclass(frozen=True)
class _Cells:
    log_t: FloatArray
    log_p: FloatArray
    r: FloatArray
    s: FloatArray

    def model(self, theta: FloatArray) -> FloatArray:
        """r at parameters (ln A, ln C, a, ln w, q) of shape (n, 5); shape (n, cells)."""
        log_amplitude, centre, a, log_w, q = (theta[:, k : k + 1] for k in range(5))
        amplitude = np.exp(np.minimum(log_amplitude + q * self.log_p, 0.0))
        z = (self.log_t - centre + a * self.log_p) / np.exp(log_w)
        return np.asarray(1 - amplitude / (1 + np.exp(-np.clip(z, -50, 50))))

    def _bounded(self, theta: FloatArray) -> FloatArray:
        theta = theta.copy()
        theta[:, 0] = np.clip(theta[:, 0], *_BOUNDS["A"])
        theta[:, 1] = np.clip(theta[:, 1], self.log_t.min() - 2, self.log_t.max() + 2)
        theta[:, 2] = np.clip(theta[:, 2], *_BOUNDS["a"])
        theta[:, 3] = np.clip(theta[:, 3], *_BOUNDS["w"])
        theta[:, 4] = np.clip(theta[:, 4], *_BOUNDS["a"])
        return theta

    def fit_of(self, free: tuple[int, ...]) -> BatchFit:
        return BatchFit(self.model, free, errors=self.s, bounded=self._bounded)

    def refit(self, start: FloatArray, r: FloatArray, free: tuple[int, ...]) -> FloatArray:
        """Fit resampled ratios from the best parameters; NaN where a ratio is missing."""
        complete = np.isfinite(r).all(axis=1)
        theta = np.full((len(r), start.shape[1]), np.nan)
        n = int(complete.sum())
        theta[complete] = self.fit_of(free).levenberg_marquardt(
            np.repeat(start, n, axis=0), r[complete], _REFIT_STEPS
        )
        return theta

    def best(self, free: tuple[int, ...]) -> FloatArray:
        """The best of fits from a lattice of starts, shape (1, 5)."""
        centres = np.quantile(self.log_t, (0.5, 0.75, 0.95))
        starts = np.array(
            [
                (math.log(amplitude), centre, a, math.log(0.7), 0.0)
                for amplitude in (0.1, 0.3)
                for centre in centres
                for a in (0.0, 0.4)
            ]
        )
        r = np.broadcast_to(self.r, (len(starts), self.r.size))
        fit = self.fit_of(free)
        fitted = fit.levenberg_marquardt(starts, r, _STEPS)
        chosen: FloatArray = fitted[np.argmin(fit.chi2(fitted, r))][None, :]
        return chosen


def _law(data: _Cells, samples: FloatArray, n_clusters: int, where: str) -> LogisticLaw:
    constant, free = data.best((0, 1, 2, 3)), data.best((0, 1, 2, 3, 4))
    refitted = [
        data.refit(best, samples, parameters)
        for best, parameters in ((constant, (0, 1, 2, 3)), (free, (0, 1, 2, 3, 4)))
    ]

    def estimate(best: FloatArray, fits: FloatArray, k: int, name: str) -> Estimate:
        return estimate_from_replicates(
            float(best[0, k]),
            fits[:, k],
            n_clusters,
            definition=f"{name} of r = 1 - A/(1 + (T/T_c)^(-1/w)), T_c = C P^-a, A ~ P^q",
            fit_range=where,
        )

    a, q = (estimate(free, refitted[1], k, name) for k, name in ((2, "a"), (4, "q")))
    a_constant = estimate(constant, refitted[0], 2, "a at q = 0")
    chi2 = [float(data.fit_of(()).chi2(best, data.r[None])[0]) for best in (constant, free)]
    dof = data.r.size - 5
    identifiable, reason = _judge(a, q, a_constant, free, chi2[1] / max(dof, 1))
    return LogisticLaw(
        a=a,
        q=q,
        a_constant=a_constant,
        temperature=math.exp(free[0, 1]),
        amplitude=math.exp(free[0, 0]),
        width=math.exp(free[0, 3]),
        chi2=chi2[1],
        chi2_constant=chi2[0],
        dof=dof,
        identifiable=identifiable,
        reason=reason,
        replicates=refitted[1][:, [2, 4]],
    )


def _judge(
    a: Estimate, q: Estimate, constant: Estimate, theta: FloatArray, reduced_chi2: float
) -> tuple[bool, str]:
    both = (
        f"a = {format_value(a.value, a.stderr)} with q = {format_value(q.value, q.stderr)} free, "
        f"a = {format_value(constant.value, constant.stderr)} at q = 0"
    )
    if a.interval95 is None:
        return False, f"{NOT_IDENTIFIABLE}: {both}; no error bars"
    half = (a.interval95[1] - a.interval95[0]) / 2
    if half > WIDEST:
        return False, (
            f"{NOT_IDENTIFIABLE}: {both}; exponent and amplitude trade off, the 95 % interval of "
            f"a is ±{half:.2f}, wider than ±{WIDEST:g}"
        )
    if reduced_chi2 > LARGEST_CHI2:
        return False, (
            f"{NOT_IDENTIFIABLE}: {both}; one logistic law does not describe the fall: "
            f"chi2/dof = {reduced_chi2:.1f} exceeds {LARGEST_CHI2:g}"
        )
    at_bound = [
        name
        for name, value in (("A", theta[0, 0]), ("w", theta[0, 3]), ("a", theta[0, 2]))
        if min(abs(value - bound) for bound in _BOUNDS[name]) < 1e-6
    ]
    if at_bound:
        return False, f"{NOT_IDENTIFIABLE}: {both}; {', '.join(at_bound)} lies at its bound"
    return True, both
