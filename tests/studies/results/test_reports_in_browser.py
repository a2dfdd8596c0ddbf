"""The reports of all studies as people see them, from stored tables of small real studies.

The tables in tests/golden are those of the presets `quick` with fewer seeds and six digits; the
main study's report has tests of its own.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from browser import COLOURS
from page_checks import (
    EMPTY_PANELS,
    OVERFLOWING,
    SMALL_DRAWINGS,
    TABLES_CUT,
    TEXT_OUTSIDE_DRAWING,
)

from analysis.report.content import ReportContext
from analysis.report.page import write_report
from studies.experiments import load_experiment
from studies.kinds import KINDS

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
STORED = [name for name in KINDS.names() if name != "critical-temperature"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("reports")

    @cache
    def written(name: str) -> Path:
        table = folder / f"{name}.csv"
        pd.read_csv(GOLDEN / f"{name}.csv.gz").to_csv(table, index=False)
        kind = KINDS.load(name)
        result = kind.analyse(load_experiment(kind.experiment).read_table(table))
        context = ReportContext(study=name, command=f"thermometer run {name}")
        return write_report(kind.content(result, context), folder / name, context)

    return written


@pytest.fixture(params=STORED)
def page(request: pytest.FixtureRequest, browser, reports):
    path = reports(request.param)
    with browser.page() as opened:
        opened.open(path.as_uri())
        yield opened
        assert opened.complaints + opened.warnings == []


def test_report_on_screens_and_paper(page, axe: str) -> None:
    for scheme, rules in (("light", ()), ("dark", COLOURS)):
        page.show_as(scheme)
        for width in (1200, 400):
            page.resize(width)
            assert page.evaluate(OVERFLOWING) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(SMALL_DRAWINGS) == []
        assert page.serious_findings(axe, rules) == []
    assert page.evaluate(TEXT_OUTSIDE_DRAWING) == []
    assert page.evaluate(EMPTY_PANELS) == []
    # A4 between Chromium's margins of 1 cm: 190 mm at 96 dots per inch.
    page.resize(718)
    page.show_as("light", "print")
    assert page.evaluate(TABLES_CUT) == []
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(SMALL_DRAWINGS) == []


@pytest.mark.parametrize("name", STORED)
def test_every_figure_has_drawing_and_numbers(reports, name: str) -> None:
    folder = reports(name).parent / "figures"
    drawn = {path.stem for path in folder.glob("*.pdf")}
    assert drawn
    assert drawn == {path.stem for path in folder.glob("*.csv")}
    assert all(len(pd.read_csv(path)) > 0 for path in folder.glob("*.csv"))
    page = (folder.parent / "report.html").read_text(encoding="utf-8")
    numbers = [int(n) for n in re.findall(r"<strong>Figure (\d+)\.", page)]
    assert numbers == list(range(1, len(drawn) + 1))
