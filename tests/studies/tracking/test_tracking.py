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
from studies.tracking.texts import describe, study_key
from studies.tracking.uri import note_store, noted_parent, noted_store, same_store

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
        subject = describe(StudyFolder(tmp_path / name), spec, store, "shared")
        assert subject.parents == ()
        runs, again = StudyRuns(subject), StudyRuns(subject)
        runs.open()
        parents.add(runs.ids["run_id"])
        again.open()
        assert again.ids == runs.ids
    assert len(parents) == len(names)
    assert len({study_key(StudyFolder(name)) for name in names}) == len(names)


def test_where_a_study_is_logged_survives_torn_lines(tmp_path):
    folder = StudyFolder(tmp_path)
    assert noted_store(folder) is None
    note_store(folder, "http://me:secret@host:5000", "x")
    note_store(folder, "http://me:secret@host:5000", "x", "parent")
    assert "secret" not in folder.tracked.read_text()
    note_store(folder, "sqlite:///other.db", "x", "of other")
    with folder.tracked.open("a") as file:
        file.write('{"store": "http://torn')
    note_store(folder, "http://host:5000/", "x")
    assert noted_store(folder) == ("http://host:5000/", "x")
    assert noted_parent(folder, "http://host:5000", "x") == "parent"
    assert noted_parent(folder, "sqlite:///other.db", "x") == "of other"
    assert noted_parent(folder, "http://host:5000", "y") == ""
    size = folder.tracked.stat().st_size
    note_store(folder, "http://host:5000/", "x")
    assert folder.tracked.stat().st_size == size
    assert same_store("http://me:a@host:5000", "http://you:b@host:5000/")


def test_a_folder_of_an_older_version_that_was_moved_is_not_logged_again(
    finished, tmp_path, capsys
):
    _, _, (parent,), nested = read(f"sqlite:///{finished}/mlflow.db")
    held = [(r.data.tags["thermometer.point"], r.info.run_id) for r in nested]
    folder = shutil.copytree(finished, tmp_path / "study")
    head = {"store": f"sqlite:///{tmp_path}/study/mlflow.db", "experiment": "tracked"}
    lines = [head, {**head, "parent": parent.info.run_id}]
    lines += [[point, run_id, n] for point, run_id in held for n in (0, 2)]
    lines += [{**head, "parent": parent.info.run_id, "afresh": True}, [*held[0], 2]]
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "tracked.jsonl").write_text(f'\n{text}\n["torn')
    (folder / "state.json").unlink()
    assert _run(["sync", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["configurations"] == 0
    _, _, (again,), now = read(f"sqlite:///{folder}/mlflow.db")
    assert again.info.run_id == parent.info.run_id
    assert {run.info.run_id for run in now} == {run.info.run_id for run in nested}
    assert _run(["sync", str(folder)]) == 0
    assert "nothing to upload" in capsys.readouterr().out
