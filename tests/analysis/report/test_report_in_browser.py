"""The report as people see it: on a wide and a narrow screen, light, dark and printed."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from page_checks import OVERFLOWING, TABLES_CUT, TEXT_OUTSIDE_DRAWING

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.report import write_scaling_report
from analysis.report.content import ReportContext

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> ü ∂ </script> & 'quoted'"


@pytest.fixture(scope="module")
def report(
    tmp_path_factory: pytest.TempPathFactory, synthetic_study_of_16_seeds: pd.DataFrame
) -> Path:
    frame = synthetic_study_of_16_seeds
    table = MeasurementTable.from_frame(frame[frame["seed"] < 4])
    context = ReportContext(
        study=HOSTILE,
        question=HOSTILE,
        command=f"thermometer run {HOSTILE} " + "n_train=64," * 30,
        spec_hash="abc123",
        spec={"data": HOSTILE},
        data_sentence="these 1797 images",
        environment={"host": HOSTILE},
        date="2026-01-01 00:00 UTC",
        links={HOSTILE: "https://example.org/?a=<b>&c='d'", "bad": "javascript:alert(1)"},
    )
    folder = tmp_path_factory.mktemp("a # folder % of ü")
    return write_scaling_report(analyse_scaling(table, n_bootstrap=60), folder, context)


@pytest.fixture
def page(browser, report: Path):
    with browser.page() as opened:
        opened.open(report.as_uri())
        yield opened
        assert opened.complaints + opened.warnings == []


def test_content_is_there(page) -> None:
    text = page.evaluate("document.body.innerText")
    assert "Tlazy(0.1) = " in text
    assert "conditional on these 1797 images" in text
    assert page.evaluate("document.querySelectorAll('figure svg').length") == 8
    small = page.evaluate(
        "[...document.querySelectorAll('figure svg')]"
        ".map(s => s.getBoundingClientRect()).filter(b => b.width < 300 || b.height < 100).length"
    )
    assert small == 0


def test_hostile_strings_are_shown_and_never_run(page) -> None:
    assert page.evaluate("document.querySelector('h1').textContent") == HOSTILE
    assert page.evaluate("document.title").startswith("<img src=x")
    assert page.evaluate("document.querySelectorAll('img, script').length") == 0
    shown = page.evaluate("[...document.querySelectorAll('a')].map(a => [a.innerText, a.href])")
    assert [HOSTILE, "https://example.org/?a=%3Cb%3E&c=%27d%27"] in shown
    assert not any(href.startswith("javascript:") for _, href in shown)


@pytest.mark.parametrize("width", [1200, 700, 390])
def test_nothing_is_cut_off_on_a_screen(page, width: int) -> None:
    page.resize(width)
    assert page.evaluate(TEXT_OUTSIDE_DRAWING) == []
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_screen_is_dark_and_drawings_stay_on_white(page) -> None:
    def background(selector: str) -> list[int]:
        expression = f"getComputedStyle(document.querySelector('{selector}')).backgroundColor"
        return [int(part) for part in re.findall(r"\d+", page.evaluate(expression))[:3]]

    page.show_as("light")
    assert min(background("body")) > 240
    page.show_as("dark")
    assert max(background("body")) < 40
    assert min(background(".plate")) > 240


def test_paper_shows_every_column(page) -> None:
    # A4 between Chromium's margins of 1 cm: 190 mm at 96 dots per inch.
    page.resize(718)
    page.show_as("dark", "print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(TABLES_CUT) == []
    assert page.evaluate(OVERFLOWING) == []
    printed = page.pdf()
    assert printed.startswith(b"%PDF")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(page, axe: str, scheme: str) -> None:
    page.resize(390)
    page.show_as(scheme)
    assert page.serious_findings(axe) == []
