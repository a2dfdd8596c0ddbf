"""Test errors as ratios to a reference, compared seed by seed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import BoolArray, FloatArray
from analysis.curves import Curves
from analysis.estimates import bootstrap_stderr, resampling_weights

OBSERVABLE = "test_error"


@dataclass(frozen=True)
class ErrorRatios:
    """Ratio of mean test errors to a reference, over the seeds that fitted at both."""

    values: FloatArray
    """r, NaN where unknown, shape (P, T)."""
    replicates: FloatArray = field(repr=False)
    """r of resampled seeds, shape (n_bootstrap, P, T)."""
    reference: BoolArray
    """Cells whose mean is the reference, shape (P, T)."""

    def stderr(self, n_clusters: int) -> FloatArray:
        """Return the standard error of r, NaN where unknown, shape (P, T)."""
        errors = np.full(self.values.shape, np.nan)
        for cell in zip(*np.nonzero(np.isfinite(self.values)), strict=True):
            error = bootstrap_stderr(self.replicates[(slice(None), *cell)], n_clusters)
            errors[cell] = np.nan if error is None else error
        return errors


def error_ratios(curves: Curves, reference: BoolArray, n_bootstrap: int, seed: int) -> ErrorRatios:
    """Return r(T) = mean error at T over mean error of the reference cells, paired by seed."""
    errors = curves.values(OBSERVABLE)
    chosen = np.where(reference[..., None], errors, 0.0)
    n_reference = reference.sum(axis=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        # A seed that is missing at one reference temperature is left out: NaN stays NaN.
        own = chosen.sum(axis=1) / n_reference
    paired = np.isfinite(errors) & np.isfinite(own)[:, None, :]
    numerator = np.where(paired, errors, 0.0)
    denominator = np.where(paired, own[:, None, :], 0.0)
    weights = resampling_weights(curves.n_slots, n_bootstrap, np.random.default_rng(seed))
    flat = (-1, curves.n_slots)
    shape = (n_bootstrap, *errors.shape[:2])
    above = (weights @ numerator.reshape(flat).T).reshape(shape)
    below = (weights @ denominator.reshape(flat).T).reshape(shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = numerator.sum(axis=2) / denominator.sum(axis=2)
        replicates = above / below
    known = np.isfinite(values)
    return ErrorRatios(values, np.where(known, replicates, np.nan), reference)
