"""What speaks for or against a straight line in ln y against ln x: the information criterion of a
constant, a line, a parabola, a logarithm and a broken line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import FloatArray


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


@dataclass(frozen=True)
class LocalSlope:
    """The exponent between two neighbouring points."""

    low: float
    """Smaller x."""
    high: float
    """Larger x."""
    value: float
    """ln(y ratio)/ln(x ratio), with the sign of the law's exponent."""
    stderr: float | None
    """Standard error from the bootstrap."""
