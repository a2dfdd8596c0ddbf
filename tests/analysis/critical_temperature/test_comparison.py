"""Studies of equal exponents agree, studies of different ones do not, and both get a page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.comparison.report import comparison_content
from analysis.critical_temperature.comparison.study import CompareStudiesError, compare_scalings
from analysis.report.content import ReportContext
from analysis.report.page import write_report


@pytest.fixture(scope="module")
def results(synthetic_study_of_16_seeds: pd.DataFrame):
    frame = synthetic_study_of_16_seeds
    frame = frame[frame["batch_size"] == 1]
    steeper = frame.assign(
        alpha=10.0,
        relative_weight_change=frame["relative_weight_change"] * (frame["n_train"] / 64) ** 0.2,
    )
    parts = {
        "first": frame[frame["seed"] < 8],
        "same law": frame[frame["seed"] >= 8],
        "steeper <b>$": steeper[steeper["seed"] >= 8],
    }
    return {
        name: analyse_scaling(MeasurementTable.from_frame(part), (0.1,), n_bootstrap=200)
        for name, part in parts.items()
    }


def test_equal_laws_agree(results) -> None:
    comparison = compare_scalings({name: results[name] for name in ("first", "same law")})
    status, reason = comparison.verdict()
    assert status in ("established", "not established")
    assert "χ²" in reason
    assert comparison.p_value > 0.01
    pulls = [each.pull for each in comparison.departures if each.pull is not None]
    assert {each.quantity for each in comparison.departures} >= {"a[lazy,c=0.1]", "gamma", "b"}
    assert max(map(abs, pulls)) < 4.5


def test_different_laws_are_told_apart(results) -> None:
    comparison = compare_scalings(results)
    assert comparison.verdict()[0] == "contradicted"
    row = next(
        each
        for each in comparison.departures
        if each.quantity == "gamma" and each.label.startswith("steeper")
    )
    assert row.reference == "first"
    assert row.difference == pytest.approx(0.2, abs=0.03)
    base = results["first"].laws[0].companions.weight_change.size_exponent
    expected = (row.estimate.value - base.value) / math.hypot(row.estimate.stderr, base.stderr)
    assert row.pull == pytest.approx(expected)


def test_page(tmp_path: Path, results) -> None:
    comparison = compare_scalings(results)
    page = write_report(comparison_content(comparison), tmp_path, ReportContext(study="A, B"))
    text = " ".join(page.read_text().split())
    assert "Same exponent a: contradicted" in text
    assert "steeper &lt;b&gt;$" in text
    assert "<b>$" not in text
    assert text.count("<svg") == 2
    assert "α" in text
    assert set(pd.read_csv(tmp_path / "t_c.csv")["study"]) == set(results)
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["verdicts"]["equal_exponents"]["status"] == "contradicted"
    assert numbers["pulls"]["gamma of first"] is None


def test_one_law_is_no_comparison(results) -> None:
    with pytest.raises(CompareStudiesError, match="a comparison needs two"):
        compare_scalings({"first": results["first"]})
