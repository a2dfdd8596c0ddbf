"""The (B, eta) plane: where only T = eta/B matters, where the first step, where neither noise.

Three phases (Sclocchi and Wyart 2024): noise-dominated at B < B* and T above T_noise, dominated
by the first step at B > B*, gradient descent below T_noise. Learning rates above eta_max/2 are
beyond the stable step and tell nothing about B*.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.batch_regimes.claims import judge_plane
from analysis.batch_regimes.critical_batch import (
    STABLE_SHARE,
    CriticalBatch,
    fit_critical_batches,
    locate_critical_batches,
)
from analysis.batch_regimes.grid import (
    BatchGrid,
    build_grid,
    compared_runs,
    noise_scales,
)
from analysis.batch_regimes.plane import (
    BEYOND,
    FIRST_STEP,
    GRADIENT_DESCENT,
    NOISE_DOMINATED,
    SMALL_BATCH,
    UNKNOWN,
    BatchCell,
    BatchPlane,
)
from analysis.estimates import Estimate, estimate_from_error, mean_over_runs
from analysis.frame import printed
from analysis.locating.window import NOISE_ONSET, Window
from analysis.result import JoinedResult
from analysis.table import MeasurementTable, plain


class BatchResult(JoinedResult[BatchPlane]):
    """All planes of a table with their estimates and verdicts."""

    @property
    def planes(self) -> tuple[BatchPlane, ...]:
        """One per combination of settings."""
        return self.parts

    def critical_batches(self) -> pd.DataFrame:
        """Return one row per plane, P and T with B* or its refusal."""
        return self.tables["b_star.csv"]


COLUMNS = (
    "plane", "n_train", "temperature", "critical_batch_size", "log_stderr", "bracket_low",
    "bracket_high", "n_seeds", "status", "message",
)  # fmt: skip
"""Of b_star.csv."""


def answer_of(plane: BatchPlane) -> str:
    """Return the law of B* with most sizes, or why there is no exponent."""
    law = plane.headline_law
    if law.exponent is None or law.fit.prefactor is None:
        return law.fit.remarks[0]
    return (
        f"B* = {law.fit.prefactor} P^{law.exponent} at T = {law.temperature:.3g}, "
        f"{law.fit.fit_range}, {law.exponent.n} seeds"
    )


def analyse_batch_regimes(
    table: MeasurementTable,
    windows: Mapping[float, Window],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> BatchResult:
    """Locate B* at every (P, T) of a table and name the phase of every cell.

    Parameters
    ----------
    windows
        T_1 and eta_max by alpha.
    n_bootstrap, seed
        Number of resampled sets of seeds and the seed that draws them.
    """
    planes = []
    for group in table.groups(without=("batch_size",)):
        alpha = float(group.frame["alpha"].iloc[0]) if "alpha" in group.frame else math.nan
        every = build_grid(group.frame, n_bootstrap=2, seed=seed)
        grid = build_grid(compared_runs(group.frame), n_bootstrap=n_bootstrap, seed=seed)
        window = windows.get(alpha)
        batches = locate_critical_batches(grid, window.stable if window else math.inf)
        settings = {name: plain(value) for name, value in group.settings.items()}
        planes.append(
            BatchPlane(
                settings=settings,
                window=window,
                grid=grid,
                cells=_cells(grid, window, batches),
                laws=fit_critical_batches(batches),
                pooled=_pooled(grid, window),
                noise_scale=noise_scales(every),
            )
        )
    return BatchResult.join(
        table,
        tuple(planes),
        n_bootstrap,
        judge=judge_plane,
        answer=answer_of,
        tables={"b_star.csv": printed(pd.concat([p.located for p in planes]), COLUMNS)},
    )


def _cells(
    grid: BatchGrid, window: Window | None, batches: tuple[CriticalBatch, ...]
) -> tuple[BatchCell, ...]:
    located = {(batch.n_train, batch.temperature): batch for batch in batches}
    paired = {
        name: grid.paired(name)
        for name in ("relative_weight_change", "training_time", "test_error")
        if grid.has(name)
    }
    cells = []
    for p, t, b in np.argwhere(grid.n_runs > 0):
        size, temperature = int(grid.sizes[p]), float(grid.temperatures[t])
        batch_size = int(grid.batch_sizes[b])
        where = f"P = {size}, T = {temperature:.3g}, B = {batch_size}"
        estimates = {
            name: paired_mean(values[p, t, b], where)
            for name, values in paired.items()
            if batch_size != grid.reference(p, t)
        }
        change = estimates.get("relative_weight_change")
        cells.append(
            BatchCell(
                n_train=size,
                temperature=temperature,
                batch_size=batch_size,
                learning_rate=float(grid.learning_rates[t, b]),
                phase=_phase(
                    temperature, batch_size, window, located[size, temperature], bool(change)
                ),
                n_runs=int(grid.n_runs[p, t, b]),
                n_fitted=int(grid.n_fitted[p, t, b]),
                weight_change=change,
                training_time=estimates.get("training_time"),
                test_error=estimates.get("test_error"),
            )
        )
    return tuple(cells)


def paired_mean(differences: np.ndarray, where: str) -> Estimate | None:
    """Mean of what is finite with its standard error; None if nothing is."""
    known = differences[np.isfinite(differences)]
    if not known.size:
        return None
    error = float(known.std(ddof=1) / math.sqrt(known.size)) if known.size > 1 else None
    return estimate_from_error(
        float(known.mean()),
        error,
        known.size - 1,
        int(known.size),
        definition="difference from the smallest batch size at equal P and T, paired by seed",
        fit_range=where,
    )


def _phase(
    temperature: float,
    batch_size: int,
    window: Window | None,
    batch: CriticalBatch,
    compared: bool,
) -> str:
    if window is not None and temperature * batch_size > STABLE_SHARE * window.stable * 1.000001:
        return BEYOND
    if window is not None and temperature < NOISE_ONSET * window.onset:
        return GRADIENT_DESCENT
    if batch.value is not None:
        return FIRST_STEP if batch_size > batch.value else NOISE_DOMINATED
    low = batch.bracket[0]
    return NOISE_DOMINATED if low is not None and batch_size <= low else UNKNOWN


def _pooled(grid: BatchGrid, window: Window | None) -> dict[tuple[int, str], Estimate]:
    """Pool 1 < B <= 4 over the temperatures of a size: mean per seed first, then over seeds."""
    stable = math.inf if window is None else STABLE_SHARE * window.stable * 1.000001
    inside = (grid.batch_sizes[None, :] <= SMALL_BATCH) & (grid.learning_rates <= stable)
    found: dict[tuple[int, str], Estimate] = {}
    for name in ("relative_weight_change", "training_time", "test_error"):
        if not grid.has(name):
            continue
        differences = grid.paired(name)
        for p, size in enumerate(grid.sizes):
            chosen = inside & (grid.n_runs[p] > 0)
            for t in range(len(grid.temperatures)):
                first = np.flatnonzero(grid.n_runs[p, t] > 0)[:1]
                chosen[t, first] = False
            cells = differences[p][chosen]
            if not len(cells):
                continue
            by_seed = mean_over_runs(cells.T)
            estimate = paired_mean(by_seed, f"P = {size}, 1 < B <= {SMALL_BATCH}, all T")
            if estimate is not None:
                found[int(size), name] = estimate
    return found
