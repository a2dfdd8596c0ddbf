"""The process that writes to MLflow, so that neither the driver nor its sweep waits for a store.

``python -m studies.tracking.uploader`` is started by :mod:`studies.tracking.tracker`. It reads
from its standard input, as pickles, a :class:`Subject`, then any number of
:class:`ConfigurationResult`, ``HURRY`` when the run is about to end, and last a
:class:`StudyResult`, or ``INTERRUPTED``. It answers with lines of JSON: what the store holds when
it is open, each configuration that it has logged or refused, that it answers, and why it does
not.

What fails is repeated with growing pauses. If the driver dies, so does this process; whoever
comes next finds in the store what is missing (:mod:`studies.tracking.runs`).
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO, TextIO

from studies.credentials import redacted
from studies.tracking.client import is_refusal, short_requests
from studies.tracking.runs import StudyRuns
from studies.tracking.values import ConfigurationResult, StudyResult, Subject

HURRY, INTERRUPTED = "hurry", "interrupted"

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_AT_THE_END = 0.5, 30.0, 1.0
_BEAT = 0.5
"""Seconds between two answers of the store of which the driver hears."""


class Inbox:
    """Reads what the driver says, so that it never waits; ends this process when it is gone."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._results: dict[str, ConfigurationResult] = {}
        self._last: StudyResult | str | None = None
        self.hurries = threading.Event()
        """Set when the driver waits for what is left."""
        self.subject: Subject = pickle.load(stream)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                message = pickle.load(self._stream)
            except (EOFError, OSError, pickle.UnpicklingError):
                os._exit(0)
            if not isinstance(message, ConfigurationResult):
                self.hurries.set()
            self._messages.put(message)

    def next(self) -> ConfigurationResult | StudyResult | str:
        """Return what to log; of a configuration that grew while it waited, the latest."""
        while not self._messages.empty() or not (self._results or self._last):
            message = self._messages.get()
            if isinstance(message, ConfigurationResult):
                self._results.pop(message.identity, None)
                self._results[message.identity] = message
            elif message != HURRY:
                self._last = message
        if self._results:
            return self._results.pop(next(iter(self._results)))
        assert self._last is not None
        return self._last


class Uploader:
    """Logs what comes in until all is done."""

    def __init__(self, inbox: Inbox, answers: TextIO) -> None:
        self._inbox = inbox
        self._answers = answers
        self._told = 0.0
        self._runs = StudyRuns(inbox.subject, self._beat)

    def run(self) -> None:
        """Open the store, log all configurations and then what is last."""
        self._persist(self._runs.open)
        self._say(open=self._runs.ids, held=self._runs.held)
        while True:
            job = self._inbox.next()
            if isinstance(job, ConfigurationResult):
                self._persist(lambda job=job: self._runs.log_configuration(job))  # type: ignore[misc]
                self._say(settled=[job.identity, job.n_seeds])
                continue
            if isinstance(job, StudyResult):
                self._persist(lambda job=job: self._runs.log_result(job))  # type: ignore[misc]
            else:
                self._persist(self._runs.interrupt)
            return self._say(done=True)

    def _persist(self, job: Callable[[], object]) -> None:
        """Repeat a job until the store has done or refused it."""
        pause = _FIRST_PAUSE
        while True:
            try:
                job()
            except Exception as error:
                reason = redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:160]
                if self._runs.ids.get("run_id") and is_refusal(error):
                    return self._say(refused=reason)
                self._say(failed=reason)
            else:
                return None
            if self._inbox.hurries.is_set():
                time.sleep(min(pause, _LONGEST_AT_THE_END))
            else:
                self._inbox.hurries.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _beat(self) -> None:
        if time.monotonic() - self._told > _BEAT:
            self._say(alive=True)

    def _say(self, **what: Any) -> None:
        self._told = time.monotonic()
        self._answers.write(json.dumps(what) + "\n")
        self._answers.flush()


def main() -> None:
    """Serve the driver that started this process."""
    # What a library prints is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with short_requests():
        Uploader(Inbox(sys.stdin.buffer), answers).run()


if __name__ == "__main__":
    main()
