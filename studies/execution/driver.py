"""The one loop that plans, submits, and writes down what came back.

Workers compute, the driver writes. Every finished pack is in the ledger before the next one is
awaited, so a driver killed at any moment loses only what was still being trained.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution

from studies.execution.executors import ClusterLostError, Executor, Results, WorkerDiedError
from studies.execution.interrupt import Interrupt
from studies.execution.progress import Progress
from studies.ledger.base import Ledger
from studies.units import CPU, Pack, Unit, Work, halve

_log = logging.getLogger(__name__)

Listener = Callable[[Unit, list[dict[str, Any]]], None]


@dataclass
class Budget:
    """Limits after which a run stops early; it can be continued later."""

    max_points: int | None = None
    """Trainings to do in this run."""
    max_hours: float | None = None
    _start: float = field(default_factory=time.monotonic)

    def left(self, submitted: int) -> int | None:
        """Return how many more trainings may be submitted; None for any number."""
        hours = (time.monotonic() - self._start) / 3600
        if self.max_hours is not None and hours >= self.max_hours:
            return 0
        return None if self.max_points is None else max(0, self.max_points - submitted)

    def without(self, trained: int) -> Budget:
        """Return what is left of it after so many trainings; the clock runs on."""
        return Budget(self.left(trained), self.max_hours, self._start)


@dataclass
class Outcome:
    """What one run did."""

    trained: int = 0
    """Trainings finished in this run."""
    failed: int = 0
    """Trainings given up in this run."""
    interrupted: bool = False

    def and_then(self, later: Outcome) -> Outcome:
        """Return what both did, one after the other."""
        return Outcome(
            self.trained + later.trained,
            self.failed + later.failed,
            self.interrupted or later.interrupted,
        )


class Driver:
    """Keeps the executor busy and the ledger up to date.

    Parameters
    ----------
    provenance
        What this driver adds to what each worker says of itself.
    on_unit
        Called after a unit is in the ledger, for tracking.
    """

    def __init__(
        self,
        ledger: Ledger,
        executor: Executor,
        distributions: dict[str, BaseDistribution],
        objective: str,
        provenance: Mapping[str, str],
        on_unit: Listener,
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._distributions = distributions
        self._objective = objective
        self._provenance = dict(provenance)
        self._on_unit = on_unit
        self._submitted = 0

    def run(
        self,
        work: Work,
        progress: Progress,
        budget: Budget,
        interrupt: Interrupt,
    ) -> Outcome:
        """Train until the work is done, the budget is spent or the user interrupts."""
        outcome = Outcome()
        while True:
            outcome.interrupted = interrupt.requested
            if not outcome.interrupted:
                self._submit(work, budget)
            if self._executor.in_flight == 0:
                if outcome.interrupted or not self._may_wait(work, budget):
                    return outcome
                progress.reach(self._ledger.n_done)
                progress.say("waiting for what other drivers are training")
                time.sleep(0.1)
                continue
            if outcome.interrupted:
                progress.say("finishing what is running; Ctrl-C again stops at once")
            try:
                finished = self._executor.wait(0.1)
            except ClusterLostError as error:
                _log.warning("%s; what was finished is saved, the same command continues", error)
                return outcome
            for pack, results in finished:
                self._settle(work, pack, results, progress, outcome)

    def _may_wait(self, work: Work, budget: Budget) -> bool:
        return work.awaits_others and budget.left(self._submitted) != 0

    def _submit(self, work: Work, budget: Budget) -> None:
        while work and self._executor.in_flight < self._executor.capacity:
            left = budget.left(self._submitted)
            pack = work.take(left, self._executor.place) if left != 0 else ()
            if not pack:
                return
            self._submitted += sum(len(unit.seeds) for unit in pack)
            self._executor.submit(pack)

    def _settle(
        self,
        work: Work,
        pack: Pack,
        results: Results | WorkerDiedError,
        progress: Progress,
        outcome: Outcome,
    ) -> None:
        if isinstance(results, WorkerDiedError):
            parts = halve(pack)
            if len(parts) > 1:
                for part in parts:
                    work.put_back(part)
                self._submitted -= sum(len(unit.seeds) for unit in pack)
                return
            results = [{"error": f"the worker died: {results}"} for _ in pack]
        with self._ledger.together():
            for unit, result in zip(pack, results, strict=True):
                self._record(unit, result, outcome)
        # Finished means on the disk: only now the others may know.
        for unit, result in zip(pack, results, strict=True):
            if "error" not in result:
                self._on_unit(unit, result["rows"])
        progress.reach(self._ledger.n_done)
        work.settled(pack, sum(_seconds(result) for result in results), _place(results))

    def _record(self, unit: Unit, result: dict[str, Any], outcome: Outcome) -> None:
        if "error" in result:
            self._ledger.record_failure(unit, result["error"], self._distributions)
            _log.warning("%s failed: %s", unit.point.identity, result["error"])
            outcome.failed += len(unit.seeds)
            return
        provenance = {**result["provenance"], **self._provenance}
        self._ledger.record(unit, result["rows"], provenance, self._objective, self._distributions)
        outcome.trained += len(unit.seeds)


def _place(results: Results) -> str:
    """Return the kind of device on which a pack was trained; names of GPUs do not matter."""
    devices = (str(each["provenance"].get("device", CPU)) for each in results if "rows" in each)
    return next(devices, CPU).partition(":")[0]


def _seconds(result: dict[str, Any]) -> float:
    return float(result.get("provenance", {}).get("seconds", 0.0))
