"""Published slopes of the parametric plot, by simulation and by theory; slow."""

import math

import pandas as pd
import pytest

from analysis.effective_temperature.study import analyse_temperatures
from analysis.effective_temperature.table import TemperatureTable
from studies.experiments import load_experiment

# Settings: published T_short, T_sec, T_long.
PUBLISHED = {
    "Langevin T=0.1": (
        {"active_fraction": 1, "langevin_temperature": 0.1}, (0.1000, 0.1003, 0.1007),
    ),
    "SGD b=0.3": ({"active_fraction": 0.3}, (0.1886, 0.1375, 0.1036)),
    "SGD b=0.5": ({}, (0.0765, 0.0578, 0.0461)),
    "SGD b=0.9": ({"active_fraction": 0.9}, (0.0083, 0.0061, 0.0048)),
    "SGD b=0.5 eta=0.1": ({"learning_rate": 0.1}, (0.1589, 0.1176, 0.0844)),
    # Slower relaxation near load 2: at the usual burn-in the norm still drifts.
    "SGD b=0.5 load=3": ({"load": 3, "burn_in_time": 12}, (0.0502, 0.0333, 0.0230)),
    "persistent tau=0.2": ({"persistence_time": 0.2}, (0.0970, 0.1466, 0.1376)),
    "persistent tau=0.4": ({"persistence_time": 0.4}, (0.0893, 0.2792, 0.3353)),
    "persistent tau=0.8": ({"persistence_time": 0.8}, (0.0716, 0.4530, 0.6965)),
    "logistic b=0.3 ridge=0.1 eta=0.2": (
        {
            "active_fraction": 0.3, "loss": "logistic", "ridge": 0.1, "learning_rate": 0.2,
            "burn_in_time": 24, "window_time": 16,
        },
        (0.1844, 0.1414, 0.1170),
    ),
}  # fmt: skip
PUBLISHED_ERRORS = {"short": 0.02, "secant": 0.02, "long": 0.10}
"""Relative standard errors of the published values."""


@pytest.mark.verify
@pytest.mark.parametrize("case", PUBLISHED)
def test_published_slopes(case, pages):
    settings, published = PUBLISHED[case]
    experiment = load_experiment("perceptron-dynamics")
    rows = []
    # Seeds of its own for every case, or the errors of all cases would be common.
    first = 100 * list(PUBLISHED).index(case)
    for method, n_seeds in (("simulation", 8), ("mean_field", 4)):
        sizes = {"n_weights": 400, "n_copies": 3000, "n_windows": 8}
        (configuration,) = experiment.space(method=method, **sizes, **settings).points()
        for seed in range(first, first + n_seeds):
            (row,) = experiment.measure(configuration, [seed], "numba")
            rows.append({**configuration.columns(), "seed": seed, **row})
    result = analyse_temperatures(TemperatureTable(pd.DataFrame(rows)))
    (simulated,), (solved,) = (result.temperatures[m] for m in ("simulation", "mean_field"))
    columns = {}
    for name, value in zip(PUBLISHED_ERRORS, published, strict=True):
        columns[f"T_{name}"] = f"{getattr(simulated.found, name)}"
        columns[f"T_{name}, theory"] = f"{getattr(solved.found, name)}"
        columns[f"T_{name}, published"] = f"{value:g}"
    pages.add("temperature_slopes", case=case, T_0=f"{solved.bare:.4g}", **columns)
    for name, value in zip(PUBLISHED_ERRORS, published, strict=True):
        for cell in (simulated, solved):
            estimate = getattr(cell.found, name)
            assert estimate is not None, cell.found.summary()
            error = math.hypot(PUBLISHED_ERRORS[name] * value, estimate.stderr)
            assert abs(estimate.value - value) < 3 * error, (name, cell.method)
