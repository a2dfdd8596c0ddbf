"""A range that does not bracket T_c is extended once, inside the stable window, and remembered."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, analyse_scaling
from search_spaces import InvalidSettingError
from search_spaces import space as spaces
from studies.plans.extension import propose_extension
from studies.specs.growth import check_growth
from studies.specs.resolve import resolve_spec
from studies.specs.spec import StudySpec
from studies.study import RunOptions, Study

STUDY = "critical-temperature"


def resolve(**settings):
    plain = {"comparison_batch_size": None, "comparison_temperature": None, "n_train": [64, 256]}
    return resolve_spec(STUDY, {**plain, **settings})


def measured(spec, exponent=0.9):
    """Rows of dw = 0.1 (T/T_c)^exponent without noise, T_c = 4.8 P^-1/3."""
    return [
        {
            **point.columns(),
            "seed": seed,
            "stop_reason": "fitted",
            "relative_weight_change": 0.1
            * (point.temperature / (4.8 * point.n_train ** (-1 / 3))) ** exponent,
        }
        for point, seeds in spec.planned()
        for seed in seeds
    ]


@pytest.mark.parametrize(
    ("temperature", "exponent", "added"),
    [
        ("log(0.1, 1.0, 4)", 0.9, {64: [1.77828]}),
        ("log(0.1, 0.562341, 4)", 0.9, {64: [1.0, 1.77828], 256: [1.0, 1.77828]}),
        ("log(1.0, 1.77828, 4)", 0.9, {256: [0.562341, 0.316228]}),
        # Beyond the stable window there is nothing to add, nor on a plateau above c.
        ("log(0.1, 1.77828, 4)", 0.5, {}),
        ("log(0.000316228, 0.01, 4)", -0.01, {}),
        ("log(0.01, 0.1, 4)", 5.0, {64: [0.177828, 0.316228], 256: [0.177828, 0.316228]}),
    ],
)
def test_two_steps_beyond_the_end_inside_the_window(temperature, exponent, added):
    spec = resolve(temperature=temperature, n_seeds=2)
    assert spec.may_extend
    found = propose_extension(spec.space, 0.1, measured(spec, exponent))
    assert {entry["n_train"]: entry["temperature"] for entry in found} == added


def test_what_is_listed_or_examined_is_left_alone():
    assert not resolve(temperature=[0.1, 0.3]).may_extend
    assert not resolve(temperature="log(0.1, 1)", extension=[]).may_extend
    assert not resolve(design="adaptive", temperature="log(0.1, 1)").may_extend
    spec = resolve()
    assert spec.may_extend
    assert propose_extension(spec.space, 0.1, measured(spec, 0.2)) == ()


def censored(rows, n_lost, above):
    """The same rows, the first seeds above a temperature out of budget."""
    lost = {"stop_reason": "step_budget"}
    return [
        {**row, **(lost if row["temperature"] > above and row["seed"] < n_lost else {})}
        for row in rows
    ]


@pytest.mark.parametrize(
    ("n_lost", "above", "again"),
    [
        # T_lazy(0.1) is 1.2 at P = 64 and 0.756 at P = 256.
        (2, 0.8, {64: [1.0, 1.77828], 256: [1.0]}),
        (2, 1.1, {64: [1.77828]}),
        (2, 0.5, {64: [1.0, 1.77828], 256: [0.562341, 1.0]}),
        # Every run above the last stable temperature: the bracket has no upper end.
        (8, 1.1, {64: [1.77828]}),
        (0, 0.5, {}),
        # Outside of the bracket a censored run decides nothing.
        (2, 1.5, {64: [1.77828]}),
        (2, 1.8, {}),
    ],
)
def test_a_censored_bracket_gets_four_times_the_budget(n_lost, above, again):
    spec = resolve(n_seeds=8)
    found = propose_extension(spec.space, 0.1, censored(measured(spec), n_lost, above))
    assert {entry["n_train"]: entry["temperature"] for entry in found} == again
    assert all(entry["budget_factor"] == 4 for entry in found)
    given = resolve(n_seeds=8, max_presentations=5000)
    assert propose_extension(given.space, 0.1, censored(measured(given), n_lost, above)) == ()


def test_a_single_run_of_the_bracket_that_used_up_its_budget_is_enough():
    """One of 64 does not refuse T_c, but it is repeated all the same."""
    spec = resolve(n_seeds=64)
    rows = censored(measured(spec), 1, 1.1)
    table = MeasurementTable.from_frame(pd.DataFrame(rows))
    located = analyse_scaling(table, (0.1,), n_bootstrap=20).laws[0].lazy[0.1].points
    assert {point.status for point in located} == {"located"}
    assert "Tc upper side censored: 1 of 128 runs in the bracket" in located[0].message
    (found,) = propose_extension(spec.space, 0.1, rows)
    assert found == {"n_train": 64, "temperature": [1.77828], "budget_factor": 4}


def test_a_larger_budget_is_another_point_and_the_longer_run_counts():
    before = resolve(n_seeds=8)
    rows = censored(measured(before), 2, 1.1)
    extension = propose_extension(before.space, 0.1, rows)
    after = StudySpec.from_plain({**before.to_plain(), "extension": list(extension)})
    assert StudySpec.from_plain(after.to_plain()).to_plain() == after.to_plain()
    check_growth(before, after)
    [longer] = set(after.points()) - set(before.points())
    without = {replace(point, max_presentations=1): point for point in before.points()}
    shorter = without[replace(longer, max_presentations=1)]
    assert longer.max_presentations == 4 * shorter.max_presentations
    assert longer.identity != shorter.identity
    table = MeasurementTable.from_frame(pd.DataFrame(rows))
    refused = analyse_scaling(table, (0.1,), n_bootstrap=20).laws[0].lazy[0.1].points[0]
    assert refused.status == "Tc upper side censored"
    assert "a larger max_presentations" in refused.message
    whole = pd.DataFrame([*rows, *(r for r in measured(after) if r["point"] == longer.identity)])
    table = MeasurementTable.from_frame(whole)
    assert (len(table.frame), table.n_repeated) == (len(rows), 8)
    found = analyse_scaling(table, (0.1,), n_bootstrap=20).laws[0].lazy[0.1].points[0]
    assert found.value == pytest.approx(4.8 * 64 ** (-1 / 3), rel=1e-6)


def test_a_bracket_that_used_up_the_larger_budget_too_stays_refused():
    before = resolve(n_seeds=8)
    rows = censored(measured(before), 2, 1.1)
    extension = propose_extension(before.space, 0.1, rows)
    after = StudySpec.from_plain({**before.to_plain(), "extension": list(extension)})
    table = MeasurementTable.from_frame(pd.DataFrame(censored(measured(after), 2, 1.1)))
    refused = analyse_scaling(table, (0.1,), n_bootstrap=20).laws[0].lazy[0.1].points[0]
    assert refused.status == "Tc upper side censored"
    # There is no third budget.
    assert not after.may_extend


@pytest.mark.apart
def test_a_run_repeats_a_censored_bracket_once(tmp_path, monkeypatch):
    """The quadratic hinge creeps to its margin: cold runs of a small budget are cut short.

    At 0.316, the lower end of the bracket of P = 32, eight seeds take from 3e3 to 1e4
    presentations and more, and the budget is 6641, so that some are cut and some are not,
    whatever the last bits of a processor.
    """
    default = spaces._default_budget
    monkeypatch.setattr(spaces, "_default_budget", lambda *settings: default(*settings) // 4)
    spec = resolve(
        loss="quadratic_hinge", width=16, depth=1, alpha=1, n_train=[16, 32],
        temperature="log(0.1, 1.0, 4)", thresholds=[0.145], n_seeds=8,
    )  # fmt: skip
    serial = RunOptions(executor="serial", tracking=False, quiet=True)
    trained = Study(STUDY, spec, tmp_path).run(serial).trained
    extension = Study.open(tmp_path).spec.extension
    assert trained == 2 * 5 * 8 + 8 * sum(len(entry["temperature"]) for entry in extension)
    (again,) = (entry for entry in extension if entry["n_train"] == 32)
    assert again["budget_factor"] == 4
    table = pd.read_csv(tmp_path / "table.csv")
    at_ends = (table["n_train"] == 32) & table["temperature"].isin(again["temperature"])
    both = pd.concat(
        shorter_and_longer(bracket) for _, bracket in table[at_ends].groupby("temperature")
    )
    fitted = both["stop_reason_x"] == "fitted"
    assert 0 < fitted.sum() < len(both)
    assert ((both["n_presentations_x"] == both["n_presentations_y"]) == fitted).all()
    same = both[fitted]
    assert (same["relative_weight_change_x"] == same["relative_weight_change_y"]).all()
    counts = json.loads((tmp_path / "report.json").read_text())["counts"]
    assert counts["planned"] == 2 * 5 * 8 == sum(counts.values()) - counts["planned"]
    before = (tmp_path / "table.csv").read_bytes()
    assert Study(STUDY, spec, tmp_path).run(serial).trained == 0
    assert (tmp_path / "table.csv").read_bytes() == before


def shorter_and_longer(bracket):
    """Pair the runs of one temperature by seed; columns of the smaller budget end with _x."""
    shorter, longer = (rows for _, rows in bracket.groupby("max_presentations"))
    return shorter.merge(longer, on="seed")


def test_an_extension_is_part_of_the_plan():
    before = resolve(temperature="log(0.1, 1.0, 4)", n_seeds=3)
    plain = {**before.to_plain(), "extension": [{"n_train": 64, "temperature": [1.77828]}]}
    after = StudySpec.from_plain(plain)
    assert after.n_trainings() == before.n_trainings() + 3
    assert StudySpec.from_plain(after.to_plain()).to_plain() == after.to_plain()
    check_growth(before, after)
    with pytest.raises(InvalidSettingError, match="extension="):
        check_growth(after, before)
    with pytest.raises(InvalidSettingError, match="must be a list of curves"):
        StudySpec.from_plain({**plain, "extension": 3})


@pytest.mark.apart
def test_a_run_extends_once_and_resumes_to_the_same_table(tmp_path):
    """T_lazy(0.1) is 1.4, 1.2, 0.95, 0.75 at these sizes: all above the range."""
    spec = resolve(
        n_train=[32, 64, 128, 256], temperature="log(0.0562341, 0.562341, 4)", n_seeds=3
    )
    serial = RunOptions(executor="serial", tracking=False, quiet=True)
    n = 4 * 3 * (5 + 2)
    assert Study(STUDY, spec, tmp_path / "whole").run(serial).trained == n
    table = pd.read_csv(tmp_path / "whole/table.csv")
    assert np.unique(table["temperature"])[-2:].tolist() == [1.0, 1.77828]
    limited = replace(serial, max_points=4 * 3 * 5 + 7)
    partly = Study(STUDY, spec, tmp_path / "broken").run(limited)
    assert partly.trained < n
    assert not partly.is_complete
    done = Study.open(tmp_path / "broken").run(serial)
    assert done.trained == n - partly.trained
    assert done.headline.startswith("T_lazy(0.1) = ")
    assert (tmp_path / "broken/table.csv").read_bytes() == (
        tmp_path / "whole/table.csv"
    ).read_bytes()
    assert Study(STUDY, spec, tmp_path / "whole").run(serial).trained == 0
