"""MLflow's side of a study: a parent run with the laws, and one nested run per configuration.

Only the driver logs, through explicit run ids, in a thread of its own so that training never
waits for a database. The study's folder is complete without MLflow: if the store fails during a
sweep, the sweep goes on, and the next run on the same folder logs what is missing.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from search_spaces import InvalidSettingError
from studies.credentials import redacted, redacted_uri
from studies.experiments import Configuration, load_experiment
from studies.folder import StudyFolder
from studies.packs import Unit

_log = logging.getLogger(__name__)

PARENT_TAG = "mlflow.parentRunId"
STUDY_TAG = "thermometer.study"
POINT_TAG = "thermometer.point"
SEEDS_TAG = "thermometer.n_seeds"

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}


def check_tracking_uri(uri: str) -> None:
    """Raise InvalidSettingError unless `uri` names a store that can be reached now.

    That is a server or database that listens, or an SQLite file in an existing folder.
    """
    shown = redacted_uri(uri)
    try:
        parts = urlsplit(uri)
        scheme = parts.scheme.partition("+")[0]
        port = parts.port or _PORTS.get(scheme)
    except ValueError:
        # The words of urlsplit repeat what stands in place of the port: part of a password.
        raise InvalidSettingError(
            f"tracking_uri={shown!r} is not valid: its port is not a number from 0 to 65535"
        ) from None
    if scheme == "sqlite":
        path = Path(uri.partition(":///")[2]).absolute()
        if not path.parent.is_dir():
            raise InvalidSettingError(f"tracking_uri={shown!r}: {path.parent} is not a folder")
        return
    if port is None:
        raise InvalidSettingError(
            f"tracking_uri={shown!r} is not http://HOST:PORT, sqlite:///FILE, postgresql://... "
            "or mysql://..."
        )
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidSettingError(
            f"no MLflow server answers at {parts.hostname}:{port}: {reason}"
        ) from None


def check_local_store(folder: StudyFolder) -> None:
    """Raise InvalidSettingError if the folder's path cannot stand in a database URL."""
    for mark in "?%":
        if mark in str(folder.path):
            raise InvalidSettingError(
                f"{folder.path} contains {mark!r}, which MLflow's store cannot have in its path; "
                "choose another folder with --out, or --no-tracking"
            )


def metric_key(key: str) -> str:
    """Return an MLflow key for a key of report.json.

    >>> metric_key("a[lazy,c=0.1,alpha=100]")
    'a_lazy_c0.1_alpha100'
    """
    return re.sub(r"[^\w.]+", "_", key.replace("=", "")).strip("_")


class NullTracker:
    """Logs nothing."""

    def log_configuration(self, point: Configuration, rows: list[dict[str, Any]]) -> None:
        """Ignore a configuration."""

    def finish(
        self, estimates: Mapping[str, Mapping[str, Any]], note: str, files: Iterable[Path]
    ) -> dict[str, str]:
        """Return no ids."""
        return {}

    def close(self) -> None:
        """Do nothing."""


class MlflowTracker:
    """Logs configurations and the study's result to an MLflow store, in a thread.

    Parameters
    ----------
    uri
        Tracking URI; None for the SQLite store in the study's folder.
    settings
        The study's fixed settings, logged as parameters of the parent run.
    """

    def __init__(
        self,
        folder: StudyFolder,
        study: str,
        settings: Mapping[str, Any],
        uri: str | None = None,
        experiment: str | None = None,
    ) -> None:
        self._folder = folder
        self._study = study
        self._settings = dict(settings)
        self._uri = local_uri(folder) if uri is None else absolute_uri(uri)
        self._experiment = experiment or study
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._known: dict[str, tuple[str, str]] = {}
        self._ids: dict[str, str] = {}
        self._error: str | None = None
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def log_configuration(self, point: Configuration, rows: list[dict[str, Any]]) -> None:
        """Log one configuration, all of whose replicas are `rows`, as a nested run."""
        self._jobs.put(lambda: self._log_configuration(point, rows))

    def finish(
        self, estimates: Mapping[str, Mapping[str, Any]], note: str, files: Iterable[Path]
    ) -> dict[str, str]:
        """Log the result to the parent run, wait for the thread, and return MLflow's ids.

        The ids are empty if the store failed; a warning then says why.
        """
        paths = list(files)
        self._jobs.put(lambda: self._log_result(estimates, note, paths))
        self._join()
        return {} if self._error is not None else dict(self._ids)

    def close(self) -> None:
        """Log what is waiting and mark the study as interrupted, until a later run finishes it."""
        self._jobs.put(lambda: self._client.set_terminated(self._ids["run_id"], "KILLED"))
        self._join()

    def _join(self) -> None:
        self._jobs.put(None)
        self._thread.join()
        if self._error is not None:
            _log.warning("MLflow logging stopped: %s; run again to log the rest", self._error)

    def _work(self) -> None:
        self._attempt(self._open)
        while (job := self._jobs.get()) is not None:
            self._attempt(job)

    def _attempt(self, job: Callable[[], None]) -> None:
        if self._error is not None:
            return
        try:
            job()
        except Exception as error:
            self._error = redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:300]

    def _open(self) -> None:
        mlflow = import_mlflow()
        self._client = mlflow.MlflowClient(tracking_uri=self._uri)
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            # A server knows where its artifacts go; a bare database does not.
            remote = self._uri.startswith("http")
            location = None if remote else self._folder.artifacts.as_uri()
            experiment = self._client.create_experiment(self._experiment, location)
        else:
            experiment = found.experiment_id
        parents = self._client.search_runs(
            [experiment], f"tags.`{STUDY_TAG}` = '{self._study_key()}'", max_results=1
        )
        parent = parents[0] if parents else self._create_parent(experiment)
        self._ids = {
            "experiment_id": experiment,
            "run_id": parent.info.run_id,
            "uri": redacted_uri(self._uri),
        }
        self._known = {
            run.data.tags[POINT_TAG]: (run.info.run_id, self._progress_of(run))
            for run in self._children(experiment, parent.info.run_id)
        }

    def _study_key(self) -> str:
        return str(self._folder.path).replace("'", "")

    def _create_parent(self, experiment: str) -> Any:
        tags = {STUDY_TAG: self._study_key(), "mlflow.source.name": "thermometer"}
        run = self._client.create_run(experiment, tags=tags, run_name=self._study)
        self._log(run.info.run_id, {}, self._settings)
        return run

    def _children(self, experiment: str, parent: str) -> Iterable[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [experiment], f"tags.`{PARENT_TAG}` = '{parent}'", page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    @staticmethod
    def _progress_of(run: Any) -> str:
        finished = run.info.status == "FINISHED"
        return run.data.tags.get(SEEDS_TAG, "") if finished else ""

    def _log_configuration(self, point: Configuration, rows: list[dict[str, Any]]) -> None:
        run_id, n_seeds = self._known.get(point.identity, ("", ""))
        if n_seeds == str(len(rows)):
            return
        experiment = load_experiment(point.experiment)
        if not run_id:
            run = self._client.create_run(
                self._ids["experiment_id"],
                tags={PARENT_TAG: self._ids["run_id"], POINT_TAG: point.identity},
                run_name=point.label,
            )
            run_id = run.info.run_id
        columns = point.columns()
        params = {name: _text(columns[name]) for name in experiment.PARAMS if name in columns}
        self._log(run_id, experiment.average(rows), params, {SEEDS_TAG: str(len(rows))})
        self._client.set_terminated(run_id)
        self._known[point.identity] = (run_id, str(len(rows)))

    def _log_result(
        self, estimates: Mapping[str, Mapping[str, Any]], note: str, files: list[Path]
    ) -> None:
        run_id = self._ids["run_id"]
        metrics = {}
        for key, estimate in estimates.items():
            if "n_train=" in key:
                continue  # the temperatures of single sizes are in t_c.csv
            for part, suffix in (("value", ""), ("stderr", "_stderr")):
                value = estimate.get(part)
                if isinstance(value, int | float):
                    metrics[metric_key(key) + suffix] = float(value)
        report = f"#/experiments/{self._ids['experiment_id']}/runs/{run_id}/artifacts/report.html"
        note = f"{note}\n[The report]({report})\n"
        self._log(run_id, metrics, {}, {"mlflow.note.content": note})
        for path in files:
            if path.is_dir():
                self._client.log_artifacts(run_id, str(path), path.name)
            elif path.exists():
                self._client.log_artifact(run_id, str(path))
        self._client.set_terminated(run_id)

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = _milliseconds()
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in (tags or {}).items()],
        )


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


class ConfigurationFeed:
    """Collects the replicas of each configuration and logs it once, when all are there.

    Parameters
    ----------
    planned
        Number of replicas of each planned configuration, by its identity.
    n_seeds
        The number for all others.
    """

    def __init__(
        self, planned: Mapping[str, int], n_seeds: int, tracker: MlflowTracker | NullTracker
    ) -> None:
        self._planned = planned
        self._n_seeds = n_seeds
        self._tracker = tracker
        self._rows: dict[str, dict[int, dict[str, Any]]] = {}

    def add(self, unit: Unit, rows: list[dict[str, Any]]) -> None:
        """Take the rows of a finished unit."""
        held = self._rows.setdefault(unit.point.identity, {})
        held.update(zip(unit.seeds, rows, strict=True))
        if len(held) >= self._planned.get(unit.point.identity, self._n_seeds):
            replicas = [held[seed] for seed in sorted(held)]
            self._tracker.log_configuration(unit.point, replicas)


def local_uri(folder: StudyFolder) -> str:
    """Return the tracking URI of the SQLite store in a study's folder."""
    return f"sqlite:///{folder.mlflow_db}"


def absolute_uri(uri: str) -> str:
    """Return a tracking URI that means the same in every working folder."""
    path = uri.removeprefix("sqlite:///")
    return f"sqlite:///{Path(path).absolute()}" if path != uri else uri


def store_uri(folder: StudyFolder) -> str:
    """Return the URI of the store that holds the runs of the study in a folder.

    Raises
    ------
    InvalidSettingError
        If the study was not logged to MLflow.
    """
    uri = folder.read_state().get("mlflow", {}).get("uri")
    if uri is None and folder.mlflow_db.exists():
        return local_uri(folder)
    if uri is None:
        raise InvalidSettingError(f"{folder.path} has no MLflow store; run the study first")
    return str(uri)


def configuration_runs(folder: StudyFolder) -> tuple[str, list[str]]:
    """Return experiment id and ids of the runs of the study's configurations."""
    client = import_mlflow().MlflowClient(tracking_uri=store_uri(folder))
    ids = folder.read_state().get("mlflow", {})
    experiment = ids.get("experiment_id", "1")
    parent = f"= '{ids['run_id']}'" if "run_id" in ids else "LIKE '%'"
    runs = client.search_runs([experiment], f"tags.`{PARENT_TAG}` {parent}", max_results=1000)
    return experiment, [run.info.run_id for run in runs]


def import_mlflow() -> Any:
    """Import MLflow without telemetry and without its messages on standard error."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    import mlflow

    # Importing MLflow configures its loggers anew.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def _milliseconds() -> int:
    return int(time.time() * 1000)
