"""A power law in the initialization scale: y = A alpha^k, from one located number per alpha."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from analysis.arrays import FloatArray
from analysis.estimates import Estimate, student_factor
from analysis.fits.form import Form, range_text
from analysis.fits.power_law import PowerLaw, fit_power
from analysis.table import setting_text

MINIMUM_ALPHAS = 3
MINIMUM_ALPHA_RANGE = 10.0


IN_ALPHA = Form(
    "A alpha^k",
    falling=False,
    axis="alpha",
    points="values of alpha",
    range_of=partial(range_text, "alpha", number=setting_text, none="no alpha"),
    needed=(MINIMUM_ALPHAS, MINIMUM_ALPHA_RANGE),
    fewest=(MINIMUM_ALPHAS, MINIMUM_ALPHA_RANGE),
)


def fit_alpha_law(
    alphas: Sequence[float],
    log_values: FloatArray,
    log_stderr: FloatArray,
    log_replicates: Sequence[FloatArray],
    *,
    n_clusters: int,
    symbol: str,
) -> PowerLaw:
    """Fit y = A alpha^k to numbers given by alpha, in increasing order; errors are not pooled.

    Parameters
    ----------
    log_values, log_stderr : shape (n,)
        ln y and its standard error (at least 0.02 in the weights).
    log_replicates : n arrays of shape (n_bootstrap,)
        ln y of resampled seeds, shared by all alphas.

    Examples
    --------
    >>> alphas, none = [0.001, 0.01, 0.1], [np.empty(0)] * 3
    >>> law = fit_alpha_law(
    ...     alphas, 0.5 * np.log(alphas), np.zeros(3), none, n_clusters=1, symbol="T"
    ... )
    >>> round(law.exponent.value, 6)
    0.5
    """
    return fit_power(
        np.asarray(alphas, dtype=float),
        log_values,
        log_stderr,
        np.stack(log_replicates, axis=1) if len(log_replicates) else np.empty((0, 0)),
        n_clusters=n_clusters,
        symbol=symbol,
        form=IN_ALPHA,
        weights="floor",
        refused=None,
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
