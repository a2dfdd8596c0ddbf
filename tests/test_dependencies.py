"""What is imported is declared, what is declared is imported, bounds are where they must be."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("analysis", "search_spaces", "studies", "trainers")
OURS = {*PACKAGES, "benchmarks", "tests", "whatever"}
OURS |= {path.stem for path in (ROOT / "tests" / "support").glob("*.py")}
EXTRAS = {
    **dict.fromkeys(PACKAGES, ()),
    "tests": ("cluster", "test", "docs"),
    "benchmarks": ("bench", "test"),
    "docs": ("docs", "test"),
    "examples": (),
}
"""Folders, and the extras whose dependencies they may import beside those of all."""


def distribution_name(text: str) -> str:
    """Return the name in a requirement, as distributions are compared."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", text)[0]).lower()


@cache
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared(*extras: str) -> set[str]:
    """Return the names of the dependencies, those of extras included."""
    own = project()["optional-dependencies"]
    requirements = [*project()["dependencies"], *(text for name in extras for text in own[name])]
    return {distribution_name(text) for text in requirements}


@cache
def imported(folder: str) -> frozenset[str]:
    """Return the modules from elsewhere that the files of a folder import, wherever they do."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return frozenset(found - OURS - set(sys.stdlib_module_names))


def providers(module: str) -> set[str]:
    """Return the distributions that install a module."""
    found = packages_distributions().get(module, [module])
    return {distribution_name(name) for name in found}


@pytest.mark.parametrize("folder", EXTRAS)
def test_every_import_is_declared(folder):
    allowed = declared(*EXTRAS[folder])
    missing = {module for module in imported(folder) if not providers(module) & allowed}
    assert not missing, f"{folder} imports what pyproject.toml does not declare: {missing}"


def test_every_dependency_is_imported():
    used = set().union(*(providers(m) for package in PACKAGES for m in imported(package)))
    assert declared() - used == set()


def test_every_dependency_has_a_lower_bound_and_private_parts_an_upper_one():
    for text in project()["dependencies"]:
        assert ">=" in text, text
    bounded = {distribution_name(t) for t in project()["dependencies"] if ",<" in t}
    # numba: dispatcher._cache, FunctionCache._index_key, _nrt; Optuna: its journal and tables.
    assert {"numba", "optuna", "mlflow", "ray", "sqlalchemy"} <= bounded
