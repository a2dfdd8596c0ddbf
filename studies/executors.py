"""Where packs are trained: in this process, or as Ray tasks on all cores or a cluster.

An executor takes packs with :meth:`Executor.submit` and hands back finished ones with
:meth:`Executor.wait`, in any order. A pack whose worker died comes back with
:class:`WorkerDiedError` instead of results; what a unit raised is part of the results.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from typing import Any

from search_spaces import InvalidSettingError
from studies.packs import Pack
from studies.worker import Task, run_pack

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
    """Trains one pack after the other in this process."""

    def __init__(self, backend: str, task: Task = run_pack) -> None:
        super().__init__(backend, task)
        self._packs: deque[Pack] = deque()

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


class RayExecutor(Executor):
    """Trains packs as Ray tasks.

    Parameters
    ----------
    workers
        Number of local cores to use; None for all. Not with `address`.
    address
        A running cluster, ``HOST:PORT`` or ``auto``; None starts a private local one.
    gpus
        GPUs that a task occupies.

    Raises
    ------
    InvalidSettingError
        If the cluster cannot be reached.
    """

    def __init__(
        self,
        backend: str,
        task: Task = run_pack,
        workers: int | None = None,
        address: str | None = None,
        gpus: float = 0,
    ) -> None:
        super().__init__(backend, task)
        self._gpus = gpus
        if address is not None:
            _offer_token()
        import ray

        self._ray = ray
        self._cores = workers or os.cpu_count() or 1
        self._is_local = address is None
        if address is None:
            _start_local_ray(ray, self._cores)
        else:
            _join_cluster(ray, address)
        self._packs: dict[Any, Pack] = {}

    @property
    def capacity(self) -> int:
        # One pack runs and one waits on every core, so that no core waits for the driver.
        return 2 * max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @property
    def in_flight(self) -> int:
        return len(self._packs)

    def submit(self, pack: Pack) -> None:
        remote = self._ray.remote(_function(self.task)).options(
            num_cpus=1, num_gpus=self._gpus, max_retries=1
        )
        reference = remote.remote([unit.to_payload() for unit in pack], self.backend)
        self._packs[reference] = pack

    def wait(self, seconds: float) -> list[tuple[Pack, Results | WorkerDiedError]]:
        if not self._packs:
            return []
        references = list(self._packs)
        ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        if not ready:
            ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        if not ready and self._is_local and not self._has_live_node():
            self._restart()
        return [(self._packs.pop(reference), self._result(reference)) for reference in ready]

    def shutdown(self) -> None:
        self._packs.clear()
        self._ray.shutdown()

    def _has_live_node(self) -> bool:
        return any(node["Alive"] for node in self._ray.nodes())

    def _restart(self) -> None:
        """Start a new local Ray after its only node died, and submit what was in flight.

        Ray itself would wait for a node to join for ever.
        """
        _log.warning("the local Ray node died; starting a new one")
        packs = list(self._packs.values())
        self._packs.clear()
        self._ray.shutdown()
        _start_local_ray(self._ray, self._cores)
        for pack in packs:
            self.submit(pack)

    def _result(self, reference: Any) -> Results | WorkerDiedError:
        try:
            results: Results = self._ray.get(reference)
        except (self._ray.exceptions.RayError, OSError) as error:
            return WorkerDiedError(" ".join(str(error).split())[:300])
        return results


def _function(task: Task) -> Task:
    """Return a plain function, as Ray needs, for a task that may be a partial."""
    if not isinstance(task, functools.partial):
        return task

    def call(*arguments: Any) -> Results:
        return task(*arguments)

    return call


def _start_local_ray(ray: Any, cores: int) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # address="local": without it Ray would join any cluster already running on this machine.
    with _quiet():
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=200_000_000,
        )


def _offer_token() -> None:
    """Let Ray present its token to a cluster, if this user has one.

    `ray start` asks for a token by default since Ray 2.60, but a driver that joins presents it
    only if the mode is set before Ray is imported. Clusters without tokens ignore it.
    """
    has_token = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)
    if has_token or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _join_cluster(ray: Any, address: str) -> None:
    check_reachable(address)
    try:
        with _quiet():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidSettingError(f"no Ray cluster answers at {address}: {reason}") from None


def check_reachable(address: str) -> None:
    """Raise InvalidSettingError unless something listens at ``HOST:PORT`` (``auto`` passes)."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise InvalidSettingError(f"address={address!r} is not HOST:PORT, ray://HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidSettingError(f"no Ray cluster answers at {address}: {reason}") from None


@contextlib.contextmanager
def _quiet() -> Any:
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
