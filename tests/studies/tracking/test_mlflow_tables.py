"""Runs inserted into MLflow's tables are those that MLflow's own client writes."""

import math
import shutil
from dataclasses import replace

import mlflow
import pytest
import sqlalchemy

from search_spaces import SearchSpace
from studies.folder import StudyFolder
from studies.specs.spec import StudySpec
from studies.tracking.runs import StudyRuns
from studies.tracking.tables import RunTables
from studies.tracking.values import ConfigurationResult

SPACE = SearchSpace(n_train=[16], temperature=[0.1], batch_size=1, n_seeds=2)
SPEC = StudySpec.from_plain({"study": "tables", **SPACE.to_plain()})
RESULT = ConfigurationResult(
    "point-of-client", "P=16 <T>", 2, {"n_train": "16"}, {"x": 0.1, "y": math.inf, "z": math.nan}
)
TIMES = ("start_time", "end_time", "timestamp")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A store that has its tables; to make them takes seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(empty_store, tmp_path):
    return f"sqlite:///{shutil.copy(empty_store, tmp_path)}"


def opened(tmp_path, uri):
    folder = StudyFolder(tmp_path / "study")
    folder.create()
    runs = StudyRuns(folder, SPEC, uri, "tables")
    runs.open()
    return runs


def rows_of(uri, table, run_id, identity):
    """Return the rows of a run without what names it and without times."""
    engine = sqlalchemy.create_engine(uri)
    with engine.connect() as connection:
        query = sqlalchemy.text(f"SELECT * FROM {table} WHERE run_uuid = :run")
        rows = connection.execute(query, {"run": run_id}).mappings().all()
    engine.dispose()
    return sorted(
        str({k: str(v).replace(run_id, "RUN").replace(identity, "POINT") for k, v in row.items()
             if k not in TIMES})
        for row in rows
    )  # fmt: skip


def test_both_ways_leave_the_same_rows(tmp_path, uri):
    runs = opened(tmp_path, uri)
    assert runs.together > 1
    runs.log_configuration(RESULT)
    assert runs.log_configurations([replace(RESULT, identity="point-of-ours")]) == 1
    ids = {name: runs.tracked.runs[name][0] for name in ("point-of-client", "point-of-ours")}
    for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
        by_client, by_us = (rows_of(uri, table, ids[name], name) for name in ids)
        assert by_us == by_client
        assert by_us
    client = mlflow.MlflowClient(tracking_uri=uri)
    found = client.get_run(ids["point-of-ours"])
    assert (found.info.status, found.info.run_name) == ("FINISHED", "P=16 <T>")
    assert found.data.metrics["y"] > 1e308
    assert math.isnan(found.data.metrics["z"])


def test_a_batch_that_is_repeated_is_there_once(tmp_path, uri, monkeypatch):
    runs = opened(tmp_path, uri)
    batch = [replace(RESULT, identity=f"p{k}") for k in range(5)]
    real = RunTables.insert

    def unanswered(self, rows):
        """Commit, and lose the answer."""
        real(self, rows)
        monkeypatch.setattr(RunTables, "insert", real)
        raise sqlalchemy.exc.OperationalError("COMMIT", {}, Exception("connection lost"))

    monkeypatch.setattr(RunTables, "insert", unanswered)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        runs.log_configurations(batch)
    assert runs.log_configurations(batch) == 5
    assert runs.log_configurations([*batch, replace(RESULT, identity="p5")]) == 1
    assert_once(uri, runs, 6)


def test_a_driver_killed_around_the_insertion_leaves_nothing_twice(tmp_path, uri):
    runs = opened(tmp_path, uri)
    batch = [replace(RESULT, identity=f"p{k}") for k in range(4)]
    runs.log_configurations(batch)
    held = dict(runs.tracked.runs)
    # p0 was not noted as finished, p1 is noted with a run that is not there, p3 is not noted.
    runs.tracked.replace({"p0": (held["p0"][0], 0), "p1": ("f" * 32, 0), "p2": held["p2"]})
    again = opened(tmp_path, uri)
    assert again.tracked.holds("p0", 2)
    again.log_configurations([*batch, replace(RESULT, identity="p4")])
    assert_once(uri, again, 5)


def test_a_configuration_that_grew_while_it_waited_is_logged_as_it_is_now(tmp_path, uri):
    runs = opened(tmp_path, uri)
    grown = replace(RESULT, n_seeds=4, metrics={"x": 0.2})
    assert runs.log_configurations([RESULT, grown]) == 1
    assert runs.log_configurations([replace(grown, n_seeds=8, metrics={"x": 0.3})]) == 1
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run_id, n_seeds) = runs.tracked.runs[RESULT.identity]
    assert n_seeds == 8
    assert [each.value for each in client.get_metric_history(run_id, "x")] == [0.2, 0.3]


def test_tables_that_are_not_known_are_left_to_the_client(tmp_path, uri):
    opened(tmp_path, uri)
    engine = sqlalchemy.create_engine(uri)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("ALTER TABLE runs ADD COLUMN of_tomorrow INTEGER"))
    engine.dispose()
    runs = opened(tmp_path, uri)
    assert runs.together == 1
    assert runs.log_configurations([RESULT]) == 1
    assert_once(uri, runs, 1)


def test_a_name_that_mlflow_refuses_is_left_to_the_client(tmp_path, uri):
    runs = opened(tmp_path, uri)
    with pytest.raises(mlflow.MlflowException, match="Invalid"):
        runs.log_configurations([replace(RESULT, metrics={"a\nb": 1.0})])


def assert_once(uri, runs, n_runs):
    client = mlflow.MlflowClient(tracking_uri=uri)
    found = [
        run
        for run in client.search_runs([runs.experiment_id])
        if "mlflow.parentRunId" in run.data.tags
    ]
    assert len(found) == len({run.data.tags["thermometer.point"] for run in found}) == n_runs
    assert {run.info.status for run in found} == {"FINISHED"}
