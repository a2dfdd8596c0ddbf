"""||w|| against T: the exponent delta, and the temperature at which noise takes over.

At low T the perceptron ends near the largest margin, ||w|| = c0 kappa; when noise dominates
||w|| = c1 T. Both grow like P^gamma, so that T_noise = c0/c1 does not depend on P: the perceptron
by itself has no critical temperature T_c ~ P^-a.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.estimates import Estimate, estimate_from_replicates
from analysis.fits.least_squares import BatchFit
from analysis.perceptron_exponents.seed_means import GrowthLaw, SeedMeans, fit_growth, seed_means

NOISE_DOMINATED = 30.0
"""T/kappa from which the term c0 kappa of ||w|| = c0 kappa + c1 T is small."""


@dataclass(frozen=True)
class TemperatureLaw:
    """||w|| against T at one size."""

    n_train: int
    """P."""
    means: SeedMeans = field(repr=False)
    """ln ||w|| by T, all temperatures."""
    delta: GrowthLaw
    """Exponent of T for T >= 30 kappa."""
    noise_temperature: Estimate | None
    """c0/c1 in units of kappa from ||w|| = c0 kappa + c1 T; None where T < 3 kappa is missing."""
    coefficients: tuple[float, float] | None
    """c0 kappa and c1."""


def fit_temperature_laws(
    base: pd.DataFrame, kappa: float, *, n_bootstrap: int, seed: int
) -> tuple[TemperatureLaw, ...]:
    """Fit ||w|| against T at every size with three temperatures T >= 30 kappa.

    Parameters
    ----------
    base
        Rows at one batch size.
    """
    laws = []
    for size, rows in base.groupby("n_train"):
        means = seed_means(rows, "weight_norm", "temperature")
        hot = means.select(means.positions >= NOISE_DOMINATED * kappa)
        if len(hot.positions) < 3:
            continue
        low, high = hot.positions[0], hot.positions[-1]
        where = f"P = {size}, T = {low:.4g}..{high:.4g}"
        delta = fit_growth(hot, "delta of ||w|| ~ T^delta", where, n_bootstrap, seed)
        assert delta is not None
        law = TemperatureLaw(int(str(size)), means, delta, None, None)
        if (means.positions < 3 * kappa).sum() >= 2:
            law = _with_noise_temperature(law, kappa, n_bootstrap, seed)
        laws.append(law)
    return tuple(laws)


def _with_noise_temperature(
    law: TemperatureLaw, kappa: float, n_bootstrap: int, seed: int
) -> TemperatureLaw:
    means = law.means
    temperatures = means.positions
    samples = means.resampled(n_bootstrap, seed)
    fitted = fit_additive_law(temperatures, np.vstack([means.mean, samples]))
    ratios = fitted[:, 0] - fitted[:, 1] - math.log(kappa)
    value = estimate_from_replicates(
        math.exp(ratios[0]),
        ratios[1:],
        means.n_seeds,
        definition="T_noise/kappa = c0/c1 of ||w|| = c0 kappa + c1 T",
        fit_range=f"P = {law.n_train}, T = {temperatures[0]:.4g}..{temperatures[-1]:.4g}",
        logarithmic=True,
    )
    coefficients = (math.exp(fitted[0, 0]), math.exp(fitted[0, 1]))
    return replace(law, noise_temperature=value, coefficients=coefficients)


def fit_additive_law(temperatures: FloatArray, log_norms: FloatArray) -> FloatArray:
    """Fit ln y = ln(A + C T) to each row by least squares on the logarithm.

    Gauss-Newton in (ln A, ln C), all rows at once.

    Parameters
    ----------
    temperatures : shape (k,)
    log_norms : shape (n, k)

    Returns
    -------
    array, shape (n, 2)
        ln A and ln C.

    Examples
    --------
    >>> t = np.array([0.1, 1.0, 10.0, 100.0])
    >>> np.exp(fit_additive_law(t, np.log(3 + 2 * t)[None])).round(6).tolist()
    [[3.0, 2.0]]
    """
    log_t = np.log(temperatures)

    def model(parameters: FloatArray) -> FloatArray:
        return np.logaddexp(parameters[:, :1], parameters[:, 1:] + log_t)

    def jacobian(parameters: FloatArray) -> FloatArray:
        cold = np.exp(parameters[:, :1] - model(parameters))
        return np.stack([cold, 1 - cold], axis=2)

    start = np.stack([log_norms[:, 0], log_norms[:, -1] - log_t[-1]], axis=1)
    return BatchFit(model, (0, 1), jacobian).gauss_newton(start, log_norms, 50)
