"""Controls without which a tail index says nothing, and the summary of a layer.

Gaussian noise with the same variances must be called Gaussian; pooling it shows the artefact
that pooling makes; a stable law keeps its index when the batch grows, noise of finite variance
does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.arrays import FloatArray
from analysis.distributions.comparison import LawComparison
from analysis.distributions.stable import as_matrix, fit_stable


def gaussian_surrogate(samples: npt.ArrayLike, seed: int = 0) -> FloatArray:
    """Return independent Gaussian columns with the means and variances of `samples` (n, k)."""
    matrix = as_matrix(samples)
    rng = np.random.default_rng(seed)
    drawn: FloatArray = rng.standard_normal(matrix.shape)
    drawn *= matrix.std(axis=0)
    drawn += matrix.mean(axis=0)
    return drawn


def pooled_tail_index(samples: npt.ArrayLike, seed: int = 0) -> float:
    """Return the index of all columns thrown together: the artefact, never a result.

    Gaussians whose scales are lognormal(0, 1) give 1.16. At most 10^5 elements are used.
    """
    matrix = as_matrix(samples)
    values = matrix[:, np.isfinite(matrix).all(axis=0)].ravel()
    if values.size > 100_000:
        values = np.random.default_rng(seed).choice(values, 100_000, replace=False)
    return float(fit_stable(values).tail_index[0])


@dataclass(frozen=True)
class BatchInvariance:
    """How tail index and scale of the same parameters change with the batch size."""

    batch_sizes: tuple[int, ...]
    """Batch sizes B, increasing."""
    n_parameters: int
    """Parameters that are used at every B."""
    median_tail_index: tuple[float, ...]
    """Median over these parameters at every B."""
    index_slope: float
    """Median over parameters of d tail_index / d ln B; zero for stable noise."""
    index_slope_stderr: float
    """Error of this median, from the quartiles over parameters."""
    scale_exponent: float
    """Median of d ln scale / d ln B: 1/tail_index - 1 if stable, -1/2 at finite variance."""
    stable_scale_exponent: float
    """1/tail_index - 1 at the median index of the smallest batch."""

    @property
    def invariant(self) -> bool:
        """Whether the index does not move by more than two errors."""
        return abs(self.index_slope) <= 2 * self.index_slope_stderr


def compare_batch_sizes(by_batch: Mapping[int, LawComparison]) -> BatchInvariance | None:
    """Compare the same parameters at several batch sizes; None with fewer than two of either.

    Parameters
    ----------
    by_batch
        Comparisons by batch size, with the same columns in the same order.
    """
    sizes = sorted(by_batch)
    index = np.array([by_batch[size].tail_index for size in sizes])
    scale = np.array([by_batch[size].scale for size in sizes])
    used = np.isfinite(index).all(axis=0)
    if len(sizes) < 2 or used.sum() < 2:
        return None
    index, scale = index[:, used], scale[:, used]
    log_b = np.log(sizes)
    slopes = np.polyfit(log_b, index, 1)[0]
    exponent = np.polyfit(log_b, np.log(scale), 1)[0]
    medians = np.median(index, axis=1)
    low, high = np.quantile(slopes, [0.25, 0.75])
    return BatchInvariance(
        batch_sizes=tuple(sizes),
        n_parameters=int(used.sum()),
        median_tail_index=tuple(float(m) for m in medians),
        index_slope=float(np.median(slopes)),
        # sd = IQR / 1.349, and the median of n has error 1.253 sd / sqrt(n).
        index_slope_stderr=float(1.253 * (high - low) / 1.349 / np.sqrt(used.sum())),
        scale_exponent=float(np.median(exponent)),
        stable_scale_exponent=float(1 / medians[0] - 1),
    )


@dataclass(frozen=True)
class LayerSummary:
    """The parameters of one layer at one checkpoint and batch size."""

    n_sampled: int
    """Parameters sampled."""
    n_used: int
    """Parameters with a tail index."""
    counts: dict[str, int]
    """Used and excluded parameters by reason."""
    median: float
    """Median tail index; NaN without used parameters, like all that follows."""
    low: float
    """10 % quantile over parameters."""
    high: float
    """90 % quantile over parameters."""
    fraction_heavy: float
    """Share of the used parameters that are heavy."""
    fraction_student: float
    """Share whose Student likelihood exceeds the stable one."""
    fraction_neither: float
    """Share that the stable law does not fit."""
    spread: float
    """Standard deviation of the index over parameters."""
    estimation_error: float
    """Error of one index from split halves; parameters clipped at 2 make it small."""
    split_half: float
    """Spearman correlation of the two halves' indices over parameters."""
    kurtosis_correlation: float
    """Spearman correlation of index and excess kurtosis."""
    stability_gap: float
    """Median |regression - quantile estimate|."""
    median_dof: float
    """Median degrees of freedom of the Student fits."""


def summarize_layer(comparison: LawComparison, chosen: npt.ArrayLike) -> LayerSummary:
    """Summarize the columns `chosen` (positions or a mask)."""
    inside = np.zeros(comparison.tail_index.size, dtype=bool)
    inside[np.asarray(chosen)] = True
    used = inside & np.isfinite(comparison.tail_index)
    reasons = comparison.columns.reason[inside]
    counts = {name: int((reasons == name).sum()) for name in comparison.counts}
    index = comparison.tail_index[used]
    even, odd = comparison.tail_index_even[used], comparison.tail_index_odd[used]

    def over(values: FloatArray) -> float:
        return float(np.median(values[used])) if used.any() else np.nan

    def share(mask: npt.NDArray[np.bool_]) -> float:
        return float(mask[used].mean()) if used.any() else np.nan

    low, high = np.quantile(index, [0.1, 0.9]) if used.any() else (np.nan, np.nan)
    return LayerSummary(
        n_sampled=int(inside.sum()),
        n_used=int(used.sum()),
        counts=counts,
        median=over(comparison.tail_index),
        low=float(low),
        high=float(high),
        fraction_heavy=share(comparison.heavy),
        fraction_student=share(comparison.student_gain > 0),
        fraction_neither=share(comparison.neither_fits),
        spread=float(index.std(ddof=1)) if index.size > 1 else np.nan,
        estimation_error=float((even - odd).std(ddof=1) / 2) if index.size > 1 else np.nan,
        split_half=rank_correlation(even, odd),
        kurtosis_correlation=rank_correlation(index, comparison.excess_kurtosis[used]),
        stability_gap=over(comparison.stability_gap),
        median_dof=over(comparison.student_dof),
    )


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Return Spearman's correlation over what is finite in both; NaN where it is undefined."""
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(stats.spearmanr(a, b).statistic)
