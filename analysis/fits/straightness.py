"""What speaks for or against a straight line in ln T_c against ln P.

The exponent without each size in turn, the slope between neighbours, and the information
criterion of a constant, a line and a parabola.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import FloatArray, IntArray
from analysis.estimates import Estimate, bootstrap_stderr, estimate_from_replicates


@dataclass(frozen=True)
class LocalSlope:
    """The exponent between two neighbouring sizes."""

    low: int
    """Smaller P."""
    high: int
    """Larger P."""
    value: float
    """-ln(T_c ratio)/ln(P ratio)."""
    stderr: float | None
    """Standard error from the bootstrap."""


def weighted_solver(x: FloatArray, s: FloatArray, degree: int) -> tuple[FloatArray, FloatArray]:
    """Matrix that maps y to the coefficients of a polynomial in x, and their covariance."""
    design = np.vander(x, degree + 1, increasing=True)
    weighted = design / s[:, None]
    covariance = np.linalg.pinv(weighted.T @ weighted)
    return np.linalg.pinv(weighted) / s[None, :], np.asarray(covariance, dtype=float)


def information_criteria(x: FloatArray, y: FloatArray, s: FloatArray) -> dict[str, float]:
    """AIC = chi2 + 2k of laws of ln T_c (y) against ln P (x).

    A constant (k = 1), a power law (2), T_c linear in ln P (`logarithm`, 2), a quadratic term in
    ln P (3) and two power laws that meet at a size between the ends (`broken`, 4). Each is there
    only with more sizes than its k - 1.
    """
    result = {}
    for degree, name in enumerate(("constant", "power law", "quadratic")):
        if len(x) <= degree:
            continue
        centred = x - x.mean()
        coefficients = weighted_solver(centred, s, degree)[0] @ y
        fitted = np.vander(centred, degree + 1, increasing=True) @ coefficients
        result[name] = float((((y - fitted) / s) ** 2).sum()) + 2 * (degree + 1)
    if len(x) > 1:
        result["logarithm"] = _logarithm_chi2(x, y, s) + 4
    if len(x) > 3:
        result["broken"] = min(_broken_chi2(x, y, s, knot) for knot in x[1:-1]) + 8
    return result


def _logarithm_chi2(x: FloatArray, y: FloatArray, s: FloatArray) -> float:
    """chi2 of T_c = A - B ln P, its errors those of ln T_c to first order."""
    values = np.exp(y - y.mean())
    errors = s * values
    fitted = np.vander(x, 2, increasing=True) @ (weighted_solver(x, errors, 1)[0] @ values)
    return float((((values - fitted) / errors) ** 2).sum())


def _broken_chi2(x: FloatArray, y: FloatArray, s: FloatArray, knot: float) -> float:
    """chi2 of two lines that meet at `knot`."""
    design = np.column_stack([np.ones_like(x), x - knot, np.maximum(x - knot, 0.0)])
    residuals = y - design @ (np.linalg.pinv(design / s[:, None]) @ (y / s))
    return float(((residuals / s) ** 2).sum())


def exponents_without_each(
    p: IntArray, y: FloatArray, s: FloatArray, log_replicates: FloatArray, n_clusters: int
) -> dict[int, Estimate]:
    """Exponent a of the fit without each size in turn; none for fewer than three sizes.

    Each has its own bootstrap error, which is larger than that of the full fit: by a factor 1.4
    without an end of five equally spaced sizes.
    """
    if len(p) < 3:
        return {}
    result = {}
    for k in range(len(p)):
        keep = np.arange(len(p)) != k
        slope = weighted_solver(np.log(p[keep]), s[keep], 1)[0][1]
        result[int(p[k])] = estimate_from_replicates(
            -float(slope @ y[keep]),
            -(log_replicates[:, keep] @ slope),
            n_clusters,
            definition=f"a without P = {p[k]}",
            fit_range=f"P = {p[keep][0]}..{p[keep][-1]}",
        )
    return result


def exponents_from_each(
    p: IntArray, y: FloatArray, s: FloatArray, log_replicates: FloatArray, n_clusters: int
) -> dict[int, Estimate]:
    """Exponent a of the fit to sizes P >= P_min, by P_min, down to the last three sizes."""
    result = {}
    for k in range(len(p) - 2):
        slope = weighted_solver(np.log(p[k:]), s[k:], 1)[0][1]
        result[int(p[k])] = estimate_from_replicates(
            -float(slope @ y[k:]),
            -(log_replicates[:, k:] @ slope),
            n_clusters,
            definition=f"a of sizes P >= {p[k]}",
            fit_range=f"P = {p[k]}..{p[-1]}",
        )
    return result


def local_slopes_between(
    p: IntArray, y: FloatArray, log_replicates: FloatArray, n_clusters: int
) -> tuple[LocalSlope, ...]:
    """Exponent a between neighbouring sizes."""
    steps = np.diff(np.log(p))
    values = -np.diff(y) / steps
    samples = -np.diff(log_replicates, axis=1) / steps
    return tuple(
        LocalSlope(
            int(p[k]), int(p[k + 1]), float(value), bootstrap_stderr(samples[:, k], n_clusters)
        )
        for k, value in enumerate(values)
    )
