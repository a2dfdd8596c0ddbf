"""The numbers behind each figure of the scaling report, as tables that a script can read.

Symbols become the column names of the house: P is ``n_train``, T is ``temperature``.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.arrays import BoolArray, FloatArray
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.estimates import Estimate, mean_over_runs, stderr_over_runs
from analysis.locating.located import LOCATED


def weight_change_data(law: ScalingLaw) -> pd.DataFrame:
    """Geometric mean of the weight change and its standard error at every (P, T)."""
    means = np.exp(law.curves.log_mean("relative_weight_change"))
    errors = means * law.curves.log_stderr("relative_weight_change")
    return _cells(law, relative_weight_change=means, stderr=errors)


def critical_temperature_data(law: ScalingLaw) -> pd.DataFrame:
    """T_lazy(c) at every size and threshold, with the fitted value."""
    frames = []
    for c in law.thresholds:
        frame = law.lazy[c].frame()
        frame["fitted"] = law.fits[c].evaluate(frame["n_train"].to_numpy(dtype=float))
        frame["in_fit"] = frame["status"] == LOCATED
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def stability_data(law: ScalingLaw) -> pd.DataFrame:
    """Every exponent of T_c: by definition, as predicted, and without each size in turn."""
    found = law.estimates()
    rows = [
        _exponent_row(key, estimate)
        for key, estimate in found.items()
        if key.name in ("a", "gamma/delta")
    ]
    lazy = law.lazy[law.headline]
    rows += [
        _exponent_row(law.key_of("a", lazy, **{"without P": size}), estimate)
        for size, estimate in law.fit.leave_one_out.items()
    ]
    return pd.DataFrame(rows)


def collapse_data(law: GridLaw) -> pd.DataFrame:
    """Weight change of the collapse against T and against T P^a."""
    assert law.collapse is not None
    data, a = law.collapse.data, law.collapse.a
    p, t = np.nonzero(data.known)
    sizes, temperatures = np.exp(data.log_sizes[p]), np.exp(data.log_temperatures[t])
    values = np.exp(data.y[p, t])
    return pd.DataFrame(
        {
            "n_train": np.rint(sizes).astype(int),
            "temperature": temperatures,
            "scaled_temperature": math.nan if a is None else temperatures * sizes**a.value,
            "relative_weight_change": values,
            "stderr": values * data.s[p, t],
        }
    )


def companion_data(law: GridLaw) -> pd.DataFrame:
    """Weight change and presentations t*/T at every (P, T), and what entered the fits."""
    change, time = law.companions.weight_change, law.companions.training_time
    columns: dict[str, FloatArray | BoolArray] = {
        "relative_weight_change": np.exp(law.curves.log_mean("relative_weight_change")),
    }
    if change is not None:
        columns["weight_change_in_fit"] = change.cells
    if time is not None:
        logs = law.curves.log_mean("training_time") - np.log(law.curves.temperatures)
        columns["presentations"] = np.exp(logs)
        columns["presentations_stderr"] = np.exp(logs) * law.curves.log_stderr("training_time")
        columns["presentations_in_fit"] = time.cells
    return _cells(law, **columns)


def batch_data(law: ScalingLaw) -> pd.DataFrame:
    """Ratios of weight changes at equal (P, T)."""
    frame = law.batches.frame()
    frame["stderr"] = frame["ratio"] * frame["log_stderr"].astype(float)
    return frame


def test_error_data(law: ScalingLaw) -> pd.DataFrame:
    """Mean test error and its standard error at every (P, T)."""
    values = law.curves.values("test_error")
    return _cells(law, test_error=mean_over_runs(values), stderr=stderr_over_runs(values))


def _cells(law: ScalingLaw, **columns: FloatArray | BoolArray) -> pd.DataFrame:
    """One row per measured cell (P, T): the columns, numbers of runs, whether fits may use it."""
    curves = law.curves
    p, t = np.nonzero(curves.n_runs > 0)
    return pd.DataFrame(
        {
            "n_train": curves.sizes[p],
            "temperature": curves.temperatures[t],
            **{name: values[p, t] for name, values in columns.items()},
            "n_runs": curves.n_runs[p, t],
            "n_fitted": curves.n_fitted[p, t],
            "stable": curves.stable[p, t],
        }
    )


def _exponent_row(key: str, estimate: Estimate) -> dict[str, object]:
    low, high = estimate.interval95 or (math.nan, math.nan)
    return {
        "exponent": key,
        "value": estimate.value,
        "stderr": estimate.stderr,
        "low95": low,
        "high95": high,
        "n": estimate.n,
        "fit_range": estimate.fit_range,
    }
