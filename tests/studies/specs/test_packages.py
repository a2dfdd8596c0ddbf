"""A study of a user's package: found by its entry points, with no edit in this project."""

import json
import subprocess
import sys

import pytest

from studies.cli import _run
from studies.experiments import EXPERIMENTS
from studies.kinds import KINDS

PACKAGE = {
    "coins/__init__.py": "",
    "coins/tossing.py": '''
from search_spaces.grid import Setting
from search_spaces.numbers import positive_number
from studies.experiments.grid import GridExperiment


class Tossing(GridExperiment):
    """Tosses of a coin."""

    name = "tossing"
    axes = (Setting("bias", [0.2, 0.7], positive_number, "Probability of heads"),)
    shown = params = ("bias",)

    def check(self, spec, device="cpu", is_here=True):
        return "python"

    def measure(self, configuration, seeds, backend, device="cpu"):
        return [{"heads": (seed * 0.618034) % 1 < configuration["bias"]} for seed in seeds]

    def expected_seconds(self, configuration):
        return 1e-4

    def conditional_on(self, spec):
        return "this coin"
''',
    "coins/kind.py": """
from studies.contracts import Kind

KIND = Kind(
    experiment="tossing",
    analysis="coins.result:analyse",
    report="coins.result:content",
    compare="Look at: `bias`.",
    marks=("heads",),
)
""",
    "coins/result.py": """
from dataclasses import dataclass

from analysis.report.content import Answer, ReportContent


@dataclass
class Heads:
    share: float

    def headline(self):
        return f"{self.share:.3f} of all tosses were heads"

    def summary(self):
        return self.headline()

    def to_dict(self):
        return {"headline": self.headline(), "counts": {}, "estimates": {}, "verdicts": {}}


def analyse(table):
    return Heads(float(table["heads"].mean()))


def content(result, context):
    answer = Answer("established", result.headline())
    return ReportContent(
        title="Coins",
        numbers=result.to_dict(),
        answers=(answer,),
        figures=(),
        tables=(),
        conventions=(),
    )
""",
    "coins/coin-tosses.yaml": """
study: coin-tosses
kind: coin-tosses
title: Tosses of a coin
measures: the share of heads
question: Is the coin fair?
n_seeds: 10
presets: {quick: {n_seeds: 4}, standard: {}}
""",
    "coins-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: coins\nVersion: 1.0\n",
    "coins-1.0.dist-info/entry_points.txt": """
[sgd_thermometer.experiments]
tossing = coins.tossing:Tossing

[sgd_thermometer.kinds]
coin-tosses = coins.kind:KIND

[sgd_thermometer.recipes]
coin-tosses = coins
""",
}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return the folder of packages in which this one is installed, also for new processes."""
    for name, text in PACKAGE.items():
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
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
