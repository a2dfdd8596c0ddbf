"""A stored configuration measured again is equal to the last bit, and a changed one is noticed."""

import json
import re

import pytest

from studies.cli import _run

TINY = "temperature: [0.1, 1]\nbatch_size: 1\nn_train: [16, 32]\nn_seeds: 3\n"


@pytest.fixture
def study(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert _run(["run", "tiny.yaml", "--executor", "serial", "--no-tracking"]) == 0
    capsys.readouterr()
    return tmp_path / "runs/tiny"


def _points(study):
    lines = (study / "table.csv").read_text().splitlines()[1:]
    return sorted({line.split(",")[0] for line in lines})


def test_replay_is_equal_and_notices_a_changed_value(study, capsys):
    point = _points(study)[0]
    assert _run(["replay", str(study), point[:8]]) == 0
    printed = capsys.readouterr().out
    assert "equal to the last bit" in printed
    assert "\x1b[" not in printed
    assert _run(["replay", str(study), point, "--seed", "1", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["equal"]
    assert done["seeds"] == [1]
    ledger = study / "ledger.journal"
    ledger.write_text(re.sub(r'("weight_norm":\d+)\.', r"\g<1>9.", ledger.read_text()))
    assert _run(["replay", str(study), point]) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "differs: weight_norm"
    assert "differs for 3 of 3 seeds" in printed


def test_points_and_seeds_that_are_not_there(study, capsys):
    point = _points(study)[0]
    for arguments, sentence in (
        ([point[:3]], "give more characters, at least 4"),
        (["zzzz"], "no point 'zzzz' among the 4 measured ones"),
        ([point, "--seed", "7"], "seed 7 of"),
    ):
        assert _run(["replay", str(study), *arguments]) == 2
        assert sentence in capsys.readouterr().err


def test_cite_names_data_and_programs(study, capsys):
    assert _run(["cite", str(study)]) == 0
    printed = capsys.readouterr().out
    for key in ("sclocchi2023dissecting", "digits", "optuna", "sgd-thermometer"):
        assert f"{{{key}," in printed
    assert printed == (study / "references.bib").read_text()
    assert _run(["cite"]) == 0
    assert capsys.readouterr().out.startswith("@misc{sgd-thermometer,")


def test_several_studies_on_one_page(study, tmp_path, capsys):
    (tmp_path / "other.yaml").write_text(TINY + "alpha: 10\n")
    assert _run(["run", "other.yaml", "--executor", "serial", "--no-tracking"]) == 0
    capsys.readouterr()
    assert _run(["report", "runs/tiny", "runs/other/table.csv", "-o", "both"]) == 0
    assert capsys.readouterr().out == "both/report.html\n"
    page = (tmp_path / "both" / "report.html").read_text()
    assert "tiny against table" in page
    assert "fewer than two laws have an exponent" in page
    assert _run(["report", "runs/tiny", "runs/tiny"]) == 2
    assert "a study is named twice" in capsys.readouterr().err
