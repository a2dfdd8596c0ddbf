"""A range that does not bracket T_c is extended once, inside the stable window, and remembered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from search_spaces import InvalidSettingError
from studies.extension import propose_extension
from studies.growth import check_growth
from studies.resolve import resolve_spec
from studies.spec import StudySpec
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
