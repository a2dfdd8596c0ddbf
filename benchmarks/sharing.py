"""Two drivers of one study on PostgreSQL against one: their combined speed, and repetitions.

``python -m benchmarks.sharing`` starts a server of its own and prints what it found as JSON.
Every driver trains in its own process, so that a driver is a core.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.postgres import Server, find_programs, running_server

N_TRAIN, TEMPERATURE, N_SEEDS = [256, 512, 1024], [0.01, 0.03, 0.1, 0.3, 1.0], 384
SETTINGS = (
    "critical-temperature",
    f"n_train={N_TRAIN}",
    f"temperature={TEMPERATURE}",
    f"n_seeds={N_SEEDS}",
    "comparison_batch_size=null",
    "comparison_temperature=null",
)
N_TRAININGS = len(N_TRAIN) * len(TEMPERATURE) * N_SEEDS


def rate(server: Server, home: Path, drivers: int) -> dict[str, Any]:
    """Return what so many drivers did together, by the times of their records."""
    name = f"drivers{drivers}"
    url = server.create(name)
    folders = [home / f"{name}-{k}" for k in range(drivers)]
    arguments = ["--executor", "serial", "--no-tracking", "--quiet", "--storage", url]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "studies", "run", *SETTINGS, *arguments, "--out", str(folder)],
            stdout=subprocess.DEVNULL,
        )
        for folder in folders
    ]
    if any(process.wait() for process in running):
        raise RuntimeError(f"one of {drivers} drivers failed")
    rows = list(csv.DictReader((folders[-1] / "provenance.csv").open(encoding="utf-8")))
    by_pid: dict[str, list[float]] = {}
    for row in rows:
        by_pid.setdefault(row["pid"], []).append(float(row["finished"]))
    # From when all drivers were at work to the end.
    begin = max(min(times) for times in by_pid.values())
    times = [float(row["finished"]) for row in rows]
    counted = sum(time > begin for time in times)
    trainings = Counter((row["point"], row["seed"]) for row in rows)
    return {
        "rate": counted / (max(times) - begin),
        "repeated": sum(n > 1 for n in trainings.values()),
        "missing": N_TRAININGS - len(trainings),
        "by driver": sorted(map(len, by_pid.values())),
    }


def measure() -> dict[str, Any]:
    """Return what one and two drivers did, or why that could not be measured."""
    programs = find_programs()
    if programs is None:
        return {"skipped": "no PostgreSQL server is installed"}
    with tempfile.TemporaryDirectory() as home, running_server(programs) as server:
        return {str(n): rate(server, Path(home), n) for n in (1, 2)}


if __name__ == "__main__":
    print(json.dumps(measure()))
