"""Verdicts on synthetic tables whose laws are known."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED
from analysis.effective_temperature.report import temperature_content
from analysis.effective_temperature.study import analyse_temperatures
from analysis.effective_temperature.table import TemperatureTable
from analysis.report.content import ReportContext
from analysis.report.page import draw_figures
from analysis.table import ReadTableError

LENGTH = 40
SEEDS = 4


def curves(long, short, rng):
    """Response 1 - exp(-k/8) and a displacement whose slope falls from short to long."""
    chi = 1 - np.exp(-np.arange(LENGTH + 2) / 8.0)
    b = short * chi - 0.5 * (short - long) * chi**2
    scale = 1 + 0.01 * rng.standard_normal()
    # Inverse of the midpoint average: B(k+1) = 2 M(k) + B(1) - B(k), started so that it is smooth.
    raw = np.zeros(LENGTH + 2)
    raw[1] = short * chi[1]
    for k in range(1, LENGTH + 1):
        raw[k + 1] = 2 * b[k] + raw[1] - raw[k]
    return scale * raw, chi


def temperature_row(seed, rng, exponent=1.0, drift=0.0, method="simulation", **control):
    eta, b = control.get("learning_rate", 0.05), control["active_fraction"]
    heat = (eta * (1 - b) / b) ** exponent if b < 1 else control["langevin_temperature"]
    heat *= 5 * eta**-0.9 if control.get("persistence_time") else 1.0
    displacement, response = curves(*((heat, heat) if b == 1 else (0.8 * heat, 1.6 * heat)), rng)
    series = {"train loss": [1.0, 1.0 + drift], "|w|²/N": [1.0, 1.0]}
    return {
        "point": json.dumps([method, *sorted(control.items())]), "seed": seed, "method": method,
        "quantity": "temperature", "load": 4.0, "learning_rate": eta, "temperature_bare": heat,
        "train_loss": 0.4, "displacement": json.dumps(list(displacement)),
        "response": json.dumps(list(response)), "drifts": json.dumps(series), **control,
    }  # fmt: skip


def replica_row(seed, rng, exponent=1.0, hard=-0.5, **control):
    b = control["active_fraction"]
    distance = 0.015 * (0.05 * (1 - b) / b) ** exponent * (1 + 0.02 * rng.standard_normal())
    common = np.random.default_rng(seed).standard_normal() * 0.02
    return {
        "point": json.dumps(sorted(control.items())), "seed": seed, "method": "simulation",
        "quantity": "replicas", "load": 0.5, "learning_rate": 0.05, "duration": 30.0,
        "replica_distance": distance, "replica_angle": distance / 3,
        "replica_disagreement": math.sqrt(distance) / 4, "train_loss": 1e-9, "squared_norm": 1.6,
        "width_mean": 0.98 + common + distance * (1 + 0.1 * rng.standard_normal()),
        "width_hard": 0.8 + common + hard * distance, "width_contact": 0.6 - distance,
        "width_spread": 0.37 + distance, **control,
    }  # fmt: skip


FRACTIONS = (0.2, 0.3, 0.5, 0.7, 0.9)


def table(exponent=1.0, hard=-0.5, drift=0.0):
    rng = np.random.default_rng(5)
    rows = []
    for seed in range(SEEDS):
        for b in FRACTIONS:
            rows.append(temperature_row(seed, rng, exponent, drift, active_fraction=b))
            rows.append(replica_row(seed, rng, hard=hard, active_fraction=b))
        for eta in (0.025, 0.05, 0.1):
            control = {"active_fraction": 0.5, "learning_rate": eta, "persistence_time": 0.4}
            rows.append(temperature_row(seed, rng, **control))
        bath = {"active_fraction": 1.0, "langevin_temperature": 0.1}
        rows.append(temperature_row(seed, rng, **bath))
        rows.append(temperature_row(seed, rng, method="mean_field", active_fraction=0.5))
    return TemperatureTable(pd.DataFrame(rows))


@pytest.fixture(scope="module")
def result():
    return analyse_temperatures(table())


def test_known_laws_are_established(result):
    statuses = {key: verdict.status for key, verdict in result.verdicts.items()}
    assert statuses.pop("single_temperature") == CONTRADICTED
    assert set(statuses.values()) == {ESTABLISHED}
    assert result.laws["T_sec,noise"].slope.value == pytest.approx(1.0, abs=0.03)
    assert result.laws["D,T_sec"].slope.value == pytest.approx(1.0, abs=0.03)
    assert result.laws["T_sec,eta,persistent"].slope.value == pytest.approx(0.1, abs=0.05)


def test_ratios_of_persistent_sgd_name_rate_and_time(result):
    assert "at eta = 0.05, tau = 0.4" in result.verdicts["persistent_hotter"].reason


def test_a_wrong_exponent_is_contradicted():
    found = analyse_temperatures(table(exponent=1.3))
    assert found.verdicts["noise_law"].status == CONTRADICTED
    assert found.verdicts["distance_follows_temperature"].status == CONTRADICTED


def test_a_growing_hard_margin_is_not_hidden():
    found = analyse_temperatures(table(hard=0.5))
    assert found.verdicts["noise_widens_boundary"].status == CONTRADICTED


def test_drifting_runs_give_no_temperature_and_no_law():
    found = analyse_temperatures(table(drift=0.5))
    assert found.counts["not_stationary"] == len(FRACTIONS)
    assert found.verdicts["noise_law"].status == NOT_ESTABLISHED
    assert not any("b=0.2" in key for key in found.estimates if key.startswith("T_"))
    assert "train loss changes by +40%" in str(found.to_dict()["not_stationary"])


def test_the_report_says_which_slope_it_quotes(result):
    content = temperature_content(result, ReportContext())
    assert "no single temperature" in content.answers[0].note
    assert "T_sec" in content.answers[0].note
    assert [figure.name for figure in draw_figures(content.figures)] == [
        "fluctuation-response", "temperatures", "width", "forest", "diagnostics",
    ]  # fmt: skip
    json.dumps(content.numbers, allow_nan=False)


def test_a_table_without_a_single_temperature_still_has_a_report():
    frame = table(drift=0.5).frame
    found = analyse_temperatures(TemperatureTable(frame[frame["active_fraction"] == 0.5].iloc[:1]))
    content = temperature_content(found, ReportContext())
    assert [figure.name for figure in draw_figures(content.figures)]
    assert content.answers[0].status == NOT_ESTABLISHED


def test_full_batch_without_a_bath_has_no_temperature():
    rng = np.random.default_rng(2)
    control = {"active_fraction": 1.0, "langevin_temperature": 0.0}
    rows = [temperature_row(seed, rng, **control) for seed in range(3)]
    rows = [{**row, "displacement": rows[0]["response"]} for row in rows]
    found = analyse_temperatures(TemperatureTable(pd.DataFrame(rows)))
    (reasons,) = found.to_dict()["not_stationary"].values()
    assert "full batch without a bath has no noise" in reasons[0]
    assert found.frame()["temperature_secant"].isna().all()


def test_replicas_that_have_not_fitted_are_marked(result):
    rng = np.random.default_rng(2)
    rows = [{**replica_row(s, rng, active_fraction=0.5), "train_loss": 0.02} for s in range(3)]
    found = analyse_temperatures(TemperatureTable(pd.DataFrame(rows)))
    (text,) = found.to_dict()["not_at_rest"].values()
    assert "not at rest: train loss 0.02 at time 30" in text
    assert text in str(temperature_content(found, ReportContext("x", "run")).tables)
    assert result.to_dict()["not_at_rest"] == {}


def test_agreement_within_large_errors_shows_nothing():
    rng = np.random.default_rng(2)
    rows = [
        temperature_row(seed, rng, method=method, active_fraction=b)
        for method in ("simulation", "mean_field")
        for seed, b in ((0, 0.5), (1, 0.5))
    ]
    for row in rows[1::2]:
        row["displacement"] = json.dumps([1.6 * x for x in json.loads(row["displacement"])])
    drifts = json.dumps({"train loss": [1.0, 1.0]})
    frame = pd.DataFrame([{**row, "drifts": drifts} for row in rows])
    verdict = analyse_temperatures(TemperatureTable(frame)).verdicts["theory_agrees"]
    assert verdict.status == NOT_ESTABLISHED
    assert "half of the errors exceed" in verdict.reason


def test_configurations_of_other_problems_keep_their_names():
    rows = table().frame
    other = rows[rows["active_fraction"] == 0.3].assign(loss="logistic")
    other["point"] += "logistic"
    both = pd.concat([rows.assign(loss="quadratic_hinge"), other])
    found = analyse_temperatures(TemperatureTable(both))
    assert (
        sum(key.startswith("T_secant") and "loss=logistic" in key for key in found.estimates) == 1
    )
    assert found.laws["T_sec,noise"].x.size == len(FRACTIONS)


def test_a_table_of_something_else_is_refused():
    with pytest.raises(ReadTableError, match="lacks the columns method"):
        TemperatureTable(pd.DataFrame({"point": [1], "seed": [0]}))
