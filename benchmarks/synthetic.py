"""Any number of imaginary CPUs behind the seam of the executors, to measure the driver alone.

A pack comes back after the time that its trainings would take on one of the CPUs, with made-up
rows in the columns of a study. Rows cross a pickle, as those of a Ray task do, so that the
driver's share of that cost is counted.
"""

from __future__ import annotations

import heapq
import pickle
import time
from functools import cache
from typing import Any

import numpy as np

from studies.execution.executors import Executor, Results, WorkerDiedError
from studies.units import Pack

N_ROWS = 512
_LAYERS = {f"relative_weight_change_layer_{k}": 0.02 for k in range(1, 5)}
_TYPICAL: dict[str, Any] = {
    "backend": "numba",
    "stop_reason": "fitted",
    "relative_weight_change": 0.01,
    "weight_norm": 111.0,
    "training_time": 50.0,
    "n_steps": 507,
    "n_presentations": 507,
    "n_updates": 41,
    "n_violators_used": 41,
    "test_error": 0.1,
    "train_error": 0.0,
    "margin_min": 4.5,
    "margin_q05": 11.0,
    "margin_q50": 23.0,
    "margin_q95": 43.0,
    **_LAYERS,
}
"""The columns of a training of a network with three hidden layers."""


@cache
def made_up_rows() -> list[dict[str, Any]]:
    """Return rows whose numbers have as many digits as measured ones."""
    factors = np.random.default_rng(0).uniform(0.9, 1.1, N_ROWS)
    return [
        {k: v * f if isinstance(v, float) else v for k, v in _TYPICAL.items()}
        for f in map(float, factors)
    ]


class SyntheticExecutor(Executor):
    """Takes packs like Ray on `cpus` CPUs; training takes `seconds` per replica.

    Parameters
    ----------
    cpus
        Packs that run at the same time; twice as many may be in flight, as with Ray.
    seconds
        Of one training; 0 gives every pack back at once.
    """

    def __init__(self, cpus: int, seconds: float) -> None:
        super().__init__("numba")
        self._cpus = cpus
        self._seconds = seconds
        self._free_at = [0.0] * cpus
        self._flying: list[tuple[float, int, Pack]] = []
        self._n_submitted = 0
        self._answers: dict[int, bytes] = {}
        self.waited = 0.0
        """Seconds that the driver slept because no pack was ready."""

    @property
    def capacity(self) -> int:
        return 2 * self._cpus

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    def submit(self, pack: Pack) -> None:
        begin = max(time.perf_counter(), heapq.heappop(self._free_at))
        end = begin + self._seconds * sum(len(unit.seeds) for unit in pack)
        heapq.heappush(self._free_at, end)
        self._n_submitted += 1
        heapq.heappush(self._flying, (end, self._n_submitted, pack))

    def wait(self, seconds: float) -> list[tuple[Pack, Results | WorkerDiedError]]:
        if not self._flying:
            return []
        pause = min(seconds, self._flying[0][0] - time.perf_counter())
        if pause > 0:
            begin = time.perf_counter()
            time.sleep(pause)
            self.waited += time.perf_counter() - begin
        ready: list[tuple[Pack, Results | WorkerDiedError]] = []
        while self._flying and self._flying[0][0] <= time.perf_counter():
            pack = heapq.heappop(self._flying)[2]
            ready.append((pack, [pickle.loads(self._answer(len(u.seeds))) for u in pack]))
        return ready

    def shutdown(self) -> None:
        self._flying.clear()

    def _answer(self, n_seeds: int) -> bytes:
        if n_seeds not in self._answers:
            rows = [made_up_rows()[k % N_ROWS] for k in range(n_seeds)]
            provenance = {"host": "nowhere", "pid": 1, "architecture": "x86_64"}
            provenance |= {"version": "0.1.0", "seconds": self._seconds * n_seeds}
            # Pickled one by one, rows share no object afterwards.
            rows = [pickle.loads(pickle.dumps(row)) for row in rows]
            self._answers[n_seeds] = pickle.dumps({"rows": rows, "provenance": provenance})
        return self._answers[n_seeds]
