"""Which part of two cores a real study spends on training, once workers have started.

``python -m benchmarks.efficiency N_SEEDS`` trains the grid of critical-temperature through Ray,
with ledger and MLflow, and prints where the core seconds went as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.driving import drive
from studies.execution.executors import Executor
from studies.execution.ray_executor import RayExecutor
from studies.execution.worker import run_pack
from studies.ledger.base import Ledger
from studies.specs.resolve import resolve_spec
from studies.units import Unit

CORES = 2


def timed_pack(payload: list[dict[str, Any]], backend: str) -> list[dict[str, Any]]:
    """Train a pack in a worker and note the CPU seconds of it with its first unit."""
    begin = time.process_time()
    results = run_pack(payload, backend)
    spent = time.process_time() - begin
    results[0].setdefault("provenance", {})["cpu_seconds"] = spent
    return results


def start_workers(executor: Executor, unit: Unit) -> None:
    """Let every worker import what it needs and load the kernels."""
    for _ in range(2 * CORES):
        executor.submit((unit,))
    while executor.in_flight:
        executor.wait(1.0)


def tree_seconds() -> float:
    """Return the CPU seconds of this process and everything it started that still runs."""
    parents, seconds = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(words[1])
        seconds[int(entry.name)] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    ours, grown = {os.getpid()}, True
    while grown:
        found = {pid for pid, parent in parents.items() if parent in ours} - ours
        ours, grown = ours | found, bool(found)
    return sum(seconds.get(pid, 0.0) for pid in ours)


def measure(n_seeds: int) -> dict[str, Any]:
    """Return core seconds of the training phase, by what they were spent on."""
    spec = resolve_spec("critical-temperature", {"design": "grid", "n_seeds": n_seeds})
    backend = spec.experiment.check(spec)
    spec.experiment.prepare(spec, backend)
    plan = spec.planned()
    executor = RayExecutor(backend, task=timed_pack, workers=CORES)
    with tempfile.TemporaryDirectory() as folder:
        try:
            start_workers(executor, Unit(plan[0][0], (10**6,)))
            before = tree_seconds()
            times = drive(Path(folder) / "study", plan, executor)
            # The process that writes to MLflow has ended by now.
            all_of_us = tree_seconds() - before + times.uploader_cpu
        finally:
            executor.shutdown()
        blocks = Ledger(Path(folder) / "study/ledger.journal", "benchmark").blocks()
    training = sum(block.provenance.get("cpu_seconds", 0.0) for block in blocks)
    return {
        **times.to_dict(),
        "training_cpu": training,
        "ray_cpu": all_of_us - training - times.driver_cpu - times.uploader_cpu,
        "efficiency": training / (CORES * times.training_wall),
        "of_what_we_used": training / all_of_us,
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
