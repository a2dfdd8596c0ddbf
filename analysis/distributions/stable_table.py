"""The density table of the symmetric stable law, shipped in ``stable_table.npz``, queried fast.

A likelihood needs a million densities per second; from the Fourier integral there are a
thousand. ``python -m analysis.distributions.stable_table FILE`` writes the file anew.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field
from importlib import resources

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.arrays import FloatArray
from analysis.distributions.stable_density import density_row

TAIL_INDICES: FloatArray = np.concatenate(
    [np.round(np.arange(50, 190, 2) / 100, 2), np.round(np.arange(1900, 2001, 5) / 1000, 3)]
)
"""Rows of the table; denser where the tail vanishes."""
LOWEST = 0.5
"""Smallest tail index of the table; estimates below are clipped here and say so."""
FARTHEST = 1e4
"""Largest |x| / scale of the table; beyond it the leading power continues it."""
N_COLUMNS = 1201

_STEP = float(np.arcsinh(FARTHEST) / (N_COLUMNS - 1))


@dataclass(frozen=True)
class StableTable:
    """Log density and log tail probability on a grid in (tail index, asinh x), unit scale."""

    log_density: FloatArray = field(repr=False)
    """Shape (n_indices, N_COLUMNS)."""
    log_tail: FloatArray = field(repr=False)
    """log P(X > x), shape (n_indices, N_COLUMNS)."""

    def log_pdf(self, x: FloatArray, tail_index: npt.ArrayLike) -> FloatArray:
        """Return log p(x) at unit scale.

        Parameters
        ----------
        x : shape (k, n) or any shape if `tail_index` is a number
        tail_index : a number, or shape (k,)
            From LOWEST to 2.

        Examples
        --------
        >>> x = np.array([0.0, 1.0])
        >>> cauchy = stable_table().log_pdf(x, 1.0)
        >>> bool(np.allclose(cauchy, -np.log(np.pi * (1 + x**2)), atol=1e-5))
        True
        """
        index = np.atleast_1d(np.asarray(tail_index, dtype=float))
        values = np.asarray(x, dtype=float).reshape(index.size, -1)
        result = self._query(self.log_density, np.abs(values), index, 1 + index)
        gaussian = index == 2
        result[gaussian] = -(values[gaussian] ** 2) / 4 - np.log(2 * np.sqrt(np.pi))
        return result.reshape(np.shape(x))

    def cdf(self, x: FloatArray, tail_index: npt.ArrayLike) -> FloatArray:
        """Return P(X <= x) at unit scale; shapes as in :meth:`log_pdf`."""
        index = np.atleast_1d(np.asarray(tail_index, dtype=float))
        values = np.asarray(x, dtype=float).reshape(index.size, -1)
        tail = np.exp(self._query(self.log_tail, np.abs(values), index, index))
        gaussian = index == 2
        tail[gaussian] = special.ndtr(-np.abs(values[gaussian]) / np.sqrt(2))
        return np.where(values > 0, 1 - tail, tail).reshape(np.shape(x))

    def quantiles(self, probability: float) -> FloatArray:
        """Return x with P(X <= x) = `probability` > 1/2 for every row, shape (n_indices,)."""
        grid = np.arange(N_COLUMNS) * _STEP
        target = np.log(1 - probability)
        return np.array([np.sinh(np.interp(-target, -row, grid)) for row in self.log_tail])

    def _query(
        self, rows: FloatArray, x: FloatArray, index: FloatArray, power: FloatArray
    ) -> FloatArray:
        """Interpolate in u = asinh x on rows whose values, not logarithms, are interpolated.

        Near tail index 2 the tail is linear in 2 - a; the logarithm is not.
        """
        above = np.clip(np.searchsorted(TAIL_INDICES, index), 1, TAIL_INDICES.size - 1)
        gap = TAIL_INDICES[above] - TAIL_INDICES[above - 1]
        share = np.clip((index - TAIL_INDICES[above - 1]) / gap, 0, 1)
        blended = _log_mean(rows[above - 1], rows[above], share[:, None])
        u = np.minimum(np.arcsinh(x), np.arcsinh(FARTHEST)) / _STEP
        column = np.minimum(u.astype(np.int64), N_COLUMNS - 2)
        fraction = u - column
        low = np.take_along_axis(blended, column, axis=1)
        high = np.take_along_axis(blended, column + 1, axis=1)
        result = low + fraction * (high - low)
        far = x > FARTHEST
        if far.any():
            result -= np.where(far, power[:, None] * np.log(np.where(far, x, FARTHEST)), 0.0)
            result += np.where(far, power[:, None] * np.log(FARTHEST), 0.0)
        return result


def _log_mean(low: FloatArray, high: FloatArray, share: FloatArray) -> FloatArray:
    larger = np.maximum(low, high)
    mean = (1 - share) * np.exp(low - larger) + share * np.exp(high - larger)
    logarithm: FloatArray = larger + np.log(np.maximum(mean, 1e-300))
    return logarithm


def build_stable_table() -> StableTable:
    """Compute the table, which takes a few seconds."""
    x = np.sinh(np.arange(N_COLUMNS) * _STEP)
    rows = [density_row(float(tail_index), x) for tail_index in TAIL_INDICES]
    return StableTable(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))


@functools.cache
def stable_table() -> StableTable:
    """Return the table of the package."""
    kept = resources.files("analysis.distributions").joinpath("stable_table.npz")
    with kept.open("rb") as file, np.load(file) as arrays:
        return StableTable(arrays["log_density"], arrays["log_tail"])


if __name__ == "__main__":
    np.savez_compressed(sys.argv[1], **vars(build_stable_table()))
