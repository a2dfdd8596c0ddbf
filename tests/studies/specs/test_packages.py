"""A study of a user's package: found by its entry points, with no edit in this project."""

import json
import subprocess
import sys

import pytest
from followed import files_of, install

from studies.cli import _run
from studies.experiments import EXPERIMENTS
from studies.kinds import KINDS

PACKAGE = files_of("study")
"""The package of docs/contributing/study.md."""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return the folder of packages in which this one is installed, also for new processes."""
    install(PACKAGE, tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    for registry in (KINDS, EXPERIMENTS):
        monkeypatch.setattr(registry, "_loaded", {})
    yield tmp_path / "site"
    for name in [name for name in sys.modules if name.partition(".")[0] == "coins"]:
        del sys.modules[name]


@pytest.fixture
def thermometer(site, capsys):
    """Return what calls the command line and returns what it says."""

    def call(*arguments, code=0):
        assert _run(arguments) == code
        said = capsys.readouterr()
        return said.out + said.err

    return call


RUN = ("run", "coin-tosses", "--executor", "serial", "--no-tracking")


def test_a_study_of_a_package(thermometer, tmp_path):
    assert "coin-tosses\n  the share of heads\n  presets: quick, standard\n" in thermometer("list")
    assert "bias=[0.2, 0.7]\n  Probability of heads\n" in thermometer("settings", "coin-tosses")
    assert "8 trainings" in thermometer(*RUN, "--preset", "quick", "--dry-run")
    assert json.loads(thermometer(*RUN, "--preset", "quick", "--json"))["done"] == 8
    thermometer(*RUN, "n_seeds=10")
    status = json.loads(thermometer("status", "runs/coin-tosses", "--json"))
    assert (status["done"], status["counts"]) == (20, {"measured": 20})
    folder = tmp_path / "runs" / "coin-tosses"
    assert thermometer("fit", str(folder), "--quiet") == "0.450 of all tosses were heads\n"
    assert "0.450" in thermometer("fit", str(folder / "table.csv"), "--quiet")
    thermometer("report", str(folder), "--quiet")
    assert "0.450 of all tosses were heads" in (folder / "report.html").read_text()
    thermometer("report", str(folder / "table.csv"), "-o", "page", "--quiet")
    assert "Is the coin fair?" in (tmp_path / "page" / "report.html").read_text()


def test_a_process_of_its_own_finds_the_package(site, tmp_path):
    command = [sys.executable, "-m", "studies", *RUN, "--preset", "quick", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["done"] == 8


def test_a_package_that_cannot_be_loaded_is_one_sentence(thermometer, site):
    (site / "coins" / "kind.py").write_text("import nothing_of_this_name\n")
    said = thermometer(*RUN, code=2)
    assert said.startswith("thermometer: kind=coin-tosses of coins.kind:KIND cannot be loaded: ")
