"""What a study does when MLflow's server or database dies, hangs, or comes back in mid-run."""

import logging
import os
import shutil
import signal
import sqlite3
import threading
import time
from dataclasses import replace

import mlflow
import pytest
from flaky_proxy import LOSES_ANSWERS, STALLED, UNAVAILABLE, FlakyProxy
from mlflow_process import MlflowProcess
from postgres import PASSWORD, QUOTED, REQUIRED, find_programs, running_server

from search_spaces import SearchSpace
from studies import RunOptions, Study
from studies.cli import _run
from studies.results.summary import study_result
from studies.tracking.texts import describe
from studies.tracking.tracker import MlflowTracker
from studies.tracking.values import ConfigurationResult

pytestmark = pytest.mark.outage
SPACE = SearchSpace(n_train=[16, 32], temperature=[0.1, 1.0], batch_size=1, n_seeds=2)
N_CONFIGURATIONS = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = MlflowProcess(tmp_path_factory.mktemp("server")).start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Folder of a finished study that no store knows."""
    folder = tmp_path_factory.mktemp("measured") / "study"
    study = Study("outage", SPACE, folder)
    study.run(RunOptions(executor="serial", tracking=False, quiet=True))
    return folder


@pytest.fixture
def study(measured, tmp_path):
    return Study.open(shutil.copytree(measured, tmp_path / "study"))


def runs_of(uri, name):
    """Return the parent runs and the nested runs of an experiment."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return client, [run for run in runs if run not in nested], nested


def check_exact(uri, name, n_nested):
    """Check that every configuration is there once, finished and with its numbers."""
    client, parents, nested = runs_of(uri, name)
    assert len(parents) == 1
    assert len(nested) == n_nested
    assert len({run.data.tags["thermometer.point"] for run in nested}) == n_nested
    assert {run.info.status for run in (*parents, *nested)} == {"FINISHED"}
    for run in nested:
        assert run.data.params
        for key in ("test_error", "n_seeds"):
            assert len(client.get_metric_history(run.info.run_id, key)) == 1
    return client, parents[0]


def result(number):
    metrics = {"test_error": number / 100, "n_seeds": 2.0}
    return ConfigurationResult(
        f"point{number}", f"run {number}", 2, {"n_train": str(number)}, metrics
    )


def tracker_of(study, uri, name):
    return MlflowTracker(describe(study.folder, study.spec, uri, name), study.folder)


def holds(tracker, identity):
    """Whether the store has answered that it holds a configuration."""
    tracker.exchange()
    return tracker.holds(identity, 2)


def finish(study, tracker):
    from studies.ledger.base import Ledger

    ledger = Ledger(study.folder.ledger, study.spec.study)
    ids = tracker.settle()
    shown = study_result(study.spec, study.folder, ledger, study.analyse(), ids)
    return tracker.finish(shown)


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_comes_back_gets_everything_once(server, study, caplog):
    tracker = tracker_of(study, server.uri, "comes back")
    for number in range(20):
        tracker.log(result(number))
    wait_until(lambda: holds(tracker, "point5"))
    server.kill()
    for number in range(20, 40):
        tracker.log(result(number))
    assert not holds(tracker, "point39")
    server.start()
    ids = finish(study, tracker)
    assert caplog.messages == []
    client, parent = check_exact(server.uri, "comes back", 40)
    assert parent.info.run_id == ids["run_id"]
    assert "report.html" in {entry.path for entry in client.list_artifacts(ids["run_id"])}


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGSTOP])
def test_a_run_ends_without_its_server_and_sync_uploads_the_rest(server, study, caplog, stop):
    name = f"stays away {stop.name} <img src=x>"
    tracker = tracker_of(study, server.uri, name)
    tracker.log(result(0))
    wait_until(lambda: holds(tracker, "point0"))
    if stop is signal.SIGKILL:
        server.kill()
    else:
        server.signal(signal.SIGSTOP)
    start = time.monotonic()
    tracker.log(result(1))
    # To wait for a server that is gone takes MLflow's client minutes.
    assert time.monotonic() - start < 30
    with caplog.at_level(logging.WARNING):
        ids = finish(study, tracker)
    assert "run_id" not in ids
    (message,) = caplog.messages
    assert f"'thermometer sync {study.folder.path}'" in message
    assert "\n" not in message
    if stop is signal.SIGKILL:
        server.start()
    else:
        server.signal(signal.SIGCONT)
    # point0 and point1 are of no study: sync keeps what it finds and adds what is measured.
    assert _run(["sync", str(study.folder.path)]) == 0
    _, parents, nested = runs_of(server.uri, name)
    assert len(parents) == 1
    points = [run.data.tags["thermometer.point"] for run in nested]
    assert len(points) == len(set(points)) in (N_CONFIGURATIONS + 1, N_CONFIGURATIONS + 2)
    assert "RUNNING" not in {run.info.status for run in (*parents, *nested)}


@pytest.mark.parametrize("mood", [UNAVAILABLE, LOSES_ANSWERS, STALLED])
def test_a_server_that_fails_for_a_while_gets_everything_once(
    server, study, caplog, monkeypatch, mood
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    name = f"fails: {mood}"
    with FlakyProxy(server.uri) as proxy:
        tracker = tracker_of(study, proxy.uri, name)
        tracker.log(result(0))
        wait_until(lambda: holds(tracker, "point0"))
        proxy.fail(mood)
        start = time.monotonic()
        for number in range(1, 10):
            tracker.log(result(number))
        # Each that waited for the server would take its second.
        assert time.monotonic() - start < 9
        wait_until(lambda: proxy.refused >= 2)
        assert not holds(tracker, "point9")
        proxy.recover()
        ids = finish(study, tracker)
    assert caplog.messages == []
    assert "run_id" in ids
    check_exact(server.uri, name, 10)


@pytest.mark.parametrize("mood", [UNAVAILABLE, STALLED])
def test_a_sweep_goes_on_while_its_server_fails_and_sync_uploads(
    server, tmp_path, caplog, monkeypatch, mood
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("studies.tracking.tracker._SILENCE", 3.0)
    with FlakyProxy(server.uri) as proxy:
        name = f"sweep: {mood}"
        study = Study("outage", SPACE, tmp_path / "study")
        options = RunOptions(
            executor="serial", quiet=True, tracking_uri=proxy.uri, experiment_name=name
        )
        study.run(replace(options, max_points=2))
        proxy.fail(mood)
        with caplog.at_level(logging.WARNING):
            summary = study.run(options)
        assert summary.is_complete
        assert not summary.tracked
        assert proxy.refused
        (message,) = caplog.messages
        assert "thermometer sync" in message
        assert (tmp_path / "study/report.html").exists()
        proxy.recover()
        assert _run(["sync", str(tmp_path / "study")]) == 0
    check_exact(server.uri, name, N_CONFIGURATIONS)


def test_a_store_that_opens_slowly_gets_everything(study, tmp_path, caplog, monkeypatch):
    uri = f"sqlite:///{tmp_path}/slow.db"
    tracker_of(study, uri, "slow").close()
    lock = sqlite3.connect(tmp_path / "slow.db", check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    threading.Timer(1.5, lock.close).start()
    with monkeypatch.context() as impatient:
        impatient.setattr("studies.tracking.tracker._PATIENCE", 0.5)
        tracker = tracker_of(study, uri, "slow")
        tracker.log(result(0))
        assert "run_id" in tracker.settle()
    assert "run_id" in finish(study, tracker)
    assert caplog.messages == []
    check_exact(uri, "slow", 1)


@pytest.fixture
def database():
    programs = find_programs()
    if programs is None:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail("no PostgreSQL server is installed")
        pytest.skip("no PostgreSQL server is installed")
    with running_server(programs) as running:
        yield running


def test_a_database_that_comes_back_gets_everything_once(database, study, caplog):
    uri = database.create("mlflow")
    tracker = tracker_of(study, uri, "database")
    for number in range(10):
        tracker.log(result(number))
    wait_until(lambda: holds(tracker, "point5"), 120)
    database.kill()
    for number in range(10, 20):
        tracker.log(result(number))
    database.start()
    ids = finish(study, tracker)
    assert caplog.messages == []
    check_exact(uri, "database", 20)
    left_behind = [path.read_text(encoding="utf-8") for path in study.folder.path.glob("*.json*")]
    assert not any(QUOTED in text or PASSWORD in text for text in (*left_behind, str(ids)))


def test_a_database_that_is_gone_is_named_without_its_password(database, study, caplog):
    uri = database.create("gone")
    tracker = tracker_of(study, uri, "gone")
    wait_until(lambda: tracker.exchange() or "run_id" in tracker.ids, 120)
    database.kill()
    tracker.log(result(0))
    assert "run_id" not in finish(study, tracker)
    (message,) = caplog.messages
    assert "thermometer sync" in message
    assert "--tracking-uri URI" in message
    assert QUOTED not in message
    assert PASSWORD not in message
