"""The numbers behind the figures of the further studies, as tables that a script can read.

`analysis.critical_temperature.figure_data` does the same for the scaling report. Symbols become
the column names of the house: P is ``n_train``, T is ``temperature``, B is ``batch_size``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.batch_regimes.study import BatchPlane
from analysis.curves import mean_over_runs, stderr_over_runs
from analysis.effective_temperature.study import METHODS, TemperatureResult
from analysis.estimates import Estimate, FloatArray
from analysis.optimal_temperature.study import OptimalLaw
from analysis.perceptron_exponents.laws import PerceptronLaws
from analysis.perceptron_exponents.seed_means import SeedMeans
from analysis.phase_diagram.study import PhaseDiagram

Record = dict[str, Any]


def phase_data(diagram: PhaseDiagram) -> pd.DataFrame:
    """Weight change, test error and lost runs at every measured (alpha, T)."""
    return pd.DataFrame(row for scan in diagram.scans for row in _phase_rows(scan))


def _phase_rows(scan: Any) -> Iterable[Record]:
    curves, p = scan.curves, scan.p
    logs = curves.log_values("relative_weight_change")[p]
    change, change_error = np.exp(mean_over_runs(logs)), stderr_over_runs(logs)
    has_error = curves.has("test_error")
    errors = curves.values("test_error")[p] if has_error else np.full(logs.shape, math.nan)
    error, error_stderr = mean_over_runs(errors), stderr_over_runs(errors)
    lost = dict(zip(scan.edge.temperatures, scan.edge.fraction_lost, strict=True))
    for t in np.flatnonzero(curves.n_runs[p] > 0):
        temperature = float(curves.temperatures[t])
        yield {
            "alpha": scan.alpha,
            "temperature": temperature,
            "relative_weight_change": change[t],
            "relative_weight_change_stderr": change[t] * change_error[t],
            "test_error": error[t],
            "test_error_stderr": error_stderr[t],
            "n_runs": curves.n_runs[p][t],
            "n_fitted": curves.n_fitted[p][t],
            "fraction_lost": lost.get(temperature, math.nan),
            "stable": curves.stable[p][t],
        }


def batch_plane_data(plane: BatchPlane) -> pd.DataFrame:
    """Every measured (P, T, B) against the smallest B, with its phase."""
    return pd.DataFrame(
        {
            "n_train": cell.n_train,
            "temperature": cell.temperature,
            "batch_size": cell.batch_size,
            "learning_rate": cell.learning_rate,
            "phase": cell.phase,
            "n_runs": cell.n_runs,
            "n_fitted": cell.n_fitted,
            **_number("log_weight_change_ratio", cell.weight_change),
            **_number("log_training_time_ratio", cell.training_time),
            **_number("test_error_difference", cell.test_error),
        }
        for cell in plane.cells
    )


def critical_batch_data(plane: BatchPlane) -> pd.DataFrame:
    """B* at every (P, T) with the fitted value."""
    rows = []
    for law in plane.laws:
        for batch in law.batches:
            fitted = math.nan
            if law.exponent is not None:
                fitted = float(law.fit.evaluate(np.array([float(batch.n_train)]))[0])
            row = {"n_train": batch.n_train, "temperature": batch.temperature}
            rows.append(
                {
                    **row,
                    **_number("critical_batch_size", batch.estimate()),
                    "lower_bound": batch.bracket[0],
                    "fitted": fitted,
                    "status": batch.status,
                }
            )
    return pd.DataFrame(rows)


def minima_data(law: OptimalLaw) -> pd.DataFrame:
    """Test error minus its mean over T at every alpha and temperature."""
    return pd.DataFrame(
        {
            "alpha": optimum.alpha,
            "temperature": t,
            "test_error_difference": difference,
            "stderr": error,
            "mean_test_error": optimum.level,
            "n_seeds": optimum.n_seeds,
        }
        for optimum in law.optima
        for t, difference, error in zip(
            optimum.temperatures, optimum.differences, optimum.stderr, strict=True
        )
    )


def optimal_data(law: OptimalLaw) -> pd.DataFrame:
    """T_opt at every alpha with its 68 % interval and the fitted value."""
    rows = []
    for optimum in law.optima:
        low, high = optimum.interval68 or (math.nan, math.nan)
        fitted = math.nan
        if law.law.exponent is not None:
            fitted = float(law.law.evaluate(np.array([optimum.alpha]))[0])
        rows.append(
            {
                "alpha": optimum.alpha,
                "optimal_temperature": optimum.value,
                "low68": low,
                "high68": high,
                "fitted": fitted,
                "status": optimum.status,
            }
        )
    return pd.DataFrame(rows)


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
                    **_number("critical_batch_size", crossover),
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


def fluctuation_data(result: TemperatureResult) -> pd.DataFrame:
    """Response and displacement at every lag of every stationary configuration."""
    return pd.DataFrame(
        {
            "method": method,
            "configuration": cell.control.label,
            "step": k,
            "response": x,
            "displacement": y,
        }
        for method in METHODS
        for cell in result.temperatures[method]
        if cell.found.secant is not None
        for k, (x, y) in enumerate(zip(cell.found.response, cell.found.displacement, strict=True))
    )


def temperature_data(result: TemperatureResult) -> pd.DataFrame:
    """Temperatures and distances of replicas against eta (1-b)/b."""
    rows = [
        {
            "method": method,
            "configuration": cell.control.label,
            "load": cell.control.load,
            "noise_strength": cell.control.noise_strength,
            **_number("temperature_long", cell.found.long),
            **_number("temperature_secant", cell.found.secant),
            **_number("temperature_short", cell.found.short),
        }
        for method in METHODS
        for cell in result.temperatures[method]
    ]
    return pd.concat([pd.DataFrame(rows), width_data(result)], ignore_index=True)


def width_data(result: TemperatureResult) -> pd.DataFrame:
    """Distance of replicas and widths of the boundary of every configuration."""
    names = ("replica_distance", "width_mean", "width_hard", "width_spread", "width_contact")
    return pd.DataFrame(
        {
            "method": method,
            "configuration": cell.control.label,
            "load": cell.control.load,
            "noise_strength": cell.control.noise_strength,
            **{k: v for name in names for k, v in _number(name, cell.estimate(name)).items()},
        }
        for method in METHODS
        for cell in result.replicas[method]
    )


def _means(name: str, means: SeedMeans) -> list[Record]:
    mean: FloatArray = np.exp(means.mean)
    return [
        {name: x, "mean": y, "stderr": y * error, "n_runs": int(n)}
        for x, y, error, n in zip(means.positions, mean, means.stderr, means.n, strict=True)
    ]


def _number(name: str, estimate: Estimate | None) -> Record:
    value, error = (None, None) if estimate is None else (estimate.value, estimate.stderr)
    return {name: value, f"{name}_stderr": error}
