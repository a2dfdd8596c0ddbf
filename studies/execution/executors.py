"""Where packs are trained: in this process, or as Ray tasks on all cores or a cluster.

An executor takes packs with :meth:`Executor.submit` and hands back finished ones with
:meth:`Executor.wait`, in any order. A pack whose worker died comes back with
:class:`WorkerDiedError` instead of results; what a unit raised is part of the results.
"""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Any

from studies.execution.worker import Task, run_pack
from studies.units import CPU, Pack

_log = logging.getLogger(__name__)

Results = list[dict[str, Any]]


class WorkerDiedError(RuntimeError):
    """The worker of a pack died, after Ray's own retries."""


class Executor(ABC):
    """Runs packs; not thread-safe; the driver is its only user.

    Parameters
    ----------
    backend
        The trainers' backend, fixed for a study.
    task
        What is run for a pack.
    """

    def __init__(self, backend: str, task: Task = run_pack) -> None:
        self.backend = backend
        self.task = task

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many packs may be in flight."""

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """How many packs are in flight."""

    @property
    def place(self) -> str:
        """The kind of device on which the next pack will be trained."""
        return CPU

    @abstractmethod
    def submit(self, pack: Pack) -> None:
        """Take a pack; the caller keeps `in_flight` within `capacity`."""

    @abstractmethod
    def wait(self, seconds: float) -> list[tuple[Pack, Results | WorkerDiedError]]:
        """Return packs that finished, after at most about `seconds` if none does."""

    @abstractmethod
    def shutdown(self) -> None:
        """Release the workers; packs in flight are dropped."""


class SerialExecutor(Executor):
    """Trains one pack after the other in this process, on one device."""

    def __init__(self, backend: str, task: Task = run_pack, device: str = CPU) -> None:
        super().__init__(backend, task_on(task, device))
        self._device = device
        self._packs: deque[Pack] = deque()

    @property
    def place(self) -> str:
        return self._device

    @property
    def capacity(self) -> int:
        return 1

    @property
    def in_flight(self) -> int:
        return len(self._packs)

    def submit(self, pack: Pack) -> None:
        self._packs.append(pack)

    def wait(self, seconds: float) -> list[tuple[Pack, Results | WorkerDiedError]]:
        if not self._packs:
            return []
        pack = self._packs.popleft()
        return [(pack, self.task([unit.to_payload() for unit in pack], self.backend))]

    def shutdown(self) -> None:
        self._packs.clear()


@dataclass(frozen=True)
class Lane:
    """A kind of place where packs are trained, and what a task occupies there."""

    device: str = CPU
    gpus: float = 0
    """GPUs per task; a fraction lets several tasks share one."""


def task_on(task: Task, device: str) -> Task:
    """Return a task that measures on a device."""
    return task if device == CPU else functools.partial(task, device=device)


class ClusterLostError(RuntimeError):
    """The cluster does not answer any more; what was finished is in the ledger."""
