"""How a sweep logs to MLflow without ever waiting for it.

Results wait in a bounded queue for a thread that talks to the store. If the store fails, the
thread tries again with growing pauses, and the sweep goes on; what does not fit into the queue
comes from the ledger at the end. A run ends after seconds, not minutes, of silence: the folder is
complete without MLflow, and ``thermometer sync`` uploads what is missing.
"""

from __future__ import annotations

import functools
import logging
import queue
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from studies.credentials import redacted
from studies.folder import StudyFolder
from studies.tracking.client import is_refusal, short_requests
from studies.tracking.runs import StudyRuns
from studies.tracking.uri import lacks_password
from studies.tracking.values import ConfigurationResult, StudyResult

_log = logging.getLogger(__name__)

_WAITING = 10_000
"""Configurations that may wait for the store; more come from the ledger at the end."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_SILENCE = 10.0
"""Seconds without an answer after which the end of a run gives up."""
_OPENING = 60.0
"""The same while the store is being opened: a new database first creates its tables."""
_PATIENCE, _PATIENCE_EACH = 30.0, 0.1
"""Longest wait at the end of a run for a slow store, and more for each waiting configuration."""


class _AbandonedError(Exception):
    """The run has ended without the store."""


class NullTracker:
    """Logs nothing."""

    ids: Mapping[str, str] = {}

    def holds(self, identity: str, n_seeds: int) -> bool:
        """Say that everything is logged."""
        return True

    def log(self, result: ConfigurationResult) -> None:
        """Ignore a configuration."""

    def settle(self, again: Callable[[], None]) -> Mapping[str, str]:
        """Return no ids."""
        return self.ids

    def finish(self, result: StudyResult) -> dict[str, str]:
        """Return no ids."""
        return {}

    def close(self) -> None:
        """Do nothing."""


class MlflowTracker:
    """Logs configurations and the study's result in a thread.

    Parameters
    ----------
    runs
        The study's runs; used by the thread alone.
    """

    def __init__(self, runs: StudyRuns, folder: StudyFolder) -> None:
        self._runs = runs
        runs.on_answer(self._beat)
        self._folder = folder
        self._jobs: queue.Queue[ConfigurationResult | Callable[[], object] | None] = queue.Queue(
            _WAITING
        )
        self._opened = threading.Event()
        self._ending = threading.Event()
        self._abandoned = threading.Event()
        self._deadline = float("inf")
        self._alive = time.monotonic()
        self._error = ""
        self._left_out = False
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    @property
    def ids(self) -> Mapping[str, str]:
        """MLflow's ids of the study, without any before the store has answered."""
        return self._runs.ids

    def holds(self, identity: str, n_seeds: int) -> bool:
        """Whether a configuration is logged already, as far as the folder knows."""
        return self._runs.tracked.holds(identity, n_seeds)

    def log(self, result: ConfigurationResult) -> None:
        """Log one configuration as soon as the store takes it."""
        if not self._ending.is_set():
            try:
                self._jobs.put_nowait(result)
            except queue.Full:
                self._left_out = True
            return
        while not self._gives_up():
            try:
                return self._jobs.put(result, timeout=0.2)
            except queue.Full:
                continue

    def settle(self, again: Callable[[], None]) -> Mapping[str, str]:
        """Wait until the study has its place in the store, and return MLflow's ids.

        Parameters
        ----------
        again
            Offers everything that is in the ledger once more; called if something was left out.

        Returns
        -------
        dict
            The ids; without `run_id` if the store does not answer.
        """
        self._begin_to_end()
        while not self._opened.is_set() and not self._gives_up():
            self._opened.wait(0.05)
        if self._left_out or self._runs.reads_anew:
            again()
        return self._runs.ids

    def finish(self, result: StudyResult) -> dict[str, str]:
        """Log what is waiting and the result, and return MLflow's ids.

        The ids lack `run_id` if the store failed, of which a warning then tells.
        """
        self._begin_to_end()
        self._put_last(lambda: self._runs.log_result(result))
        return self._join()

    def close(self) -> None:
        """Log what is waiting and mark the study as interrupted, until a later run finishes it."""
        self._begin_to_end()
        self._put_last(self._runs.interrupt)
        self._join()

    def _begin_to_end(self) -> None:
        now = time.monotonic()
        if not (self._error and self._ending.is_set()):
            self._alive = now
        self._deadline = now + _PATIENCE + _PATIENCE_EACH * self._jobs.qsize()
        self._ending.set()

    def _put_last(self, job: Callable[[], object]) -> None:
        for last in (job, None):
            while not self._gives_up():
                try:
                    self._jobs.put(last, timeout=0.2)
                    break
                except queue.Full:
                    continue

    def _join(self) -> dict[str, str]:
        while self._thread.is_alive() and not self._gives_up():
            self._thread.join(0.05)
        ids = dict(self._runs.ids)
        if self._thread.is_alive() or self._error:
            ids.pop("run_id", None)
            _log.warning(self._warning())
        return ids

    def _gives_up(self) -> bool:
        """Whether the end of the run has waited long enough; tells the thread to stop."""
        now = time.monotonic()
        if not self._opened.is_set() and not self._error:
            is_late = now - self._alive > _OPENING
        else:
            is_late = now > self._deadline or now - self._alive > _SILENCE
        if is_late:
            self._abandoned.set()
        return self._abandoned.is_set()

    def _warning(self) -> str:
        reason = f" ({self._error})" if self._error else ""
        uri = self._runs.ids["uri"]
        where = " --tracking-uri URI" if lacks_password(uri) else ""
        return (
            f"MLflow at {uri} did not take everything{reason}; the results are complete in "
            f"{self._folder.path}, and 'thermometer sync {shlex.quote(str(self._folder.path))}"
            f"{where}' uploads what is missing"
        )

    def _work(self) -> None:
        with short_requests():
            if not self._persist(self._runs.open):
                return
            # Only now the store can take what waits.
            self._deadline = max(self._deadline, time.monotonic() + _PATIENCE)
            self._opened.set()
            for job in self._waiting_jobs():
                if not self._persist(job):
                    return

    def _waiting_jobs(self) -> Iterator[Callable[[], object]]:
        """Yield what is to be done; of configurations that wait, as many as the store takes."""
        results: list[ConfigurationResult] = []
        while True:
            job = self._jobs.get()
            while isinstance(job, ConfigurationResult):
                results.append(job)
                if len(results) >= self._runs.together or self._jobs.empty():
                    break
                job = self._jobs.get()
            if results:
                # Repeated until the store has them all.
                yield functools.partial(self._runs.log_configurations, tuple(results))
                results.clear()
            if job is None:
                return
            if not isinstance(job, ConfigurationResult):
                yield job

    def _persist(self, job: Callable[[], object]) -> bool:
        """Repeat a job until the store has done or refused it; return False if abandoned."""
        pause = _FIRST_PAUSE
        failed_before = self._error
        while not self._abandoned.is_set():
            try:
                job()
            except _AbandonedError:
                return False
            except Exception as error:
                self._error = redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:160]
                if self._opened.is_set() and is_refusal(error):
                    return True
            else:
                # What was refused stays refused, whatever succeeds later.
                self._error = failed_before
                return True
            if self._ending.is_set():
                self._abandoned.wait(min(pause, 1.0))
            else:
                self._ending.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return False

    def _beat(self) -> None:
        if self._abandoned.is_set():
            raise _AbandonedError
        self._alive = time.monotonic()
