"""Bad input gets one sentence and exit code 2, and nothing is written."""

import json
import subprocess
import sys

import pytest
from small_study import command_environment

from studies.cli import _run

STUDY = "critical-temperature"
TINY = "temperature: [0.1, 1]\nbatch_size: 1\nn_train: [16, 32]\nn_seeds: 1\n"


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rnu", STUDY], "did you mean 'run'"),
        (["run", "critical-temprature"], "did you mean 'critical-temperature'"),
        (["run", STUDY, "--wokers", "2"], "--workers"),
        (["run", STUDY, "alhpa=3"], "did you mean 'alpha'"),
        (["run", STUDY, "alpha"], "'alpha' is not key=value"),
        (["run", STUDY, "alpha=0"], "alpha=0 must be a positive finite number"),
        (["run", STUDY, "alpha=nan"], "must be a positive finite number"),
        (["run", STUDY, "temperature=-1"], "temperature=-1 must be"),
        (["run", STUDY, "batch_size=128"], "batch_size=128 exceeds n_train=64"),
        (["run", STUDY, "n_train=1500"], "exceed"),
        (["run", STUDY, "temperature=0.1", "learning_rate=0.5", "batch_size=4"], "contradict"),
        (["run", STUDY, "n_seeds=many"], "n_seeds='many' must be a whole number"),
        (["run", STUDY, "backend=nubma"], "did you mean 'numba'"),
        (["run", STUDY, "--preset", "papre"], "did you mean 'paper'"),
        (["run", STUDY, "--executor", "rai"], "allowed: ray, serial"),
        (["run", STUDY, "--address", "127.0.0.1:9"], "no Ray cluster answers at 127.0.0.1:9"),
        (["run", STUDY, "--address", "nonsense"], "is not HOST:PORT"),
        (["run", STUDY, "--tracking-uri", "http://127.0.0.1:9"], "no MLflow server answers"),
        (["run", STUDY, "--out", "/proc/nowhere/here"], "cannot write to /proc/nowhere/here"),
        (["run", STUDY, "--max-points", "0"], "max-points"),
        (["run", STUDY, "--memory", "lots"], "memory='lots' is not an amount of memory"),
        (["run", STUDY, "--memory", "2MB", "width=512"], "a worker may use 2 MB; raise --memory"),
        (["run", STUDY, "width=5000"], "GB, but a worker may use 512 MB"),
        (["run", STUDY, "loss=logistic", "scheme=jump"], "use scheme=sequential"),
        (["run", STUDY, "--max-hours", "nan"], "is not a number of hours"),
        (["run", STUDY, "--out", "a?b"], "contains '?', which MLflow's store cannot"),
        (["run", STUDY, "--out", "a%20b"], "contains '%', which MLflow's store cannot"),
        (["run", STUDY, "thresholds=[0.1,0.1]"], "repeats a value"),
        (["run", STUDY, "n_test=600.5"], "n_test=600.5 must be a whole number"),
        (["run", STUDY, "max_presentations=0"], "max_presentations=0 must be"),
        (["run", STUDY, "temperature=1e-300"], "is out of range; allowed: 1e-12 to 1e+30"),
        (["run", STUDY, f"n_train={'9' * 400}"], "is out of range"),
        (["run", STUDY, "temperature=log(0.1, 1, 1e12)"], "gives more than 10000 values"),
        (["run", STUDY, "alpha=2001-13-45"], "is not valid YAML"),
        (["run", STUDY, "alpha=" + "[" * 3000], "is not valid YAML"),
        (["run", STUDY, "--out", "x" * 300], "is not a usable folder"),
        (["run", STUDY, "--out", "~nobody-of-this-name/x"], "is not a usable folder"),
        (["run", STUDY, "--address", "127.0.0.1:99999"], "is not HOST:PORT"),
        (["run", STUDY, "--tracking-uri", "sqlite:///no/such/x.db"], "is not a folder"),
        (["run", STUDY, "--tracking-uri", "http://127.0.0.1:99999"], "is not valid"),
        (["run", STUDY, "--tracking-uri", "file:///x"], "is not http://HOST:PORT"),
        (
            ["run", STUDY, "--tracking-uri", "postgresql://me:secret@127.0.0.1:9/x"],
            "no MLflow server answers at 127.0.0.1:9",
        ),
        (["run", STUDY, "--dry-run", "backend=nubma"], "did you mean 'numba'"),
        (["run", STUDY, "--dry-run", "n_train=1500"], "exceed"),
        (
            ["run", STUDY, "sampler=optuna.samplers.GridSampler", "n_trials=3", "alpha=log(1,9)"],
            "cannot be made without arguments",
        ),
        (
            ["run", STUDY, "sampler=optuna.samplers.BruteForceSampler", "n_trials=3"],
            "cannot search this space",
        ),
        (["run", "missing.yaml"], "cannot read missing.yaml"),
        (
            ["run", STUDY, "sampler=tpe", "n_trials=3", "temperature=0.1", "n_train=64"],
            "has nothing to choose",
        ),
        (["run", STUDY, "sampler=no.such.Sampler", "n_trials=3", "alpha=log(1,9)"], "imported"),
        (["run", STUDY, "sampler=json.JSONDecoder", "n_trials=3", "alpha=log(1,9)"], "is not an"),
        (["status", "nowhere"], "does not exist"),
        (["status", "."], "is not a study's folder"),
        (["show", "."], "is not a study's folder"),
        (["report", "."], "is not a study's folder"),
        (["fit", "."], "is not a study's folder"),
        (["replay", ".", "0123"], "is not a study's folder"),
        (["cite", "."], "is not a study's folder"),
        (["ui", "."], "is not a study's folder"),
        (["fit", "missing.csv"], "missing.csv"),
    ],
)
def test_bad_input(in_folder, capsys, arguments, sentence):
    assert _run(arguments) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert captured.out == ""
    assert list(in_folder.iterdir()) == []


def test_foreign_files_are_never_overwritten(in_folder, capsys):
    (in_folder / "table.csv").write_text("mine")
    assert _run(["run", STUDY, "--out", "."]) == 2
    assert "holds other files and no study" in capsys.readouterr().err
    assert [p.name for p in in_folder.iterdir()] == ["table.csv"]
    assert (in_folder / "table.csv").read_text() == "mine"


def test_damaged_ledger_is_named_by_commands_that_only_read(in_folder, capsys):
    (in_folder / "tiny.yaml").write_text(TINY)
    assert _run(["run", "tiny.yaml", "--executor", "serial", "--no-tracking"]) == 0
    ledger = in_folder / "runs/tiny/ledger.journal"
    ledger.write_bytes(ledger.read_bytes().replace(b'"op_code":4', b'"op_co', 1))
    capsys.readouterr()
    for command in ("status", "show", "report"):
        assert _run([command, "runs/tiny"]) == 2
        assert "'thermometer run' on this folder mends it" in capsys.readouterr().err
    assert _run(["run", "tiny.yaml", "--executor", "serial", "--no-tracking"]) == 0
    assert _run(["status", "runs/tiny"]) == 0


@pytest.mark.parametrize("name", ["a b#c", "ü'\"&<>"])
def test_folder_names_reach_every_component_whole(in_folder, name):
    (in_folder / "tiny.yaml").write_text(TINY)
    assert _run(["run", "tiny.yaml", "--executor", "serial", "--out", f"x/{name}"]) == 0
    assert [p.name for p in (in_folder / "x").iterdir()] == [name]
    found = {p.name for p in (in_folder / "x" / name).iterdir()}
    assert {"mlflow.db", "mlartifacts", "table.csv", "report.html", "ledger.journal"} <= found
    assert {p.name for p in in_folder.iterdir()} == {"tiny.yaml", "x"}


def test_invalid_proposals_of_a_sampler_are_counted_not_awaited(in_folder, capsys):
    settings = ["sampler=random", "n_trials=8", "temperature=log(0.1, 1)", "n_seeds=1"]
    settings += ["n_train=[64,8]", "batch_size=[1,16]"]
    arguments = ["run", STUDY, *settings, "--executor", "serial", "--no-tracking", "--out", "x"]
    assert _run(arguments) == 0
    assert "proposals of the sampler were invalid" in capsys.readouterr().out
    assert _run(["status", "x"]) == 0


def test_folder_that_is_a_file(in_folder, capsys):
    (in_folder / "file").write_text("")
    assert _run(["run", STUDY, "--out", "file"]) == 2
    assert "is a file; --out needs a folder" in capsys.readouterr().err


def test_spec_of_another_study_in_the_folder(in_folder, capsys):
    (in_folder / "other.yaml").write_text(TINY)
    arguments = ["--executor", "serial", "--no-tracking", "--out", "here"]
    assert _run(["run", "other.yaml", *arguments]) == 0
    before = {p.name: p.read_bytes() for p in (in_folder / "here").iterdir() if p.is_file()}
    capsys.readouterr()
    assert _run(["run", STUDY, *arguments]) == 2
    assert "the folder holds the study 'other'" in capsys.readouterr().err
    after = {p.name: p.read_bytes() for p in (in_folder / "here").iterdir() if p.is_file()}
    assert after == before


def test_dry_run_writes_nothing(in_folder, capsys):
    assert _run(["run", STUDY, "--dry-run"]) == 0
    assert "100 configurations planned, 32 seeds each: 3200 trainings" in capsys.readouterr().out
    assert list(in_folder.iterdir()) == []


def test_list_names_every_study(capsys):
    assert _run(["list"]) == 0
    assert STUDY in capsys.readouterr().out
    assert _run(["list", "--json"]) == 0
    assert STUDY in [entry["study"] for entry in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    "command", ["run", "status", "show", "fit", "report", "replay", "ui", "cite", "list"]
)
def test_every_command_has_help(command, capsys):
    assert _run([command, "--help"]) == 0
    assert "Usage: thermometer" in capsys.readouterr().out


def test_help_loads_nothing_heavy():
    program = (
        "import sys; from studies.cli import _run; _run(['run', '--help']); "
        "heavy = {'ray', 'mlflow', 'optuna', 'torch', 'numba', 'pandas', 'scipy', 'sklearn'}; "
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_shell_completes_commands_and_studies(run_thermometer, tmp_path, monkeypatch):
    monkeypatch.setenv("_THERMOMETER_COMPLETE", "bash_complete")
    for words, position, expected in (
        ("thermometer re", "1", {"plain,report", "plain,replay"}),
        ("thermometer run crit", "2", {f"plain,{STUDY}"}),
    ):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", position)
        done = run_thermometer(tmp_path)
        assert set(done.stdout.split()) == expected, done.stderr


def test_bash_completes_through_the_script_it_is_given(tmp_path):
    """Bash sources click's script and asks it what follows ``thermometer run crit``."""
    (tmp_path / "thermometer").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m studies "$@"\n', encoding="utf-8"
    )
    (tmp_path / "thermometer").chmod(0o755)
    script = (
        'eval "$(_THERMOMETER_COMPLETE=bash_source thermometer)"; '
        "COMP_WORDS=(thermometer run crit); COMP_CWORD=2; "
        '_thermometer_completion thermometer; echo "${COMPREPLY[@]}"; complete -p thermometer'
    )
    environment = command_environment()
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    reply, registered = done.stdout.splitlines()
    assert reply == STUDY
    assert "_thermometer_completion" in registered


def test_a_run_closes_with_a_table_and_scripts_get_an_object(in_folder, capsys):
    (in_folder / "tiny.yaml").write_text(TINY)
    arguments = ["run", "tiny.yaml", "--executor", "serial", "--no-tracking"]
    assert _run(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "trainings  4 of 4 done: 4 fitted"
    assert lines[1].startswith("this run   4 trainings, ")
    assert lines[2].startswith("wall time  starting ")
    assert "table.csv, provenance.csv, report.html, report.json, figures in runs/tiny" in lines[-4]

    assert _run([*arguments, "n_seeds=2", "--json"]) == 0
    captured = capsys.readouterr()
    closing = json.loads(captured.out)
    assert closing["counts"] == {"fitted": 8}
    assert closing["trained"] == 4
    assert closing["trainings_per_second"] > 0
    assert list(closing["seconds"]) == ["starting", "training", "analysis", "MLflow", "report"]
    assert set(closing["files"]) >= {"table.csv", "report.html", "report.json", "figures"}
    for number in closing["numbers"].values():
        assert set(number) == {"value", "stderr", "interval95"}

    assert _run([*arguments, "n_seeds=2", "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert not any(line.startswith("trainings") for line in quiet.out.splitlines())
    assert quiet.err == ""


def test_status_counts_scans_and_is_silent_when_asked(in_folder, capsys):
    scans = "scans:\n  cold: {}\n  more: {n_seeds: 2, n_train: 16}\n"
    (in_folder / "tiny.yaml").write_text(TINY + scans)
    assert _run(["run", "tiny.yaml", "--executor", "serial", "--no-tracking", "--quiet"]) == 0
    capsys.readouterr()
    assert _run(["status", "runs/tiny", "--json"]) == 0
    now = json.loads(capsys.readouterr().out)
    assert now["parts"] == {
        "cold": {"done": 4, "planned": 4},
        "more": {"done": 4, "planned": 4},
    }
    assert now["rate"] is None  # nobody drives it
    assert _run(["status", "runs/tiny", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert _run(["fit", "runs/tiny", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert _run(["show", "runs/tiny", "--format", "csv", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert _run(["report", "runs/tiny", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["report"].endswith("report.html")
    assert "weight-change.pdf" in written["figures"]


def test_sigterm_within_a_finalizer_is_not_lost(tmp_path, run_thermometer):
    program = """
import os, signal, time
from studies.cli import _stop

class Closing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

signal.signal(signal.SIGTERM, _stop)
try:
    Closing()
    time.sleep(20)
except KeyboardInterrupt:
    print("stopped")
"""
    done = run_thermometer(tmp_path, program=program)
    assert (done.stdout, done.stderr) == ("stopped\n", "")
