"""The process that uploads: what it leaves is there once, whoever is killed, and when."""

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import mlflow
import pytest
from small_study import command_environment

from search_spaces import SearchSpace
from studies.folder import StudyFolder
from studies.specs.spec import StudySpec
from studies.tracking.runs import StudyRuns
from studies.tracking.texts import describe
from studies.tracking.tracker import MlflowTracker
from studies.tracking.values import ConfigurationResult, StudyResult

SPACE = SearchSpace(n_train=[16], temperature=[0.1], batch_size=1, n_seeds=2)
SPEC = StudySpec.from_plain({"study": "uploads", **SPACE.to_plain()})
RESULT = ConfigurationResult(
    "point", "P=16 <T>", 2, {"n_train": "16"}, {"x": 0.1, "y": math.inf, "z": math.nan}
)


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A store that has its tables; to make them takes seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(empty_store, tmp_path):
    return f"sqlite:///{shutil.copy(empty_store, tmp_path)}"


@pytest.fixture
def folder(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    folder.create()
    return folder


def opened(folder, uri):
    runs = StudyRuns(describe(folder, SPEC, uri))
    runs.open()
    return runs


def tracker_of(folder, uri):
    return MlflowTracker(describe(folder, SPEC, uri), folder)


def results(n):
    return [replace(RESULT, identity=f"p{k}", metrics={"x": k / 100}) for k in range(n)]


def assert_once(uri, n_runs):
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("uploads").experiment_id
    found = client.search_runs([experiment])
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    nested = [run for run in found if run not in parents]
    assert len(parents) == 1
    assert len(nested) == len({run.data.tags["thermometer.point"] for run in nested}) == n_runs
    assert {run.info.status for run in nested} == {"FINISHED"}
    for run in nested:
        assert run.data.params == {"n_train": "16"}
        assert len(client.get_metric_history(run.info.run_id, "x")) == 1


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_holds_what_it_was_given(folder, uri):
    runs = opened(folder, uri)
    assert runs.log_configuration(RESULT)
    assert not runs.log_configuration(RESULT)
    client = mlflow.MlflowClient(tracking_uri=uri)
    (found,) = client.search_runs(
        [runs.ids["experiment_id"]], "tags.`thermometer.point` = 'point'"
    )
    assert (found.info.status, found.info.run_name) == ("FINISHED", "P=16 <T>")
    assert found.data.params == {"n_train": "16"}
    assert found.data.metrics["x"] == 0.1
    assert found.data.metrics["y"] > 1e308
    assert math.isnan(found.data.metrics["z"])
    assert found.data.tags["thermometer.n_seeds"] == "2"
    assert found.data.tags["mlflow.parentRunId"] == runs.ids["run_id"]


def test_each_step_that_was_not_answered_is_repeated_without_harm(folder, uri, monkeypatch):
    runs = opened(folder, uri)
    for step in ("create_run", "log_batch", "set_terminated"):
        result = replace(RESULT, identity=step, metrics={"x": 0.5})
        real = getattr(mlflow.MlflowClient, step)

        def unanswered(*arguments, real=real, step=step, **named):
            real(*arguments, **named)
            monkeypatch.setattr(mlflow.MlflowClient, step, real)
            raise ConnectionError("the answer is lost")

        monkeypatch.setattr(mlflow.MlflowClient, step, unanswered)
        with pytest.raises(ConnectionError):
            runs.log_configuration(result)
        assert runs.log_configuration(result) == (step != "set_terminated")
        assert not opened(folder, uri).log_configuration(result)
    assert_once(uri, 3)


def test_a_configuration_that_grew_is_logged_as_it_is_now(folder, uri):
    runs = opened(folder, uri)
    assert runs.log_configuration(replace(RESULT, n_seeds=4, metrics={"x": 0.2}))
    again = opened(folder, uri)
    assert again.held == {"point": 4}
    assert again.log_configuration(replace(RESULT, n_seeds=8, metrics={"x": 0.3}))
    client = mlflow.MlflowClient(tracking_uri=uri)
    (found,) = client.search_runs(
        [runs.ids["experiment_id"]], "tags.`thermometer.point` = 'point'"
    )
    assert found.data.tags["thermometer.n_seeds"] == "8"
    history = client.get_metric_history(found.info.run_id, "x")
    assert [each.value for each in history] == [0.2, 0.3]


def test_an_uploader_that_is_killed_is_started_again(folder, uri, caplog):
    tracker = tracker_of(folder, uri)
    for result in results(40):
        tracker.log(result)
    for held in ("p2", "p12"):
        wait_until(lambda held=held: tracker.exchange() or tracker.holds(held, 2))
        os.kill(tracker._process.pid, signal.SIGKILL)
    assert "run_id" in tracker.finish(StudyResult("all", {"a": 0.3}, "note", ()))
    assert caplog.messages == []
    assert_once(uri, 40)


def test_a_sweep_outlives_an_uploader_that_is_killed_ever_again(folder, uri, caplog):
    tracker = tracker_of(folder, uri)
    tracker.log(RESULT)
    for _ in range(3):
        killed = tracker._process
        killed.kill()
        wait_until(lambda killed=killed: tracker.exchange() or killed.returncode is not None)
    tracker.log(replace(RESULT, identity="later"))
    start = time.monotonic()
    assert "run_id" not in tracker.settle()
    assert "run_id" not in tracker.finish(StudyResult("all", {}, "note", ()))
    assert time.monotonic() - start < 1
    (message,) = caplog.messages
    assert "the process that uploads ended" in message
    assert "thermometer sync" in message


def test_an_uploader_that_hangs_is_left_alone(folder, uri, caplog, monkeypatch):
    monkeypatch.setattr("studies.tracking.tracker._SILENCE", 1.0)
    tracker = tracker_of(folder, uri)
    wait_until(lambda: tracker.exchange() or "run_id" in tracker.ids)
    os.kill(tracker._process.pid, signal.SIGSTOP)
    start = time.monotonic()
    for result in results(2000):  # more than a pipe holds
        tracker.log(result)
        tracker.exchange()
    assert time.monotonic() - start < 5
    assert "run_id" not in tracker.finish(StudyResult("all", {}, "note", ()))
    assert tracker._process.poll() is not None
    (message,) = caplog.messages
    assert "thermometer sync" in message


DRIVER = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_uploader import StudyFolder, results, tracker_of
tracker = tracker_of(StudyFolder({folder!r}), {uri!r})
for result in results(200):
    tracker.log(result)
while True:
    tracker.exchange(0.1)
    Path({folder!r}, "pid").write_text(str(tracker._process.pid))
    Path({folder!r}, "held").write_text(str(len(tracker._held)))
"""


def test_an_uploader_ends_with_its_driver_and_the_next_one_goes_on(folder, uri, caplog):
    program = DRIVER.format(
        paths=[os.path.dirname(__file__), *sys.path], folder=str(folder.path), uri=uri
    )
    driver = subprocess.Popen([sys.executable, "-c", program], env=command_environment())
    try:
        held = folder.path / "held"
        wait_until(lambda: held.exists() and held.read_text() not in ("", "0"))
    finally:
        driver.kill()
        driver.wait()
    uploader = int((folder.path / "pid").read_text())
    wait_until(lambda: not os.path.exists(f"/proc/{uploader}") or state_of(uploader) == "Z")
    tracker = tracker_of(folder, uri)
    for result in results(200):
        tracker.log(result)
    assert "run_id" in tracker.finish(StudyResult("all", {}, "note", ()))
    assert caplog.messages == []
    assert_once(uri, 200)


def state_of(pid):
    """Return the letter of a process's state; Z is one that has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_what_the_store_refuses_stops_nothing_else(folder, uri, caplog):
    tracker = tracker_of(folder, uri)
    for result in (*results(2), replace(RESULT, metrics={"a\nb": 1.0}), *results(4)):
        tracker.log(result)
    assert "run_id" not in tracker.finish(StudyResult("all", {}, "note", ()))
    (message,) = caplog.messages
    assert "Invalid" in message
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("uploads").experiment_id
    runs = client.search_runs([experiment])
    assert sum(run.info.status == "FINISHED" for run in runs) == 4 + 1


def test_files_of_the_working_folder_are_no_modules(folder, uri, tmp_path, monkeypatch, caplog):
    for name in ("mlflow", "json", "studies"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.chdir(tmp_path)
    tracker = tracker_of(folder, uri)
    tracker.log(results(1)[0])
    assert "run_id" in tracker.finish(StudyResult("all", {}, "note", ()))
    assert caplog.messages == []
