"""What the driver costs per training, against how many are done and how many CPUs work for it.

``python -m benchmarks.driver_cost CASE`` measures one case with a synthetic executor in a process
of its own and prints it as JSON; :mod:`benchmarks.sweep` runs the cases and writes the page.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.driving import Plan, drive
from benchmarks.synthetic import SyntheticExecutor
from search_spaces import SearchSpace
from studies.ledger.base import Ledger
from studies.plans.queue import PackQueue, expected_seconds
from studies.results.table import table_rows, to_csv
from studies.specs.spec import StudySpec

SIZES = (64, 128, 256, 512, 1024)


def planned(n_configurations: int, n_seeds: int) -> StudySpec:
    """Return a spec of about so many configurations."""
    n_temperatures = -(-n_configurations // len(SIZES))
    temperatures = [round(0.001 * 1000 ** (k / n_temperatures), 9) for k in range(n_temperatures)]
    sizes = list(SIZES[: max(1, min(len(SIZES), n_configurations))])
    space = SearchSpace(n_train=sizes, temperature=temperatures, batch_size=1, n_seeds=n_seeds)
    return StudySpec.from_plain({"study": "benchmark", **space.to_plain()})


def plan_of(n_trainings: int, n_seeds: int, more: int = 0) -> Plan:
    """Return so many trainings, whole configurations of so many seeds, and some more of them."""
    n_configurations = max(1, round(n_trainings / n_seeds)) + more
    return planned(n_configurations, n_seeds).planned()[:n_configurations]


def cost(n_trainings: int, n_seeds: int, tracking: bool) -> dict[str, Any]:
    """Return what a run costs the driver, and its reopening, with trainings that take no time.

    Two seeds are trained before the clock starts: what they import and prepare is start.
    `once_cpu` is what a run costs that trains nothing more.
    """
    (first, seeds), *plan = plan_of(n_trainings, n_seeds, more=1)
    before = [(first, seeds[:2])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study"
        executor = SyntheticExecutor(2, 0.0)
        once = drive(Path(folder) / "empty", [], executor, tracking=tracking, before=before)
        times = drive(path, plan, executor, tracking=tracking, before=before)
        return {
            **times.to_dict(),
            "once_cpu": once.driver_cpu,
            "n_seeds": n_seeds,
            **_reopening(path, 1 + len(plan), n_seeds),
        }


def _reopening(path: Path, n_configurations: int, n_seeds: int) -> dict[str, Any]:
    """Return the CPU seconds from a finished folder to the knowledge that nothing is missing."""
    begin = time.process_time()
    spec = planned(n_configurations, n_seeds)
    ledger = Ledger(path / "ledger.journal", "benchmark", writable=True)
    done = ledger.done()
    left = PackQueue(
        (point, [seed for seed in seeds if seed not in done.get(point.identity, ())])
        for point, seeds in spec.planned()[1:n_configurations]
    )
    opened = time.process_time() - begin
    table = to_csv(table_rows(ledger.blocks()))
    return {
        "left": bool(left),
        "reopen_cpu": opened,
        "table_cpu": time.process_time() - begin - opened,
        "table_is_current": (path / "table.csv").read_text(encoding="utf-8") == table,
        "megabytes_reopened": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def rate(cpus: int, milliseconds: float, n_seeds: int, seconds: float) -> dict[str, Any]:
    """Return the trainings per second that the driver sustains on so many imaginary CPUs."""
    n = int(cpus * seconds / (1e-3 * milliseconds))
    plan = plan_of(n, n_seeds)
    expected_seconds(plan[0][0])
    executor = SyntheticExecutor(cpus, 1e-3 * milliseconds)
    with tempfile.TemporaryDirectory() as folder:
        times = drive(Path(folder) / "study", plan, executor)
    return {
        **times.to_dict(),
        "cpus": cpus,
        "n_seeds": n_seeds,
        "milliseconds": milliseconds,
        "waited": executor.waited,
    }


def main() -> None:
    """Command line: the arguments of :func:`cost` or :func:`rate`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=("cost", "rate"))
    parser.add_argument("numbers", type=float, nargs="+")
    given = parser.parse_args()
    numbers = given.numbers
    if given.case == "cost":
        found = cost(int(numbers[0]), int(numbers[1]), bool(numbers[2]))
    else:
        found = rate(int(numbers[0]), numbers[1], int(numbers[2]), numbers[3])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
