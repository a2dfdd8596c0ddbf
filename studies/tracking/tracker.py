"""How a sweep logs to MLflow without ever waiting for it.

A process of its own (:mod:`studies.tracking.uploader`) talks to the store. The driver hands it
results through a pipe and looks for answers whenever a training has finished; neither ever
blocks. A process that dies is started again. What does not fit into the queue comes from the
ledger at the end. A run ends after seconds, not minutes, of silence: the folder is complete
without MLflow, and ``thermometer sync`` uploads what is missing.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import select
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

from studies.credentials import redacted_uri
from studies.folder import StudyFolder
from studies.processes import start_python
from studies.run_options import RunOptions
from studies.specs.spec import StudySpec
from studies.tracking.texts import describe
from studies.tracking.uploader import HURRY, INTERRUPTED
from studies.tracking.uri import absolute_uri, lacks_password, local_uri, note_store
from studies.tracking.values import ConfigurationResult, StudyResult, Subject

_log = logging.getLogger(__name__)

_WAITING = 10_000
"""Configurations that may wait for the store; more come from the ledger at the end."""
_SILENCE = 10.0
"""Seconds without an answer after which the end of a run gives up."""
_OPENING = 60.0
"""The same while the store is being opened: a new database first creates its tables."""
_PATIENCE, _PATIENCE_EACH = 30.0, 0.3
"""Longest wait at the end of a run for a slow store, and more for each waiting configuration."""
_STARTS = 3
"""How often the process is started before the store is left to ``thermometer sync``."""


class NullTracker:
    """Logs nothing."""

    ids: Mapping[str, str] = {}
    waiting = ""

    def on_open(self, compare: Callable[[], None]) -> None:
        """Never open."""

    def exchange(self) -> None:
        """Do nothing."""

    def taken(self) -> dict[str, int]:
        """Hold nothing."""
        return {}

    def log(self, result: ConfigurationResult) -> None:
        """Ignore a configuration."""

    def settle(self) -> Mapping[str, str]:
        """Return no ids."""
        return self.ids

    def finish(self, result: StudyResult) -> dict[str, str]:
        """Return no ids."""
        return {}

    def close(self) -> None:
        """Do nothing."""


class MlflowTracker:
    """The driver's side: hands over configurations and the study's result."""

    def __init__(self, subject: Subject, folder: StudyFolder) -> None:
        self._subject = subject
        self._folder = folder
        self.ids: Mapping[str, str] = {"uri": redacted_uri(subject.uri)}
        """MLflow's ids of the study, without any before the store has answered."""
        self._held: dict[str, int] = {}
        self._waiting: dict[str, ConfigurationResult] = {}
        self._compare: Callable[[], None] = lambda: None
        self._last: StudyResult | str | None = None
        self._ending = self._opened = self._done = self._abandoned = self._ended = False
        self._error = self._refusal = ""
        self._alive, self._deadline = time.monotonic(), float("inf")
        self._starts = 0
        self._unread = b""
        note_store(folder, subject.uri, subject.experiment)
        self._start()

    @property
    def pid(self) -> int:
        """Number of the process that uploads."""
        return self._process.pid

    @property
    def waiting(self) -> str:
        """What the end of a run waits for, in words; empty for nothing."""
        n = len(self._waiting)
        return f"waiting for MLflow to take {n} configurations" if n else ""

    def on_open(self, compare: Callable[[], None]) -> None:
        """Call `compare` when it is known what the store holds, and once more at the end."""
        self._compare = compare

    def holds(self, identity: str, n_seeds: int) -> bool:
        """Whether the store is known to hold the means of so many replicas."""
        return self._held.get(identity) == n_seeds

    def taken(self) -> dict[str, int]:
        """Return of how many replicas the store has the means or is about to get them."""
        return {**self._held, **{key: each.n_seeds for key, each in self._waiting.items()}}

    def log(self, result: ConfigurationResult) -> None:
        """Log one configuration as soon as the store takes it."""
        if self._ending or len(self._waiting) < _WAITING:
            self._waiting[result.identity] = result
            self._send(result)

    def settle(self) -> Mapping[str, str]:
        """Wait until the study has its place in the store, and return MLflow's ids.

        Returns
        -------
        dict
            The ids; without `run_id` if the store does not answer.
        """
        self._begin_to_end()
        while not self._opened and not self._gives_up():
            self.exchange(0.1)
        if self._opened:
            self._compare()
        return self.ids

    def finish(self, result: StudyResult) -> dict[str, str]:
        """Log what is waiting and the result, and return MLflow's ids.

        The ids lack `run_id` if the store failed, of which a warning then tells.
        """
        return self._end(result)

    def close(self) -> None:
        """Log what is waiting and mark the study as interrupted, until a later run finishes it."""
        self._end(INTERRUPTED)

    def exchange(self, seconds: float = 0.0) -> None:
        """Hand over what waits and take what is answered, for up to so many seconds."""
        if self._done or self._abandoned:
            return
        pipes = select.poll()
        pipes.register(self._stdout, select.POLLIN)
        if self._unsent:
            pipes.register(self._stdin, select.POLLOUT)
        ready = {pipe for pipe, _ in pipes.poll(1000 * seconds)}
        self._hand_over()
        if self._stdout not in ready:
            return
        answers = os.read(self._stdout, 1 << 20)
        *lines, self._unread = (self._unread + answers).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if not answers and not self._done:
            self._start_again()

    def _take(self, answer: dict[str, Any]) -> None:
        if "failed" in answer:
            self._error = answer["failed"]
            return
        self._alive = time.monotonic()
        # What was refused stays refused, whatever succeeds later.
        self._refusal = answer.get("refused", self._refusal)
        if "open" in answer:
            self._open(answer["open"], answer["held"])
        if "settled" in answer:
            identity, n_seeds = answer["settled"]
            self._held[identity] = n_seeds
            waiting = self._waiting.get(identity)
            if waiting is not None and waiting.n_seeds == n_seeds:
                del self._waiting[identity]
        self._done = "done" in answer
        if "alive" not in answer:
            self._error = self._refusal

    def _open(self, ids: Mapping[str, str], held: dict[str, int]) -> None:
        self.ids, self._held, self._opened = ids, held, True
        note_store(self._folder, self._subject.uri, self._subject.experiment, ids["run_id"])
        # Only now the store can take what waits.
        self._deadline = max(self._deadline, self._alive + self._patience)
        self._compare()

    def _start(self) -> None:
        self._starts += 1
        self._opened, self._alive = False, time.monotonic()
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        self._process = start_python(
            "studies.tracking.uploader", stdin=pipe, stdout=pipe, stderr=nowhere, bufsize=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._stdin, False)
        self._unsent, self._unread = bytearray(), b""
        hurry = HURRY if self._ending else None
        for message in (self._subject, *self._waiting.values(), hurry, self._last):
            if message is not None:
                self._send(message)

    def _send(self, message: Any) -> None:
        self._unsent += pickle.dumps(message)
        self._hand_over()

    def _hand_over(self) -> None:
        """Write what the pipe takes; that its reader is gone is heard from its answers."""
        try:
            while self._unsent and not self._abandoned:
                del self._unsent[: os.write(self._stdin, self._unsent)]
        except (BlockingIOError, BrokenPipeError):
            return

    def _start_again(self) -> None:
        """Start the process again that has died, or leave the store alone."""
        code = self._stop()
        if self._starts < _STARTS:
            return self._start()
        self._error = f"the process that uploads ended with code {code}"
        self._abandoned = True

    def _stop(self) -> int:
        """End the process, wherever it is: each of its steps can be repeated."""
        with self._process:
            self._process.kill()
            return self._process.wait()

    def _begin_to_end(self) -> None:
        now = time.monotonic()
        if not (self._error and self._ending):
            self._alive = now
        self._deadline = now + self._patience
        if not self._ending:
            self._send(HURRY)
        self._ending = True

    @property
    def _patience(self) -> float:
        return _PATIENCE + _PATIENCE_EACH * len(self._waiting)

    def _end(self, last: StudyResult | str) -> dict[str, str]:
        if self._ended:
            return {}
        self._begin_to_end()
        self._last = last
        self._send(last)
        while not self._done and not self._gives_up():
            self.exchange(0.1)
        ids = dict(self.ids)
        if not self._done or self._error:
            ids.pop("run_id", None)
            _log.warning(self._warning())
        if not self._abandoned:
            self._stop()
        self._ended = self._abandoned = True
        return ids

    def _gives_up(self) -> bool:
        """Whether the end of the run has waited long enough."""
        now = time.monotonic()
        if not self._opened and not self._error:
            is_late = now - self._alive > _OPENING
        else:
            is_late = now > self._deadline or now - self._alive > _SILENCE
        return is_late or self._abandoned

    def _warning(self) -> str:
        reason = f" ({self._error})" if self._error else ""
        uri = redacted_uri(self._subject.uri)
        where = " --tracking-uri URI" if lacks_password(uri) else ""
        return (
            f"MLflow at {uri} did not take everything{reason}; the results are complete in "
            f"{self._folder.path}, and 'thermometer sync {shlex.quote(str(self._folder.path))}"
            f"{where}' uploads what is missing"
        )


def start_tracker(
    folder: StudyFolder, spec: StudySpec, options: RunOptions
) -> MlflowTracker | NullTracker:
    """Start to log a study to the store that is asked for, if any is."""
    if not options.tracking:
        return NullTracker()
    given = options.tracking_uri
    uri = local_uri(folder) if given is None else absolute_uri(given)
    return MlflowTracker(describe(folder, spec, uri, options.experiment_name), folder)
