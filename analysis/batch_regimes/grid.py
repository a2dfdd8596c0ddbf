"""Runs over (P, T, B, seed) as arrays, and differences between batch sizes paired by seed.

A seed fixes images and initial weights at every B, so the ratio of weight changes at equal T is
known far better than either of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray, IntArray
from analysis.curves import Runs, status_of_runs
from analysis.estimates import Estimate, estimate_from_error, mean_over_runs, resampling_weights
from analysis.table import ReadTableError

_LOGARITHMIC = ("relative_weight_change", "training_time")


@dataclass(frozen=True)
class BatchGrid(Runs):
    """Observables of fitted runs over (P, T, B, seed)."""

    sizes: IntArray
    """P, shape (P,)."""
    temperatures: FloatArray
    """T, shape (T,)."""
    batch_sizes: IntArray
    """B, shape (B,)."""
    weights: FloatArray = field(repr=False)
    """Resampled seeds, shape (n_bootstrap, seed)."""

    def observable(self, name: str) -> FloatArray:
        """Return ln of weight change and training time, others as they are; (P, T, B, seed)."""
        values = self.values(name)
        if name not in _LOGARITHMIC:
            return values
        return np.log(np.where(values > 0, values, np.nan))

    @property
    def learning_rates(self) -> FloatArray:
        """Learning rates eta = TB, shape (T, B)."""
        return np.asarray(self.temperatures[:, None] * self.batch_sizes[None, :])

    def means(self, observable: str) -> FloatArray:
        """Mean over fitted runs, shape (P, T, B)."""
        return mean_over_runs(self.observable(observable))

    def paired(self, observable: str) -> FloatArray:
        """Value at B minus that at the smallest B of the same (P, T, seed), (P, T, B, seed).

        NaN where either run is missing or a cell has lost more than 20 % of its runs.
        """
        values = np.where(self.stable[..., None], self.observable(observable), np.nan)
        first = np.argmax(self.n_runs > 0, axis=2)
        base = np.take_along_axis(values, first[..., None, None], axis=2)
        return np.asarray(values - base)

    def reference(self, p: int, t: int) -> int | None:
        """Smallest batch size measured at (P, T)."""
        measured = np.flatnonzero(self.n_runs[p, t] > 0)
        return int(self.batch_sizes[measured[0]]) if measured.size else None


def build_grid(frame: pd.DataFrame, *, n_bootstrap: int, seed: int) -> BatchGrid:
    """Arrange the rows of one set of settings on (P, T, B, seed).

    Raises
    ------
    ReadTableError
        If the table has no batch sizes or no seeds to pair.
    """
    for column in ("batch_size", "seed"):
        if column not in frame:
            raise ReadTableError(
                f"the table lacks the column {column!r}; batch sizes are compared seed by seed"
            )
    names = ("n_train", "temperature", "batch_size", "seed")
    axes = [np.unique(frame[name].to_numpy(), return_inverse=True) for name in names]
    slots = tuple(np.asarray(position, dtype=np.int64).reshape(-1) for _, position in axes)
    return BatchGrid(
        status=status_of_runs(frame, slots),
        frame=frame,
        slots=slots,
        sizes=axes[0][0].astype(np.int64),
        temperatures=axes[1][0].astype(float),
        batch_sizes=axes[2][0].astype(np.int64),
        weights=resampling_weights(len(axes[3][0]), n_bootstrap, np.random.default_rng(seed)),
    )


NOISE_SCALES = ("gradient_noise_scale_start", "gradient_noise_scale_end")
"""tr(Sigma)/|G|^2 at the start and at the end of a training, where it was measured."""


def compared_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without those that only measure the noise scale.

    Their seeds have a single batch size, with which nothing is compared.
    """
    measured = frame[[name for name in NOISE_SCALES if name in frame]].notna().any(axis=1)
    if not measured.any() or not {"batch_size", "seed"} <= set(frame):
        return frame
    runs = frame.groupby(["n_train", "temperature", "seed"])["batch_size"]
    kept = frame[~(measured & (runs.transform("nunique") == 1))]
    return frame if kept.empty else kept


@dataclass(frozen=True)
class NoiseScale:
    """tr(Sigma)/|G|^2 at one size, the batch size below which noise dominates one step."""

    n_train: int
    """P."""
    when: str
    """``start`` or ``end`` of training."""
    temperature: float | None
    """T; None at the start, where it plays no part."""
    estimate: Estimate
    """Geometric mean over seeds."""


def noise_scales(grid: BatchGrid) -> tuple[NoiseScale, ...]:
    """Return the gradient noise scale at the smallest B; empty if it was not measured."""
    found = []
    for name in NOISE_SCALES:
        if not grid.has(name):
            continue
        values = grid.observable(name)
        logs = np.log(np.where(values > 0, values, np.nan))
        for p, size in enumerate(grid.sizes):
            if name.endswith("start"):
                # One value per seed: the start is the same at every T and B.
                scale = _noise_scale(logs[p].reshape(-1, logs.shape[3]), int(size), None)
                found += [] if scale is None else [scale]
                continue
            for t, temperature in enumerate(grid.temperatures):
                scale = _noise_scale(logs[p, t, :1], int(size), float(temperature))
                found += [] if scale is None else [scale]
    return tuple(found)


def _noise_scale(logs: FloatArray, size: int, temperature: float | None) -> NoiseScale | None:
    by_seed = mean_over_runs(logs.T)
    known = by_seed[np.isfinite(by_seed)]
    if not known.size:
        return None
    when = "start" if temperature is None else "end"
    estimate = estimate_from_error(
        math.exp(known.mean()),
        float(known.std(ddof=1) / math.sqrt(known.size)) if known.size > 1 else None,
        known.size - 1,
        int(known.size),
        definition=f"tr(Sigma)/|G|^2 at the {when} of training, geometric mean over seeds",
        fit_range=f"P = {size}" + ("" if temperature is None else f", T = {temperature:.3g}"),
        logarithmic=True,
    )
    return NoiseScale(size, when, temperature, estimate)
