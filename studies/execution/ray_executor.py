"""Packs as Ray tasks, on this machine or on a cluster."""

from __future__ import annotations

import functools
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from studies.execution.cluster import Cluster, offer_token, places, quiet_ray
from studies.execution.executors import Executor, Lane, Results, WorkerDiedError, _log, task_on
from studies.execution.worker import Task, run_pack
from studies.provenance import code_hash
from studies.units import Pack


class ForeignCodeError(WorkerDiedError):
    """The node of a pack, which joined during the run, has no code of ours or another one."""


class RayExecutor(Executor):
    """Trains packs as Ray tasks.

    One pack runs and one waits in every place, so that no worker waits for the driver. Places
    are counted again and again: nodes may join and leave.

    Parameters
    ----------
    workers
        Number of local cores to use; None for all. Not with `address`.
    address
        A running cluster, ``HOST:PORT`` or ``auto``; None starts a private local one.
    lanes
        Where to train: on CPUs, on GPUs, or both.
    ship_code
        Send our code to the nodes of a cluster even if all have it.

    Raises
    ------
    InvalidSettingError
        If the cluster cannot be reached or its nodes cannot run our code.
    """

    def __init__(
        self,
        backend: str,
        task: Task = run_pack,
        workers: int | None = None,
        address: str | None = None,
        lanes: Sequence[Lane] = (Lane(),),
        ship_code: bool = False,
    ) -> None:
        super().__init__(backend, task)
        self._lanes = tuple(lanes)
        if address is not None:
            offer_token()
        import ray

        self._ray = ray
        self._cores = workers or os.cpu_count() or 1
        self._cluster: Cluster | None = None
        if address is None:
            _start_local_ray(ray, self._cores)
        else:
            self._cluster = Cluster(ray, address, ship_code)
        self._packs: dict[Any, tuple[Pack, Lane]] = {}
        self._remotes: dict[Lane, Any] = {}
        self._refused: set[Pack] = set()
        self._rooms: dict[Lane, int] = {}
        self._counted = -math.inf

    @property
    def capacity(self) -> int:
        if time.monotonic() - self._counted > 1:
            self._count()
        # Even an empty cluster gets work, since some start nodes only when there is any.
        return max(2, sum(self._rooms.values()))

    @property
    def in_flight(self) -> int:
        return len(self._packs)

    @property
    def place(self) -> str:
        return self._emptiest().device

    def submit(self, pack: Pack) -> None:
        self._send(pack, self._emptiest())

    def wait(self, seconds: float) -> list[tuple[Pack, Results | WorkerDiedError]]:
        if not self._packs:
            return []
        references = list(self._packs)
        ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        if not ready:
            ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        if not ready and self._is_cut_off():
            self._start_again()
        finished = []
        for reference in ready:
            pack, result = self._packs[reference][0], self._result(reference)
            if isinstance(result, ForeignCodeError) and pack not in self._refused:
                self._refused.add(pack)
                self._start_again()
                break
            del self._packs[reference]
            finished.append((pack, result))
        return finished

    def shutdown(self) -> None:
        self._packs.clear()
        self._ray.shutdown()

    def _emptiest(self) -> Lane:
        used = Counter(lane for _, lane in self._packs.values())
        return max(self._lanes, key=lambda each: self._rooms.get(each, 0) - used[each])

    def _count(self) -> None:
        """Count the places of every lane; a cluster that does not answer keeps those it had."""
        self._counted = time.monotonic()
        if self._cluster is None or self._cluster.answers():
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            for lane in self._lanes:
                self._rooms[lane] = 2 * sum(places(node, lane.gpus) for node in nodes)

    def _send(self, pack: Pack, lane: Lane) -> None:
        if lane not in self._remotes:
            function = _function(task_on(self.task, lane.device))
            self._remotes[lane] = self._ray.remote(function).options(
                num_cpus=1, num_gpus=lane.gpus, max_retries=1
            )
        payload = [unit.to_payload() for unit in pack]
        self._packs[self._remotes[lane].remote(payload, self.backend)] = pack, lane

    def _is_cut_off(self) -> bool:
        if self._cluster is not None:
            return self._cluster.is_cut_off()
        return not any(node["Alive"] for node in self._ray.nodes())

    def _start_again(self) -> None:
        """Join anew, or start a new local Ray, and submit what was in flight.

        Ray itself would wait for ever for the node to which this process was attached.
        """
        held = list(self._packs.values())
        self._packs.clear()
        self._remotes.clear()
        if self._cluster is not None:
            self._cluster.rejoin()
        else:
            _log.warning("the local Ray node died; starting a new one")
            self._ray.shutdown()
            _start_local_ray(self._ray, self._cores)
        for pack, lane in held:
            self._send(pack, lane)

    def _result(self, reference: Any) -> Results | WorkerDiedError:
        try:
            results: Results = self._ray.get(reference)
        except (self._ray.exceptions.RayError, OSError) as error:
            # Tasks catch what a measurement raises: a node that raises could not load them.
            raised = isinstance(error, self._ray.exceptions.RayTaskError)
            kind = ForeignCodeError if raised and self._cluster is not None else WorkerDiedError
            return kind(" ".join(str(error).split())[:300])
        codes = {each.get("provenance", {}).get("code", code_hash()) for each in results}
        if self._cluster is None or codes <= {code_hash()}:
            return results
        return ForeignCodeError(f"its node runs other code ({', '.join(sorted(codes))})")


def _function(task: Task) -> Task:
    """Return a plain function, as Ray needs, for a task that may be a partial."""
    if not isinstance(task, functools.partial):
        return task

    def call(*arguments: Any) -> Results:
        results: Results = task(*arguments)
        return results

    return call


def _start_local_ray(ray: Any, cores: int) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # address="local": without it Ray would join any cluster already running on this machine.
    with quiet_ray():
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=200_000_000,
        )
