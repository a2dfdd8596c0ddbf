"""Forests and diagnostics tell the truth about data whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.checks import scaling_diagnostics, scaling_forests
from analysis.critical_temperature.report import scaling_content
from analysis.effective_temperature.laws import fit_log_law
from analysis.fits.alpha_law import fit_alpha_law
from analysis.fits.forest import Forest, ForestRow, forest_data, rows_of_subsets
from analysis.report.checks import diagnostics_figures, forest_figures
from analysis.report.content import ReportContext
from analysis.report.diagnostics import (
    Diagnostics,
    ends_of_runs,
    precision_pairs,
    pulls_of,
    spread_over_seeds,
    step_size_pairs,
)


@pytest.fixture(scope="module")
def result(synthetic_study_of_16_seeds: pd.DataFrame):
    table = MeasurementTable.from_frame(synthetic_study_of_16_seeds)
    return analyse_scaling(table, n_bootstrap=60)


def test_spread_is_that_of_run_and_seed(synthetic_table) -> None:
    rows = synthetic_table(64, run_noise=0.1, seed_noise=0.08)
    found = spread_over_seeds(rows, "relative_weight_change")
    assert len(found) == rows.groupby(["n_train", "temperature"]).ngroups
    assert (found["n"] == 64).all()
    truth = math.hypot(0.1, 0.08)
    pulls = (found["spread"] - truth) / found["stderr"]
    # The seeds' part is the same in all cells, hence the mean may be off by its own error.
    assert abs(pulls.mean()) < 3
    assert pulls.std() < 2


def test_runs_are_counted_by_how_they_ended(synthetic_table) -> None:
    rows = synthetic_table(8)
    rows.loc[(rows["temperature"] > 1.5) & (rows["seed"] < 2), "stop_reason"] = "diverged"
    rows.loc[(rows["temperature"] > 1.5) & (rows["seed"] == 2), "stop_reason"] = "step_budget"
    found = ends_of_runs(rows)
    hot = found[found["position"] > 1.5]
    assert (hot[["n_runs", "fitted", "censored", "diverged"]] == [8, 5, 1, 2]).all(axis=None)
    assert Diagnostics(ends=found).drawn == ("ends",)
    calm = found[found["position"] < 1.5]
    assert Diagnostics(ends=calm).drawn == ()


def test_step_size_pairs_find_the_factor(synthetic_study_of_16_seeds: pd.DataFrame) -> None:
    found = step_size_pairs(synthetic_study_of_16_seeds)
    change = found[found["observable"] == "relative_weight_change"]
    assert (change["n"] == 16).all()
    assert len(change) == 5 * 4
    assert (change["batch_size"] == 4).all()
    assert (change["reference"] == 1).all()
    pulls = (change["log_ratio"] - math.log(1.02)) / change["log_stderr"]
    assert abs(pulls.mean()) < 3 / math.sqrt(len(pulls))
    assert pulls.abs().max() < 4


def test_precisions_are_compared_seed_by_seed(synthetic_table) -> None:
    single = synthetic_table(4)
    double = single.assign(dtype="float64", training_time=single["training_time"] * 1.5)
    both = pd.concat([single, double[double["temperature"] < 0.01]], ignore_index=True)
    found = precision_pairs(both).set_index("observable")
    assert found.loc["relative_weight_change", "log_ratio"].to_numpy() == pytest.approx(0)
    assert found.loc["training_time", "log_ratio"].to_numpy() == pytest.approx(math.log(1.5))
    assert found["position"].max() < 0.01
    assert (found["n"] == 4).all()
    assert precision_pairs(single).empty


def test_a_few_runs_in_float64_are_a_check_and_no_law(synthetic_table) -> None:
    single = synthetic_table(4)
    double = single[single["n_train"] <= 128].assign(dtype="float64")
    table = MeasurementTable.from_frame(pd.concat([single, double], ignore_index=True))
    (law,) = analyse_scaling(table, n_bootstrap=20).laws
    assert law.settings == {"dtype": "float32"}
    found = scaling_diagnostics(law, table)
    assert "precision" in found.drawn
    assert set(found.precision["curve"]) == {64, 128}
    assert found.precision["log_ratio"].to_numpy() == pytest.approx(0)


def test_nothing_measured_gives_no_figure() -> None:
    assert diagnostics_figures(Diagnostics()) == ()
    assert forest_figures((), "") == ()
    single = pd.DataFrame({"n_train": [64], "temperature": [0.1], "stop_reason": ["fitted"]})
    assert step_size_pairs(single).empty
    assert precision_pairs(single).empty


def test_scaling_report_draws_what_was_measured(result) -> None:
    found = scaling_diagnostics(result.laws[0], result.table)
    assert found.drawn == ("pulls", "spread", "steps")
    assert found.pulls["pull"].abs().max() < 4
    planned = {f.name: f for f in scaling_content(result, ReportContext()).figures}
    figure = planned["diagnostics"]
    assert "All 1280 runs fitted" in figure.caption
    parts = figure.data().groupby("part").size()
    assert parts["spread"] == 5 * 16
    assert parts["steps"] == 2 * 5 * 4


def test_adaptive_runs_have_no_spread(synthetic_table) -> None:
    rows = synthetic_table(1).assign(seed=lambda frame: range(len(frame)))
    result = analyse_scaling(MeasurementTable.from_frame(rows), thresholds=[0.1], n_bootstrap=20)
    found = scaling_diagnostics(result.laws[0], result.table)
    assert result.laws[0].is_adaptive
    assert "spread" not in found.drawn
    assert "steps" not in found.drawn


def test_forest_of_the_scaling_study(result) -> None:
    main, onsets = scaling_forests(result.laws[0])
    assert main.headline is not None
    assert main.headline.value == result.laws[0].fit.exponent.value
    assert sum(row.is_headline for row in main.rows) == 1
    assert {"data collapse"} <= {row.choice for row in main.rows}
    assert onsets.theory == 0.0


def test_subsets_of_an_exact_law_give_its_exponent() -> None:
    alphas = [0.001, 0.01, 0.1, 1.0]
    law = fit_alpha_law(
        alphas, 0.5 * np.log(alphas), np.zeros(4), [np.empty(0)] * 4, n_clusters=1, symbol="T"
    )
    rows = list(rows_of_subsets("x", law))
    assert [row.choice for row in rows][:2] == ["without $x = 0.001$", "without $x = 0.01$"]
    assert [row.estimate.value for row in rows] == pytest.approx([0.5] * len(rows))
    assert law.pulls == pytest.approx(0)
    # Three points leave no fit that says anything.
    assert list(rows_of_subsets("x", law.subset(law.x < 1))) == []


def test_a_bent_law_shows_in_its_forest() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    y = np.array([1.0, 2.0, 4.0, 16.0])
    law = fit_log_law(x, y, [1.1 * y, y / 1.1], definition="", fit_range="")
    rows = list(rows_of_subsets("x", law))
    without_last = next(row for row in rows if row.choice == "without $x = 8$")
    assert without_last.estimate.value == pytest.approx(1)
    assert law.slope.value > 1.2


def test_forest_data_is_plain_text(result) -> None:
    exponent = result.laws[0].fit.exponent
    forest = Forest(r"exponent  $\gamma$", (ForestRow(r"$P \geq 64$", exponent),), 1.0)
    row = forest_data([forest]).iloc[0]
    assert (row["exponent"], row["choice"]) == ("exponent gamma", "P >= 64")
    assert row["value"] == exponent.value
    assert row["low95"] == exponent.interval95[0]


def test_pulls_stand_beside_their_positions() -> None:
    frame = pulls_of("a", [64, 128], np.array([0.5, -1.0]))
    assert frame["pull"].tolist() == [0.5, -1.0]
    assert set(frame["fit"]) == {"a"}
