"""The figures of the house stay within their bounds (`python -m benchmarks.house` prints them)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import house

MOST_LINES = 46_975
"""Lower it with every change that takes lines away; never raise it."""
MOST_MODULES = 16
ROOT = Path(__file__).resolve().parent
NO_MIRROR = {"support", "golden"}
"""Folders of tests/ that hold what tests use."""
OWN_FOLDERS = {"studies/documentation", "studies/verification"}
"""Folders of tests of the whole, which mirror no package."""


@pytest.fixture(scope="module")
def graph():
    return house.import_graph()


def test_lines_only_fall():
    assert house.count_lines() <= MOST_LINES


def test_no_folder_is_crowded():
    assert {f: n for f, n in house.modules_per_folder().items() if n > MOST_MODULES} == {}


def test_nothing_imports_in_circles_or_upwards(graph):
    assert len(graph) > 300
    assert house.circles(graph) == []
    assert house.upward_imports(graph) == []


def test_a_circle_and_an_import_upwards_are_found():
    graph = {
        "analysis.a": {"analysis.b"},
        "analysis.b": {"analysis.a", "studies"},
        "studies": set(),
    }
    assert house.circles(graph) == [["analysis.a", "analysis.b"]]
    assert house.upward_imports(graph) == ["analysis.b -> studies"]


def test_tests_mirror_the_packages():
    packages = {path.parent.relative_to(house.ROOT) for path in house.modules().values()}
    folders = {path.parent.relative_to(ROOT) for path in ROOT.rglob("test_*.py")} - {Path(".")}
    strange = {f for f in folders if f not in packages and f.as_posix() not in OWN_FOLDERS}
    assert strange == set()
