"""What is logged, noted and uploaded: exactly once, whatever happened before."""

import contextlib
import json
import shutil
import subprocess
import sys
import time

import mlflow
import pytest
from small_study import command_environment

from search_spaces import SearchSpace
from studies import RunOptions, Study
from studies.cli import _run
from studies.folder import StudyFolder
from studies.tracking.runs import StudyRuns
from studies.tracking.texts import study_key
from studies.tracking.tracked import TrackedRuns, last_store
from studies.tracking.uri import same_store
from studies.tracking.values import ConfigurationResult

SPACE = SearchSpace(n_train=[16, 32], temperature=[0.1, 1.0], batch_size=1, n_seeds=2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a finished study in its own store, half of it measured in an earlier run."""
    folder = tmp_path_factory.mktemp("finished") / "it's"
    for limit in (5, None):
        study = Study("tracked", SPACE, folder)
        study.run(RunOptions(executor="serial", quiet=True, max_points=limit))
    return folder


def read(uri):
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("tracked")
    runs = client.search_runs([experiment.experiment_id])
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return client, experiment, [run for run in runs if run not in nested], nested


def test_the_store_of_a_study_continued_once(finished):
    client, experiment, (parent,), nested = read(f"sqlite:///{finished}/mlflow.db")
    assert len(nested) == 4
    assert {run.info.status for run in (parent, *nested)} == {"FINISHED"}
    for run in nested:
        assert len(client.get_metric_history(run.info.run_id, "test_error")) == 1
        assert run.data.tags["thermometer.n_seeds"] == "2"
        assert parent.info.run_id in run.data.tags["mlflow.note.content"]
    tags = parent.data.tags
    assert tags["thermometer.spec"] == Study.open(finished).spec.digest
    assert {"thermometer.commit", "thermometer.numpy", "thermometer.processor"} <= set(tags)
    assert "`temperature`" in tags["mlflow.note.content"]
    assert "`temperature`" in experiment.tags["mlflow.note.content"]


def test_the_parent_names_its_data(finished):
    _, _, (parent,), _ = read(f"sqlite:///{finished}/mlflow.db")
    (used,) = parent.inputs.dataset_inputs
    assert used.dataset.name == "digits"
    assert json.loads(used.dataset.profile) == {"num_rows": 1797, "num_features": 64}
    assert len(used.dataset.digest) == 16


def bytes_in(folder):
    """Count the bytes of files that may vanish meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0


def test_a_store_whose_creation_was_killed_is_created_again(finished, tmp_path):
    store = tmp_path / "new.db"
    program = "from studies.tracking.client import create_database; create_database({!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", program.format(f"sqlite:///{store}")], env=command_environment()
    )
    try:
        while bytes_in(tmp_path) < 400_000:
            assert process.poll() is None
            time.sleep(0.001)
    finally:
        process.kill()
        process.wait()
    assert not store.exists()
    folder = shutil.copytree(finished, tmp_path / "study")
    assert _run(["sync", str(folder), "--tracking-uri", f"sqlite:///{store}"]) == 0
    _, _, (parent,), nested = read(f"sqlite:///{store}")
    assert {run.info.status for run in (parent, *nested)} == {"FINISHED"}


def test_sync_to_a_second_store_uploads_everything_once(finished, tmp_path, capsys):
    folder = shutil.copytree(finished, tmp_path / "study")
    store = f"sqlite:///{tmp_path}/second.db"
    assert _run(["sync", str(folder), "--tracking-uri", store]) == 0
    assert "uploaded 4 configurations and the study's result" in capsys.readouterr().out
    client, _, (parent,), nested = read(store)
    assert {run.info.status for run in (parent, *nested)} == {"FINISHED"}
    _, _, (first,), _ = read(f"sqlite:///{finished}/mlflow.db")
    assert parent.data.metrics == first.data.metrics
    # What goes wrong in stores: a run deleted, one left open, one there twice.
    client.delete_run(nested[0].info.run_id)
    client.update_run(nested[1].info.run_id, status="RUNNING")
    tags = {key: nested[2].data.tags[key] for key in ("mlflow.parentRunId", "thermometer.point")}
    client.create_run(parent.info.experiment_id, tags=tags)
    assert _run(["sync", str(folder), "--tracking-uri", store]) == 0
    assert "uploaded 2 configurations" in capsys.readouterr().out
    client, _, (parent,), nested = read(store)
    assert len(nested) == 4
    assert {run.info.status for run in (parent, *nested)} == {"FINISHED"}
    for run in nested:
        assert len(client.get_metric_history(run.info.run_id, "test_error")) == 1
    assert _run(["sync", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["configurations"] == 0


def test_sync_of_a_study_that_is_not_complete(tmp_path, capsys):
    study = Study("tracked", SPACE, tmp_path / "study")
    study.run(RunOptions(executor="serial", tracking=False, quiet=True, max_points=3))
    assert _run(["sync", str(tmp_path / "study")]) == 0
    store = f"sqlite:///{tmp_path}/study/mlflow.db"
    _, _, (parent,), nested = read(store)
    assert parent.info.status == "KILLED"
    assert {run.info.status for run in nested} == {"FINISHED"}
    assert sum(int(run.data.tags["thermometer.n_seeds"]) for run in nested) == 3
    capsys.readouterr()
    assert _run(["sync", str(tmp_path / "study")]) == 0
    assert "nothing to upload" in capsys.readouterr().out
    Study.open(tmp_path / "study").run(RunOptions(executor="serial", quiet=True))
    _, _, (parent,), nested = read(store)
    assert len(nested) == 4
    assert {run.info.status for run in (parent, *nested)} == {"FINISHED"}
    assert {run.data.tags["thermometer.n_seeds"] for run in nested} == {"2"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sync", "nowhere"], "does not exist"),
        (["sync", "{}", "--tracking-uri", "http://127.0.0.1:9"], "no MLflow server answers"),
        (["sync", "{}", "--tracking-uri", "postgresql://me:***@h/x"], "password"),
    ],
)
def test_sync_refuses_in_one_sentence(finished, capsys, arguments, message):
    assert _run([each.format(finished) for each in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_studies_that_differ_by_a_quote_have_parents_of_their_own(finished, tmp_path):
    store, parents = f"sqlite:///{tmp_path}/shared.db", set()
    spec = Study.open(finished).spec
    names = ("a b", "a'b", 'a"b', "a`b", "a\\b", "a%b", "a%27b", "ab")
    for name in names:
        runs = StudyRuns(StudyFolder(tmp_path / name), spec, store, "shared")
        runs.tracked = TrackedRuns(tmp_path / f"{len(parents)}.jsonl", store, "shared")
        runs.open()
        parents.add(runs.ids["run_id"])
        again = StudyRuns(StudyFolder(tmp_path / name), spec, store, "shared")
        again.tracked = TrackedRuns(tmp_path / "nothing.jsonl", store, "other")
        again.open()
        assert again.ids == runs.ids
        (tmp_path / "nothing.jsonl").unlink()
    assert len(parents) == len(names)
    assert len({study_key(StudyFolder(name)) for name in names}) == len(names)


def test_the_list_of_runs_survives_torn_lines(tmp_path):
    path = tmp_path / "tracked.jsonl"
    held = TrackedRuns(path, "http://me:secret@host:5000", "x")
    held.begin("parent")
    held.note("p1", "r1", 0)
    held.note("p1", "r1", 4)
    held.note("p2", "r2", 4)
    assert "secret" not in path.read_text()
    path.write_bytes(path.read_bytes()[:-5])
    again = TrackedRuns(path, "http://host:5000/", "x")
    assert (again.parent, again.runs) == ("parent", {"p1": ("r1", 4)})
    again.note("p3", "r3", 4)
    third = TrackedRuns(path, "http://host:5000/", "x")
    assert third.runs == {"p1": ("r1", 4), "p3": ("r3", 4)}
    third.replace({"p9": ("r9", 1)})
    assert TrackedRuns(path, "http://host:5000", "x").runs == {"p9": ("r9", 1)}
    assert TrackedRuns(path, "http://other:5000", "x").runs == {}
    assert TrackedRuns(path, "http://host:5000", "y").parent == ""
    assert last_store(path) == ("http://host:5000/", "x")
    assert same_store("http://me:a@host:5000", "http://you:b@host:5000/")


def test_a_run_whose_creation_was_not_answered_is_found_again(finished, tmp_path):
    folder = StudyFolder(shutil.copytree(finished, tmp_path / "study"))
    runs = StudyRuns(folder, folder.read_spec(), f"sqlite:///{tmp_path}/x.db", "tracked")
    runs.open()
    result = ConfigurationResult("p", "a run", 2, {"n_train": "16"}, {"test_error": 0.1})
    # As if the answer had been lost: the store has the run, the folder does not know it.
    runs._create(result)
    runs.tracked.runs.clear()
    runs._unsure.add("p")
    assert runs.log_configuration(result)
    assert not runs.log_configuration(result)
    _, _, _, (only,) = read(f"sqlite:///{tmp_path}/x.db")
    assert (only.info.status, only.data.metrics) == ("FINISHED", {"test_error": 0.1})
