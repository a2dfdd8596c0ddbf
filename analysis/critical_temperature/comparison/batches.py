"""Does only T = eta/B matter? The weight change at equal T for different batch sizes.

A law in T is one law only where eta and B enter through their ratio. Runs of larger batches at
the same size and temperature test this, seed by seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.curves import Curves
from analysis.estimates import format_value, mean_over_runs, stderr_over_runs

TOLERANCE = 0.10
"""Largest departure of a ratio from one that still counts as equal."""

_OBSERVABLE = "relative_weight_change"


@dataclass(frozen=True)
class BatchRatio:
    """Weight change at batch size B over that at the smallest one, at equal (P, T)."""

    n_train: int
    """P."""
    temperature: float
    """T = eta/B."""
    batch_size: int
    """B."""
    reference: int
    """Smallest batch size."""
    ratio: float
    """Ratio of geometric means over the replicas that fitted at both."""
    log_stderr: float | None
    """Standard error of its logarithm; paired by seed where seeds are shared."""
    n: int
    """Replicas compared."""


@dataclass(frozen=True)
class BatchComparison:
    """All ratios of one law and what they say."""

    ratios: tuple[BatchRatio, ...]
    """Empty where a single batch size was measured."""
    status: str
    """``established``, ``not established`` or ``contradicted``."""
    reason: str
    """One sentence with the numbers."""

    @property
    def measured(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.ratios)

    @property
    def farthest(self) -> BatchRatio | None:
        """The ratio that departs most from one; None without any."""
        return max(self.ratios, key=lambda ratio: abs(math.log(ratio.ratio)), default=None)

    def frame(self) -> pd.DataFrame:
        """Return one row per ratio."""
        return pd.DataFrame([vars(ratio) for ratio in self.ratios])


def compare_batch_sizes(by_batch_size: dict[int, Curves]) -> BatchComparison:
    """Compare every batch size with the smallest one, cell by cell.

    Established if every ratio lies within 10 % of one; contradicted if one departs by more than
    10 % by over two standard errors; else not established.
    """
    if len(by_batch_size) < 2:
        return BatchComparison((), "not established", "only one batch size was measured")
    reference = min(by_batch_size)
    ratios = tuple(
        ratio
        for batch_size in sorted(by_batch_size)
        if batch_size != reference
        for ratio in _ratios(
            by_batch_size[reference], reference, by_batch_size[batch_size], batch_size
        )
    )
    if not ratios:
        reason = "no two batch sizes were measured at the same P and T"
        return BatchComparison((), "not established", reason)
    return BatchComparison(ratios, *_verdict(ratios))


def _ratios(base: Curves, reference: int, other: Curves, batch_size: int) -> list[BatchRatio]:
    logs, base_logs = other.log_values(_OBSERVABLE), base.log_values(_OBSERVABLE)
    ratios = []
    for p, size in enumerate(other.sizes):
        for t, temperature in enumerate(other.temperatures):
            p0 = np.flatnonzero(base.sizes == size)
            t0 = np.flatnonzero(base.temperatures == temperature)
            if not (p0.size and t0.size and other.stable[p, t] and base.stable[p0[0], t0[0]]):
                continue
            mean, error, n = _log_ratio(base, base_logs[p0[0], t0[0]], other, logs[p, t])
            if n:
                ratios.append(
                    BatchRatio(
                        int(size),
                        float(temperature),
                        batch_size,
                        reference,
                        math.exp(mean),
                        error,
                        n,
                    )
                )
    return ratios


def _log_ratio(
    base: Curves, base_logs: np.ndarray, other: Curves, logs: np.ndarray
) -> tuple[float, float | None, int]:
    """Mean log ratio, its error and the number of replicas; paired where seeds are shared."""
    if base.shared_seeds and other.shared_seeds:
        seeds = pd.Series(logs, index=other.seed_labels)
        differences = (seeds - pd.Series(base_logs, index=base.seed_labels)).dropna().to_numpy()
        n = len(differences)
        if n == 0:
            return math.nan, None, 0
        error = float(stderr_over_runs(differences)) if n > 1 else None
        return float(differences.mean()), error, n
    mean = float(mean_over_runs(logs) - mean_over_runs(base_logs))
    counts = int(np.isfinite(logs).sum()), int(np.isfinite(base_logs).sum())
    error = None
    if min(counts) > 1:
        error = math.hypot(float(stderr_over_runs(logs)), float(stderr_over_runs(base_logs)))
    return mean, error, min(counts)


def _verdict(ratios: tuple[BatchRatio, ...]) -> tuple[str, str]:
    def departure(ratio: BatchRatio) -> float:
        return abs(math.log(ratio.ratio))

    def excess(ratio: BatchRatio) -> float:
        if not ratio.log_stderr:
            return -math.inf
        return (departure(ratio) - math.log1p(TOLERANCE)) / ratio.log_stderr

    worst = max(ratios, key=departure)
    strongest = max(ratios, key=excess)
    batches = ", ".join(f"{b}" for b in sorted({r.batch_size for r in ratios}))
    base = f"{len(ratios)} ratios at equal P and T (B = {batches} over B = {worst.reference})"
    if excess(strongest) > 2:
        return "contradicted", (
            f"of {base}, dw changes by the factor {_text(strongest)}, more than 10 % by "
            f"{excess(strongest):.1f} standard errors"
        )
    if departure(worst) <= math.log1p(TOLERANCE):
        return "established", f"all {base} lie within 10 % of one; the farthest is {_text(worst)}"
    return "not established", (
        f"of {base}, the farthest is {_text(worst)}, beyond 10 % but not by two standard errors; "
        "more seeds there would settle it"
    )


def _text(ratio: BatchRatio) -> str:
    error = None if ratio.log_stderr is None else ratio.ratio * ratio.log_stderr
    return (
        f"{format_value(ratio.ratio, error)} at P = {ratio.n_train}, T = {ratio.temperature:.3g}, "
        f"B = {ratio.batch_size}"
    )
