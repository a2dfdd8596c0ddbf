"""The runs of a study in an MLflow store: a parent with the laws, one nested run a configuration.

What the store holds is known from the store alone: each nested run has tags that say of which
configuration and of how many replicas it holds the means, and whatever has not ended is
unfinished. So each step may be repeated after an error or in another process, and then finds what
the first attempt left: a run is created once, its numbers are logged once, and it ends as
finished. Everything here waits for the store and raises what it raises.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from studies.credentials import redacted_uri
from studies.tracking.client import create_database, http_status, import_mlflow
from studies.tracking.data_used import dataset_input
from studies.tracking.texts import configuration_note, provenance_tags, short_text
from studies.tracking.uri import check_tracking_uri, is_web
from studies.tracking.values import ConfigurationResult, StudyResult, Subject

PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
STUDY_TAG = "thermometer.study"
HOST_TAG = "thermometer.host"
POINT_TAG = "thermometer.point"
SEEDS_TAG = "thermometer.n_seeds"
RESULT_TAG = "thermometer.result"

_PAGE = 1000
_UNFINISHED = "attributes.status = 'RUNNING'"


class StudyRuns:
    """The runs of one study in one experiment of one store.

    Parameters
    ----------
    on_answer
        Called after each answer of the store.
    """

    def __init__(self, subject: Subject, on_answer: Callable[[], None] = lambda: None) -> None:
        self._subject = subject
        self._on_answer = on_answer
        self._unsure: set[str] = set()
        self._client: Any = None
        self._experiment_id = self._parent_id = ""
        self._held: dict[str, tuple[str, int]] = {}

    @property
    def ids(self) -> dict[str, str]:
        """MLflow's ids and the store's URI without password; no ids before :meth:`open`."""
        uri = {"uri": redacted_uri(self._subject.uri)}
        if not self._parent_id:
            return uri
        return {"experiment_id": self._experiment_id, "run_id": self._parent_id, **uri}

    @property
    def held(self) -> dict[str, int]:
        """Of how many replicas the store holds the means, by identity of the configuration."""
        return {identity: n_seeds for identity, (_, n_seeds) in self._held.items()}

    def open(self) -> None:
        """Find or create experiment and parent run, and learn which runs the store holds."""
        # MLflow itself would try for an hour to reach a database.
        check_tracking_uri(self._subject.uri)
        create_database(self._subject.uri)
        self._client = import_mlflow().MlflowClient(tracking_uri=self._subject.uri)
        self._experiment_id = self._find_experiment()
        parent_id = self._find_parent() or self._create_parent()
        found: dict[str, Any] = {}
        for run in self._nested(parent_id):
            self._choose(found, run)
        self._held = {point: (run.info.run_id, _progress(run)) for point, run in found.items()}
        self._parent_id = parent_id

    def log_configuration(self, result: ConfigurationResult) -> bool:
        """Log one configuration, unless it is; return whether there was anything to do."""
        if self._held.get(result.identity, ("", 0))[1] == result.n_seeds:
            return False
        run = self._held_run(result.identity)
        if run is None:
            run_id, have, tags = self._create(result), {}, {}
        else:
            run_id, have = run.info.run_id, run.data.metrics
            tags = {SEEDS_TAG: str(result.n_seeds)}
        done = run is not None and _progress(run) == result.n_seeds
        if not done:
            changed = {key: v for key, v in result.metrics.items() if have.get(key) != v}
            self._log(run_id, changed, {} if have else result.params, tags)
            self._end(run_id)
        self._held[result.identity] = run_id, result.n_seeds
        return not done

    def log_result(self, result: StudyResult) -> None:
        """Log the laws and copy the files to the parent run, and end it and what it left open."""
        run_id = self._parent_id
        for run in self._nested(run_id, _UNFINISHED):
            self._end(run.info.run_id, "KILLED")
        for path in result.files:
            if path.is_dir():
                self._client.log_artifacts(run_id, str(path), path.name)
            elif path.exists():
                self._client.log_artifact(run_id, str(path))
            self._on_answer()
        if result.data:
            self._client.log_inputs(run_id, [dataset_input(data) for data in result.data])
            self._on_answer()
        held = self._get(run_id)
        metrics = {} if held is None else held.data.metrics
        self._log(
            run_id,
            {key: value for key, value in result.metrics.items() if metrics.get(key) != value},
            self._missing_settings(held),
            {**self._subject.tags, **provenance_tags(), NOTE_TAG: result.note},
        )
        self._log(run_id, {}, {}, {RESULT_TAG: result.fingerprint})
        self._end(run_id, "FINISHED" if result.complete else "KILLED")

    def holds_result(self, fingerprint: str) -> bool:
        """Whether the parent run and all below it have ended, and it shows this result."""
        run = self._get(self._parent_id)
        if run is None or run.info.status == "RUNNING":
            return False
        shows = run.data.tags.get(RESULT_TAG) == fingerprint
        return shows and not any(True for _ in self._nested(self._parent_id, _UNFINISHED))

    def interrupt(self) -> None:
        """Mark the study as interrupted, until a later run finishes it."""
        self._end(self._parent_id, "KILLED")

    def _find_experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._subject.experiment)
        self._on_answer()
        if found is not None:
            return str(found.experiment_id)
        # A server knows where its artifacts go; a bare database does not.
        location = None if is_web(self._subject.uri) else self._subject.artifacts
        tags = {NOTE_TAG: self._subject.description}
        return str(self._client.create_experiment(self._subject.experiment, location, tags=tags))

    def _find_parent(self) -> str | None:
        for run_id in self._subject.parents:
            run = self._get(run_id)
            if run is not None and run.info.experiment_id == self._experiment_id:
                return run_id
        ours = f"tags.`{STUDY_TAG}` = '{self._subject.key}'"
        here = f"tags.`{HOST_TAG}` = '{socket.gethostname()}'"
        found = self._client.search_runs(
            [self._experiment_id], f"{ours} and {here}", max_results=1
        )
        self._on_answer()
        return str(found[0].info.run_id) if found else None

    def _create_parent(self) -> str:
        tags = {
            STUDY_TAG: self._subject.key,
            HOST_TAG: socket.gethostname(),
            **self._subject.tags,
            **provenance_tags(),
        }
        run = self._client.create_run(self._experiment_id, tags=tags, run_name=self._subject.study)
        self._log(run.info.run_id, {}, self._missing_settings(None), {})
        return str(run.info.run_id)

    def _missing_settings(self, parent: Any | None) -> dict[str, str]:
        """Return the settings that the parent run does not have; MLflow lets none be changed."""
        held = {} if parent is None else parent.data.params
        return {key: text for key, text in self._subject.settings.items() if key not in held}

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
        run_id, _ = self._held.get(identity, ("", 0))
        if run_id:
            return self._get(run_id)
        if identity not in self._unsure:
            return None
        return next(self._nested(self._parent_id, f"tags.`{POINT_TAG}` = '{identity}'"), None)

    def _create(self, result: ConfigurationResult) -> str:
        # A request that fails may have been granted; the next attempt then looks for its run.
        self._unsure.add(result.identity)
        note = configuration_note(self._subject.study, self.ids, result.identity, result.n_seeds)
        tags = {
            PARENT_TAG: self._parent_id,
            POINT_TAG: result.identity,
            SEEDS_TAG: str(result.n_seeds),
            NOTE_TAG: note,
        }
        run = self._client.create_run(self._experiment_id, tags=tags, run_name=result.label)
        self._unsure.discard(result.identity)
        self._held[result.identity] = run.info.run_id, 0
        self._on_answer()
        return str(run.info.run_id)

    def _get(self, run_id: str) -> Any | None:
        """Return a run, None if the store does not have it or it was deleted."""
        try:
            run = self._client.get_run(run_id)
        except Exception as error:
            if http_status(error) == 404:
                return None
            raise
        self._on_answer()
        return None if run.info.lifecycle_stage == "deleted" else run

    def _nested(self, parent_id: str, condition: str = "") -> Iterator[Any]:
        """Yield nested runs, page by page."""
        children = f"tags.`{PARENT_TAG}` = '{parent_id}'"
        for run in search_runs(
            self._client,
            self._experiment_id,
            f"{children} and {condition}" if condition else children,
        ):
            self._on_answer()
            yield run

    def _end(self, run_id: str, status: str = "FINISHED") -> None:
        self._client.set_terminated(run_id, status)
        self._on_answer()

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
            params=[Param(key, value) for key, value in params.items()],
            tags=[RunTag(key, short_text(value)) for key, value in tags.items()],
        )
        self._on_answer()


def search_runs(client: Any, experiment_id: str, condition: str) -> Iterator[Any]:
    """Yield the runs of an experiment that meet a condition, however many there are."""
    token = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _progress(run: Any) -> int:
    """Return of how many replicas a run holds the means, 0 for one that has not finished."""
    finished = run.info.status == "FINISHED"
    return int(run.data.tags.get(SEEDS_TAG, 0)) if finished else 0
