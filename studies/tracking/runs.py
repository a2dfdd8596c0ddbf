"""The runs of a study in an MLflow store: a parent with the laws, one nested run a configuration.

Everything here waits for the store and raises what it raises. Each step may be repeated after an
error or in another process, and then finds what the first attempt left, so that nothing is there
twice: a run is created once, its numbers are logged once, and it ends as finished.
"""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from studies.credentials import redacted_uri
from studies.folder import StudyFolder
from studies.ledger.connection import is_outage
from studies.specs.spec import StudySpec
from studies.tracking.client import create_database, import_mlflow
from studies.tracking.data_used import dataset_input
from studies.tracking.tables import FinishedRun, RunTables
from studies.tracking.texts import (
    configuration_note,
    experiment_note,
    parent_metrics,
    provenance_tags,
    short_text,
    study_key,
)
from studies.tracking.tracked import TrackedRuns
from studies.tracking.uri import check_tracking_uri, is_web
from studies.tracking.values import ConfigurationResult, StudyResult

PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
STUDY_TAG = "thermometer.study"
HOST_TAG = "thermometer.host"
POINT_TAG = "thermometer.point"
SEEDS_TAG = "thermometer.n_seeds"
RESULT_TAG = "thermometer.result"

_PAGE = 1000
_BATCH = 50
_NEWEST = 100
_LONGEST_PARAMETER = 6000


class StudyRuns:
    """The runs of one study in one experiment of one store.

    Parameters
    ----------
    uri
        Tracking URI.
    experiment
        Name of the experiment.
    """

    def __init__(self, folder: StudyFolder, spec: StudySpec, uri: str, experiment: str) -> None:
        self._folder = folder
        self._spec = spec
        self._uri = uri
        self._experiment = experiment
        self._beat: Callable[[], None] = lambda: None
        self._unsure: set[str] = set()
        self._client: Any = None
        self._tables: RunTables | None = None
        self._chosen: set[str] = set()
        self.tracked = TrackedRuns(folder.tracked, uri, experiment)
        self.experiment_id = ""
        self.reads_anew = False
        """Whether the folder's list was for another parent, or there was none."""

    @property
    def ids(self) -> dict[str, str]:
        """MLflow's ids and the store's URI without password; no ids before :meth:`open`."""
        if not self.experiment_id:
            return {"uri": redacted_uri(self._uri)}
        return {
            "experiment_id": self.experiment_id,
            "run_id": self.tracked.parent,
            "uri": redacted_uri(self._uri),
        }

    def on_answer(self, beat: Callable[[], None]) -> None:
        """Call `beat` after each answer of the store; what it raises ends the work."""
        self._beat = beat

    def open(self) -> None:
        """Find or create experiment and parent run, and what an earlier process left open."""
        self.tracked.ask()
        # MLflow itself would try for an hour to reach a database.
        check_tracking_uri(self._uri)
        create_database(self._uri)
        self._client = import_mlflow().MlflowClient(tracking_uri=self._uri)
        experiment_id = self._find_experiment()
        parent = self._find_parent(experiment_id)
        known = parent == self.tracked.parent and bool(self.tracked.runs)
        # What was taken for logged may not be.
        self.reads_anew = not known
        if parent is None:
            self.tracked.begin(self._create_parent(experiment_id))
        else:
            self.tracked.begin(parent)
            (self._read_newest if known else self._read_all)(experiment_id)
        self.experiment_id = experiment_id
        self._tables = self._find_tables()

    def read_all(self) -> None:
        """Replace the folder's list of runs by what the store holds."""
        self._read_all(self.experiment_id)

    @property
    def together(self) -> int:
        """How many configurations the store takes at once."""
        return 1 if self._tables is None else _BATCH

    def log_configurations(self, results: Iterable[ConfigurationResult]) -> int:
        """Log those that are not; return how many. A store of our own gets them all at once."""
        # Of a configuration that grew while it waited, the last counts.
        latest = {result.identity: result for result in results}
        missing = [r for r in latest.values() if not self.tracked.holds(r.identity, r.n_seeds)]
        inserted = self._insert(missing)
        return inserted + sum(map(self.log_configuration, missing))

    def log_configuration(self, result: ConfigurationResult) -> bool:
        """Log one configuration, unless it is; return whether there was anything to do."""
        if self.tracked.holds(result.identity, result.n_seeds):
            return False
        run = self._held_run(result.identity)
        if run is None:
            run_id, have, tags = self._create(result), {}, []
        else:
            run_id, have = run.info.run_id, run.data.metrics
            tags = self._tags({SEEDS_TAG: str(result.n_seeds)})
            if _progress(run) == result.n_seeds:
                self.tracked.note(result.identity, run_id, result.n_seeds)
                return False
        self._log(
            run_id,
            {key: value for key, value in result.metrics.items() if have.get(key) != value},
            result.params if not have else {},
            tags,
        )
        self._end(run_id)
        self.tracked.note(result.identity, run_id, result.n_seeds)
        return True

    def log_result(self, result: StudyResult) -> None:
        """Log the laws and copy the files to the parent run, and end it and what it left open."""
        run_id = self.tracked.parent
        for run in self._search(self.experiment_id, "attributes.status = 'RUNNING'"):
            self._end(run.info.run_id, "KILLED")
        for path in result.files:
            if path.is_dir():
                self._client.log_artifacts(run_id, str(path), path.name)
            elif path.exists():
                self._client.log_artifact(run_id, str(path))
            self._beat()
        if result.data:
            self._client.log_inputs(run_id, [dataset_input(data) for data in result.data])
            self._beat()
        held = self._get(run_id)
        metrics = {} if held is None else held.data.metrics
        self._log(
            run_id,
            {k: v for k, v in parent_metrics(result.estimates).items() if metrics.get(k) != v},
            self._missing_settings(held),
            self._tags({**provenance_tags(self._spec), NOTE_TAG: result.note}),
        )
        self._log(run_id, {}, {}, self._tags({RESULT_TAG: result.fingerprint}))
        self._end(run_id, "FINISHED" if result.complete else "KILLED")

    def holds_result(self, fingerprint: str) -> bool:
        """Whether the parent run has ended and shows this result."""
        run = self._get(self.tracked.parent)
        if run is None or run.info.status == "RUNNING":
            return False
        return bool(run.data.tags.get(RESULT_TAG) == fingerprint)

    def has_unfinished(self) -> bool:
        """Whether a nested run has not ended."""
        return any(True for _ in self._search(self.experiment_id, "attributes.status = 'RUNNING'"))

    def interrupt(self) -> None:
        """Mark the study as interrupted, until a later run finishes it."""
        self._end(self.tracked.parent, "KILLED")

    def _find_tables(self) -> RunTables | None:
        """Return the tables of a database, None if runs have to go through MLflow's client."""
        parent = None if is_web(self._uri) else self._get(self.tracked.parent)
        tables = None if parent is None else RunTables(self._uri, parent)
        return tables if tables is not None and tables.are_known() else None

    def _insert(self, results: list[ConfigurationResult]) -> int:
        """Insert the runs of configurations that have none yet; return how many."""
        if self._tables is None:
            return 0
        runs = {}
        for result in results:
            held = self.tracked.runs.get(result.identity, ("", 0))[0]
            if held in self._chosen or (not held and result.identity not in self._unsure):
                run_id, tags = held or uuid.uuid4().hex, self._nested_tags(result)
                run = FinishedRun(run_id, result.label, tags, result.params, result.metrics)
                if run.is_plain:
                    runs[result.identity] = run
        # Noted first: who comes after a driver that was killed knows for which runs to look.
        self.tracked.note_all({identity: (run.run_id, 0) for identity, run in runs.items()})
        self._chosen |= {run.run_id for run in runs.values()}
        try:
            self._tables.insert(list(runs.values()))
        except SQLAlchemyError as error:
            if is_outage(error):
                raise
            self._tables = None  # the client repeats it, or says what is wrong
            return 0
        self._beat()
        seeds = {result.identity: result.n_seeds for result in results}
        self.tracked.note_all({key: (run.run_id, seeds[key]) for key, run in runs.items()})
        self._chosen -= {run.run_id for run in runs.values()}
        return len(runs)

    def _find_experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            # A server knows where its artifacts go; a bare database does not.
            location = None if is_web(self._uri) else self._folder.artifacts.as_uri()
            tags = {NOTE_TAG: experiment_note(self._spec)}
            experiment_id = self._client.create_experiment(self._experiment, location, tags=tags)
        else:
            experiment_id = found.experiment_id
        self._beat()
        return str(experiment_id)

    def _find_parent(self, experiment_id: str) -> str | None:
        held = self._folder.read_state().get("mlflow", {}).get("run_id", "")
        for run_id in dict.fromkeys((self.tracked.parent, held)):
            run = self._get(run_id) if run_id else None
            if run is not None and run.info.experiment_id == experiment_id:
                return str(run_id)
        ours = f"tags.`{STUDY_TAG}` = '{study_key(self._folder)}'"
        here = f"tags.`{HOST_TAG}` = '{socket.gethostname()}'"
        found = self._client.search_runs([experiment_id], f"{ours} and {here}", max_results=1)
        self._beat()
        return str(found[0].info.run_id) if found else None

    def _create_parent(self, experiment_id: str) -> str:
        tags = {
            STUDY_TAG: study_key(self._folder),
            HOST_TAG: socket.gethostname(),
            **provenance_tags(self._spec),
        }
        run = self._client.create_run(experiment_id, tags=tags, run_name=self._spec.study)
        self._log(run.info.run_id, {}, self._missing_settings(None), [])
        return str(run.info.run_id)

    def _missing_settings(self, parent: Any | None) -> dict[str, str]:
        """Return the settings that the parent run does not have; MLflow lets none be changed."""
        held = {} if parent is None else parent.data.params
        plain = self._spec.to_plain()
        return {
            key: str(value)[:_LONGEST_PARAMETER]
            for key, value in plain.items()
            if value is not None and key not in held
        }

    def _read_all(self, experiment_id: str) -> None:
        found: dict[str, Any] = {}
        for run in self._search(experiment_id):
            self._choose(found, run)
        self.tracked.replace(
            {point: (run.info.run_id, _progress(run)) for point, run in found.items()}
        )

    def _read_newest(self, experiment_id: str) -> None:
        """Read the runs about which the folder's list may be wrong."""
        children = f"tags.`{PARENT_TAG}` = '{self.tracked.parent}'"
        newest = self._client.search_runs(
            [experiment_id], children, max_results=_NEWEST, order_by=["attributes.start_time DESC"]
        )
        found: dict[str, Any] = {}
        for run in (*self._search(experiment_id, "attributes.status = 'RUNNING'"), *newest):
            self._choose(found, run)
        for point, run in found.items():
            held, n_seeds = self.tracked.runs.get(point, ("", 0))
            if held == run.info.run_id and n_seeds == _progress(run):
                continue
            if held in ("", run.info.run_id):
                self.tracked.note(point, run.info.run_id, _progress(run))
            else:
                self._client.delete_run(run.info.run_id)

    def _choose(self, found: dict[str, Any], run: Any) -> None:
        """Keep one run of each configuration, a finished one if there is."""
        point = run.data.tags.get(POINT_TAG)
        other = found.get(point)
        if point is None or (other is not None and other.info.run_id == run.info.run_id):
            return
        if other is None:
            found[point] = run
            return
        better, worse = (run, other) if _progress(run) > _progress(other) else (other, run)
        found[point] = better
        self._client.delete_run(worse.info.run_id)

    def _held_run(self, identity: str) -> Any | None:
        """Return the run of a configuration from an earlier attempt or process."""
        run_id, _ = self.tracked.runs.get(identity, ("", 0))
        if run_id:
            return self._get(run_id)
        if identity not in self._unsure:
            return None
        found = list(self._search(self.experiment_id, f"tags.`{POINT_TAG}` = '{identity}'"))
        return found[0] if found else None

    def _nested_tags(self, result: ConfigurationResult) -> dict[str, str]:
        return {
            PARENT_TAG: self.tracked.parent,
            POINT_TAG: result.identity,
            SEEDS_TAG: str(result.n_seeds),
            NOTE_TAG: configuration_note(self._spec, self.ids, result.identity, result.n_seeds),
        }

    def _create(self, result: ConfigurationResult) -> str:
        # A request that fails may have been granted; the next attempt then looks for its run.
        self._unsure.add(result.identity)
        run = self._client.create_run(
            self.experiment_id, tags=self._nested_tags(result), run_name=result.label
        )
        self._unsure.discard(result.identity)
        self.tracked.note(result.identity, run.info.run_id, 0)
        self._beat()
        return str(run.info.run_id)

    def _get(self, run_id: str) -> Any | None:
        """Return a run, None if the store does not have it or it was deleted."""
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.get_http_status_code() == 404:
                return None
            raise
        self._beat()
        return None if run.info.lifecycle_stage == "deleted" else run

    def _search(self, experiment_id: str, condition: str = "") -> Iterator[Any]:
        """Yield nested runs, page by page."""
        children = f"tags.`{PARENT_TAG}` = '{self.tracked.parent}'"
        filtered = f"{children} and {condition}" if condition else children
        token = None
        while True:
            page = self._client.search_runs(
                [experiment_id], filtered, max_results=_PAGE, page_token=token
            )
            self._beat()
            yield from page
            token = page.token
            if not token:
                return

    def _end(self, run_id: str, status: str = "FINISHED") -> None:
        self._client.set_terminated(run_id, status)
        self._beat()

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        tags: list[Any],
    ) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in params.items()],
            tags=tags,
        )
        self._beat()

    @staticmethod
    def _tags(tags: Mapping[str, str]) -> list[Any]:
        from mlflow.entities import RunTag

        return [RunTag(key, short_text(value)) for key, value in tags.items()]


def _progress(run: Any) -> int:
    """Return of how many replicas a run holds the means, 0 for one that has not finished."""
    finished = run.info.status == "FINISHED"
    return int(run.data.tags.get(SEEDS_TAG, 0)) if finished else 0
