"""The page holds the answer, loads nothing, trusts nobody's strings; the numbers are strict."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.report import scaling_content, write_scaling_report
from analysis.report.content import ReportContext
from analysis.report.page import WriteReportError, render_page

HOSTILE = "<script>alert('1')</script>"


class Page(HTMLParser):
    """Collects tags, attributes and ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def values(self, *names: str) -> list[str]:
        return [value for _, name, value in self.attributes if name in names]


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, synthetic_study_of_16_seeds: pd.DataFrame
) -> Path:
    table = MeasurementTable.from_frame(synthetic_study_of_16_seeds)
    context = ReportContext(
        study=HOSTILE,
        command="thermometer run critical-temperature",
        spec_hash="abc123",
        counts_planned=1600,
        counts_failed=0,
        data_sentence="these 1797 images",
        environment={"host": HOSTILE},
        links={"docs": "https://example.org/", "bad": "javascript:alert(1)"},
    )
    result = analyse_scaling(table, n_bootstrap=200)
    return write_scaling_report(result, tmp_path_factory.mktemp("run"), context)


def test_files(written: Path) -> None:
    files = sorted(p.relative_to(written.parent).as_posix() for p in written.parent.rglob("*.*"))
    names = ("batch-sizes", "collapse", "companion-laws", "critical-temperature", "diagnostics")
    assert files == [
        *(f"figures/{name}.{kind}" for name in (*names, "stability") for kind in ("csv", "pdf")),
        "figures/test-error.csv",
        "figures/test-error.pdf",
        "figures/weight-change.csv",
        "figures/weight-change.pdf",
        "references.bib",
        "report.html",
        "report.json",
        "t_c.csv",
    ]
    assert written.stat().st_size < 3e6


def test_answer_is_on_the_page(written: Path) -> None:
    page = written.read_text()
    numbers = json.loads((written.parent / "report.json").read_text())
    a = numbers["estimates"]["a[lazy,c=0.1]"]
    assert f"a = {a['value']:.3f}(" in page
    for text in (
        "Power law: <strong>established</strong>",
        "conditional on these 1797 images",
        "T<sub>lazy</sub>(0.1)",
        "P = 64–1024, 5 sizes, 16 replicas per point",
        "only T = η/B matters: yes",
        "thermometer run critical-temperature",
        "exponent not determined: T<sub>lazy</sub>(0.2) is valid at 3 sizes",
        "Tc &gt; Tmax_stable at P=64: no crossing of relative_weight_change = 0.2",
    ):
        assert text in " ".join(page.split())
    assert page.count("<svg") == 8


def test_page_is_self_contained(written: Path) -> None:
    page = Page(written.read_text())
    assert "script" not in page.tags
    assert not {"link", "img", "iframe", "object", "embed", "image"} & set(page.tags)
    loads = [v for v in page.values("src", "xlink:href", "data", "srcset", "poster") if v]
    assert all(value.startswith("#") for value in loads)
    addresses = {value for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
    assert "https://example.org/" in addresses
    assert "https://doi.org/10.1038/s41586-020-2649-2" in addresses
    # Whatever is not an address of the web is a file beside the page.
    beside = {each for each in addresses if not each.startswith(("https://", "#"))}
    assert {"t_c.csv", "figures/stability.csv", "references.bib"} <= beside
    assert all((written.parent / address).is_file() for address in beside)
    assert not re.search(r"@import|url\((?!#)", written.read_text())


def test_every_figure_has_its_numbers(written: Path) -> None:
    numbers = json.loads((written.parent / "report.json").read_text())["estimates"]
    folder = written.parent / "figures"
    located = pd.read_csv(folder / "critical-temperature.csv")
    headline = located[(located["threshold"] == 0.1) & located["in_fit"]]
    a = numbers["a[lazy,c=0.1]"]["value"]
    slope = np.polyfit(np.log(headline["n_train"]), np.log(headline["fitted"]), 1)[0]
    assert slope == pytest.approx(-a, rel=1e-9)
    stability = pd.read_csv(folder / "stability.csv").set_index("exponent")
    assert stability.loc["a[lazy,c=0.1]", "value"] == pytest.approx(a)
    assert stability.loc["a[lazy,c=0.1,without P=64]", "low95"] < a
    change = pd.read_csv(folder / "weight-change.csv")
    assert len(change) == 5 * 16
    assert (change["n_fitted"] == 16).all()
    assert (change["stderr"] < 0.2 * change["relative_weight_change"]).all()
    collapse = pd.read_csv(folder / "collapse.csv")
    ratio = collapse["scaled_temperature"] / collapse["temperature"]
    exponent = np.log(ratio) / np.log(collapse["n_train"])
    assert exponent.to_numpy() == pytest.approx(numbers["a[collapse]"]["value"])
    companions = pd.read_csv(folder / "companion-laws.csv")
    assert 0 < companions["weight_change_in_fit"].sum() < len(companions)
    assert pd.read_csv(folder / "batch-sizes.csv")["ratio"].between(0.9, 1.15).all()
    assert pd.read_csv(folder / "test-error.csv")["test_error"].between(0, 1).all()


def test_methods_say_what_was_run(written: Path) -> None:
    page = " ".join(written.read_text().split())
    for text in (
        "multilayer perceptrons of 3 hidden layers of width 64 with relu units",
        "the hinge loss with margin 1",
        "the data set digits (these 1797 images)",
        "learned P = 64, 128, 256, 512, 1024 points with batches of B = 1, 4 at 16 temperatures",
        "16 seeds: 1600 runs of 1600 planned",
        "200 bootstrap samples of whole seeds",
        "The specification has the hash abc123",
    ):
        assert text in page


def test_references_inside_the_page_resolve(written: Path) -> None:
    page = Page(written.read_text())
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    used = {value[1:] for value in page.values("xlink:href")}
    used |= set(re.findall(r"url\(#([^)]+)\)", written.read_text()))
    assert used <= set(ids)


def test_hostile_strings_are_text(written: Path) -> None:
    assert HOSTILE not in written.read_text()
    assert written.read_text().count("&lt;script&gt;") >= 3


def test_numbers_are_strict_json(written: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    numbers = json.loads((written.parent / "report.json").read_text(), parse_constant=refuse)
    assert numbers["study"] == HOSTILE
    assert numbers["spec_hash"] == "abc123"
    assert numbers["counts"] == {
        "planned": 1600,
        "fitted": 1600,
        "censored": 0,
        "diverged": 0,
        "failed": 0,
    }
    for estimate in numbers["estimates"].values():
        assert set(estimate) == {
            "value",
            "stderr",
            "interval95",
            "n",
            "definition",
            "fit_range",
        }
        low, high = estimate["interval95"]
        assert low < estimate["value"] < high
    states = {"established", "not established", "contradicted"}
    assert {verdict["status"] for verdict in numbers["verdicts"].values()} <= states


def test_table_of_critical_temperatures(written: Path) -> None:
    with (written.parent / "t_c.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5 * 7
    lazy = [row for row in rows if (row["definition"], row["threshold"]) == ("lazy", "0.1")]
    assert [row["n_train"] for row in lazy] == ["64", "128", "256", "512", "1024"]
    assert all(
        float(row["bracket_low"]) < float(row["critical_temperature"]) < float(row["bracket_high"])
        for row in lazy
    )


def test_figures_are_the_same_every_time(
    tmp_path: Path, synthetic_table: Callable[..., pd.DataFrame]
) -> None:
    result = analyse_scaling(
        MeasurementTable.from_frame(
            synthetic_table(4).drop(columns=["training_time", "test_error"])
        ),
        thresholds=(0.1,),
        n_bootstrap=50,
    )
    one, other = (write_scaling_report(result, tmp_path / name) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("stop_reason", ["fitted", "diverged"])
def test_a_table_of_almost_nothing_gets_a_page(tmp_path: Path, stop_reason: str) -> None:
    frame = pd.DataFrame(
        {
            "n_train": [64, 128],
            "temperature": [0.1, 0.1],
            "relative_weight_change": [0.01, 0.02],
            "stop_reason": [stop_reason] * 2,
        }
    )
    result = analyse_scaling(MeasurementTable.from_frame(frame), n_bootstrap=50)
    page = write_scaling_report(result, tmp_path).read_text()
    assert "exponent not determined" in page
    assert "conditional on the data in this table" in page
    json.loads((tmp_path / "report.json").read_text())


def test_many_laws_are_all_in_the_tables(synthetic_table: Callable[..., pd.DataFrame]) -> None:
    few = (0.001, 0.03, 0.3, 1.0, 3.0)
    frame = pd.concat(
        [synthetic_table(2, temperatures=few).assign(data=f"set {k}<b>") for k in range(5)]
    )
    result = analyse_scaling(MeasurementTable.from_frame(frame), (0.1,), n_bootstrap=50)
    context = ReportContext()
    content = scaling_content(result, context)
    page = render_page(content, context, drawn=[])
    assert "Figures show the first 3 of 5 laws" in page
    assert "a[lazy,c=0.1,data=set 4&lt;b&gt;]" in page.replace(",<wbr>", ",")
    assert "<b>]" not in page
    names = [figure.name for figure in content.figures]
    assert "weight-change-data=set-0-b-" in names
    assert not [name for name in names if "set-3" in name]


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, synthetic_table: Callable[..., pd.DataFrame]
) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("in the way")
    result = analyse_scaling(MeasurementTable.from_frame(synthetic_table(1)), n_bootstrap=2)
    with pytest.raises(WriteReportError, match="cannot write the report to"):
        write_scaling_report(result, obstacle)
