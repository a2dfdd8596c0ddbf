"""Speed of whole sweeps; run by `make bench-sweep`.

``python -m benchmarks.sweep`` writes docs/benchmarks-sweep.md; ``--quick`` prints a shorter page.
Every case runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.busy import products_in
from benchmarks.machine import processor, table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks-sweep.md"
NAMES = {
    "thermometer": "this driver",
    "tune": "Ray Tune, OptunaSearch, MLflowLoggerCallback",
    "optimize": "study.optimize(n_jobs=2), MLflow",
}
LONGEST = 900.0
"""Seconds after which a case is given up."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    sizes: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    alone: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    """Trainings of one seed per configuration, without MLflow."""
    cpus: tuple[int, ...] = (2, 8, 32, 64)
    rate_seconds: float = 3.0
    short: tuple[int, int, int] = (1500, 40, 200)
    """Trainings of 10 ms, by program."""
    long: tuple[int, int, int] = (40, 16, 20)
    """Trainings of 1 s."""
    n_seeds: int = 256


QUICK = Plan((100, 1000), (100, 1000), (2, 64), 1.0, (200, 8, 40), (8, 4, 4), 32)


def run_case(module: str, *arguments: object) -> dict[str, Any]:
    """Run a case in a process of its own and return what it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    print(*command[2:], file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(found, file=sys.stderr, flush=True)
    return found


def cost_rows(plan: Plan) -> tuple[list[list[str]], str]:
    """Measure the driver's cost per training against the number of trainings, and per run."""
    rows, once = [], {}
    cases = [(n, 32, 1) for n in plan.sizes] + [(n, 256, 1) for n in plan.sizes]
    for n, n_seeds, tracking in [*cases, *((n, 1, 0) for n in plan.alone)]:
        found = run_case("driver_cost", "cost", n, n_seeds, tracking)
        trained = found["trained"]
        if found["left"] or not found["table_is_current"]:
            raise RuntimeError(f"the ledger of {trained} trainings came back incomplete")
        each = [1e3 * found[key] / trained for key in ("driver_cpu", "loop_cpu", "tables_cpu")]
        logged = "off" if not tracking else f"{each[0] - each[1] - each[2]:.3f}"
        per_run = f"{1e3 * found['uploader_cpu'] / found['runs']:.0f}" if tracking else "off"
        once["on" if tracking else "off"] = f"{1e3 * found['once_cpu']:.0f} ms"
        if tracking and found["runs"] < round(trained / n_seeds):
            per_run += f" ({found['runs']} runs; the store was too slow for the rest)"
        rows.append(
            [
                str(n_seeds),
                str(trained),
                *(f"{value:.3f}" for value in each),
                logged,
                per_run,
                f"{found['reopen_cpu']:.2f}",
                f"{found['megabytes']:.0f}",
            ]
        )
    paid_once = " and ".join(f"{cost} with MLflow {state}" for state, cost in once.items())
    return rows, paid_once


def rate_rows(plan: Plan) -> list[list[str]]:
    """Measure the driver's rate on imaginary CPUs."""
    rows = []
    for cpus in plan.cpus:
        found = run_case("driver_cost", "rate", cpus, 2.5, 256, plan.rate_seconds)
        per_second = found["trained"] / found["training_wall"]
        rows.append(
            [
                str(cpus),
                f"{per_second:.0f}",
                f"{100 * per_second / (cpus / 2.5e-3):.0f} %",
                f"{100 * found['loop_cpu'] / found['training_wall']:.0f} %",
            ]
        )
    return rows


def program_rows(trainings: tuple[int, int, int], seconds: float) -> list[list[str]]:
    """Let the programs train for so long each, in turns."""
    products = products_in(1e3 * seconds)
    rates, logged = {}, {}
    for program, n in zip(NAMES, trainings, strict=True):
        found = run_case("sweep_programs", program, n, products, seconds)
        # A training counts when its run is in the store.
        rates[program] = 60 * found["runs"] / found["wall"]
        logged[program] = found["runs"]
    return [
        [
            f"{seconds:g} s",
            NAMES[program],
            f"{n}, {logged[program]}",
            f"{rates[program]:.1f}",
            f"{rates['thermometer'] / rates[program]:.1f}",
        ]
        for program, n in zip(NAMES, trainings, strict=True)
    ]


def efficiency_rows(n_seeds: int) -> tuple[list[list[str]], str]:
    """Measure where two cores spend their time during a real study."""
    found = run_case("efficiency", n_seeds)
    core_seconds = 2 * found["training_wall"]
    shares = {
        "training": found["training_cpu"],
        "driver: ledger, packs": found["loop_cpu"],
        "the process that writes to MLflow, until all is there": found["uploader_cpu"],
        "Ray's processes and the workers outside of trainings": found["ray_cpu"],
    }
    rows = [[what, f"{s:.1f}", f"{100 * s / core_seconds:.1f} %"] for what, s in shares.items()]
    summary = (
        f"{found['trained']} trainings in {found['training_wall']:.1f} s: parallel efficiency "
        f"{found['efficiency']:.3f}. Of all core seconds that the study used, MLflow and tables "
        f"included, {100 * found['of_what_we_used']:.0f} % were training; the largest memory of "
        f"the driver was {found['megabytes']:.0f} MB."
    )
    return rows, summary


def sharing_text() -> str:
    """Measure two drivers on one study and say what they did."""
    found = run_case("sharing")
    if "skipped" in found:
        return f"Not measured: {found['skipped']}."
    one, two = found["1"], found["2"]
    repeated, missing = one["repeated"] + two["repeated"], one["missing"] + two["missing"]
    parts = " and ".join(map(str, two["by driver"]))
    return (
        f"One driver: {one['rate']:.0f} trainings per second. Two drivers: {two['rate']:.0f} per "
        f"second together, {two['rate'] / one['rate']:.2f} times as many ({parts} trainings). "
        f"Trainings repeated: {repeated}, missing: {missing}."
    )


def write_page(plan: Plan) -> str:
    """Measure everything and return the page."""
    programs = program_rows(plan.short, 0.01) + program_rows(plan.long, 1.0)
    (cost, paid_once), rates = cost_rows(plan), rate_rows(plan)
    shares, summary = efficiency_rows(plan.n_seeds)
    sharing = sharing_text()
    versions = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna", "mlflow"))
    return f"""# Benchmarks of sweeps

Written by `make bench-sweep`. {processor()}, {os.cpu_count()} cores, {versions}.

## Against Ray Tune and study.optimize

Every training is a configuration of its own with an MLflow run of its own (SQLite), on two workers. A training is a fixed number of matrix products. Start of Ray, imports and the tables of the store are not counted; starting workers is. The driver trains a plan, the others ask Optuna's default sampler. Programs run one after the other. Counted is the time until all its runs are in the store: this driver's uploader works beside the trainings on the same two cores, and is waited for.

{table(["training", "program", "trainings, runs logged", "trainings per minute", "this driver is faster by"], programs)}

## Cost of the driver per training

CPU milliseconds of the driver's process for each training, with trainings that take no time (a synthetic executor), after two seeds of another configuration: *all* is *loop* (packs, journal on the disk, means of configurations, handing them over), *tables* (`table.csv`, `provenance.csv`) and *MLflow* (waiting for what is left at the end). *Uploader*: CPU milliseconds of the process of its own that writes to MLflow, through its client alone, for each run, one per configuration; in none of the others. Included in all of them is what a run pays once, even if it trains nothing: {paid_once}. *Reopening*: CPU seconds from a finished folder to the knowledge that nothing is missing. *Memory*: the driver's largest, with the libraries (about 150 MB).

{table(["seeds per configuration", "trainings", "all, ms", "loop", "tables", "MLflow", "uploader, ms per run", "reopening, s", "memory, MB"], cost)}

## Rate of the driver

Trainings of 2.5 ms, 256 seeds per configuration, MLflow on, on imaginary CPUs behind the seam of the executors. *Sustained*: of what the CPUs could train. *Busy*: share of the time in which the driver's thread computes.

{table(["CPUs", "trainings per second", "sustained", "busy"], rates)}

## Parallel efficiency

`critical-temperature design=grid n_seeds={plan.n_seeds}` on two cores, through Ray, ledger and MLflow on, after the workers have started. {summary}

{table(["core seconds of the training phase", "s", "share of two cores"], shares)}

## Two drivers on one PostgreSQL study

Each driver trains in its own process, on one core, and they share what is left through claims. The rate is from the moment at which all are at work to the last record. {sharing}
"""  # noqa: E501


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases; docs stay untouched")
    quick = parser.parse_args().quick
    page = write_page(QUICK if quick else Plan())
    if quick:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
