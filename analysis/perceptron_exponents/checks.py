"""Numbers behind the figures, forests and diagnostics of the perceptron's laws."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.fits.forest import Forest, ForestRow, rows_of_law
from analysis.frame import Record, number
from analysis.perceptron_exponents.laws import PerceptronLaws
from analysis.perceptron_exponents.seed_means import SeedMeans
from analysis.perceptron_exponents.study import PerceptronResult
from analysis.report.diagnostics import (
    Diagnostics,
    ends_of_runs,
    joined,
    precision_pairs,
    pulls_of,
    spread_of,
)


def size_law_data(laws: Sequence[PerceptronLaws]) -> pd.DataFrame:
    """Geometric means against P for every observable, with the fit."""
    rows: list[Record] = []
    for law in laws:
        if law.sizes is None:
            continue
        fits = {
            "signal_to_noise": law.sizes.signal_to_noise,
            "weight_norm_over_T": law.sizes.weight_norm,
            "training_time_over_T": law.sizes.training_time,
        }
        for name, fit in fits.items():
            fitted = fit.evaluate(fit.means.positions)
            rows += [
                {"law": law.label, "observable": name, **row, "fitted": value}
                for row, value in zip(_means("n_train", fit.means), fitted, strict=True)
            ]
    return pd.DataFrame(rows)


def temperature_law_data(laws: Sequence[PerceptronLaws]) -> pd.DataFrame:
    """Geometric mean of ||w|| against T at every chi and P."""
    return pd.DataFrame(
        {"law": law.label, "n_train": one.n_train, "kappa": law.kappa, **row}
        for law in laws
        for one in law.temperatures
        for row in _means("temperature", one.means)
    )


def batch_law_data(laws: Sequence[PerceptronLaws]) -> pd.DataFrame:
    """Geometric mean of ||w||/T against B at every chi and P, and B*."""
    rows = []
    for law in laws:
        if law.batches is None:
            continue
        for size, means in law.batches.means.items():
            crossover = law.batches.crossovers.get(size)
            rows += [
                {
                    "law": law.label,
                    "n_train": size,
                    "temperature": law.batches.temperature,
                    **row,
                    **number("critical_batch_size", crossover),
                }
                for row in _means("batch_size", means)
            ]
    return pd.DataFrame(rows)


def trajectory_data(laws: Sequence[PerceptronLaws]) -> pd.DataFrame:
    """Time and signal after 2^k updates, and the slope up to the next record."""
    rows = []
    for law in laws:
        path = law.trajectory
        if path is None:
            continue
        local = [*path.local, math.nan]
        for k, updates in enumerate(path.updates):
            rows.append(
                {
                    "law": law.label,
                    "n_train": path.n_train,
                    "updates": updates,
                    "time_over_T": math.exp(path.log_time[k]),
                    "signal_over_T": math.exp(path.log_signal[k]),
                    "local_exponent": local[k],
                    "in_fit": path.window[0] <= updates <= path.window[1],
                }
            )
    return pd.DataFrame(rows)


def _means(name: str, means: SeedMeans) -> list[Record]:
    mean: FloatArray = np.exp(means.mean)
    return [
        {name: x, "mean": y, "stderr": y * error, "n_runs": int(n)}
        for x, y, error, n in zip(means.positions, mean, means.stderr, means.n, strict=True)
    ]


def perceptron_forests(law: PerceptronLaws) -> tuple[Forest, ...]:
    """Return gamma and b without each P in turn, and gamma by every quantity that has it."""
    if law.sizes is None:
        return ()
    gamma = rows_of_law(r"$\gamma$ of $w_1/w_\perp$", "P", law.sizes.signal_to_noise)
    gamma += (ForestRow(r"$\gamma$ of $\Vert w\Vert$", law.sizes.weight_norm.slope),)
    if law.batches is not None and law.batches.crossover is not None:
        gamma += (ForestRow(r"$\gamma$ of $B^*$", law.batches.crossover.slope),)
    time = rows_of_law(r"$b$ of $t^*/T$", "P", law.sizes.training_time)
    return (
        Forest(r"exponent  $\gamma$", gamma, law.theory.gamma),
        Forest(r"exponent  $b$", time, law.theory.b),
    )


def perceptron_diagnostics(result: PerceptronResult) -> Diagnostics:
    """Diagnose all runs; pulls are those of gamma and b at every chi."""
    pulls = []
    for law in result.laws:
        if law.sizes is not None:
            for name, fit in (("γ", law.sizes.signal_to_noise), ("b", law.sizes.training_time)):
                found = fit.residuals / fit.means.stderr
                pulls.append(pulls_of(f"{name}, χ = {law.chi:g}", fit.means.positions, found))
    rows = result.table.frame
    return Diagnostics(
        pulls=joined(pulls),
        spread=spread_of(rows, "weight_norm"),
        ends=ends_of_runs(rows),
        precision=precision_pairs(rows),
        observable="weight_norm",
    )
