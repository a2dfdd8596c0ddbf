"""The two designs of the main study, from the command to the report: trainings and wall time.

``python -m benchmarks.designs`` runs both and rewrites the section of docs/benchmarks.md, in
about three minutes on two quiet cores; ``--print`` prints it instead, ``--rounds N`` takes the
best of N.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.machine import ROOT, processor, publish, table

TITLE = "## Designs of a study"
DESIGNS = ("adaptive", "grid")
EXECUTORS = ("serial", "ray")
SETTINGS = (
    "comparison_batch_size=null",
    "comparison_temperature=null",
    "--no-tracking",
    "--quiet",
)
_KEY = "a[lazy,c=0.1]"


@dataclass(frozen=True)
class Taken:
    """One study from nothing."""

    trainings: int
    core_seconds: float
    """What the trainings took on their cores."""
    seconds: float
    """Wall time of the command."""
    law: str
    """a of T_lazy(0.1)."""


def run_study(design: str, executor: str) -> Taken:
    """Run the study in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        command = ["run", "critical-temperature", f"design={design}", *SETTINGS]
        options = ["--executor", executor, "--out", folder]
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "studies", *command, *options],
            env=environment,
            check=True,
            stdout=sys.stderr,
        )
        seconds = time.perf_counter() - started
        report = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))
        provenance = pd.read_csv(Path(folder) / "provenance.csv")
    a = report["estimates"][_KEY]
    return Taken(
        trainings=len(provenance),
        core_seconds=float(provenance.groupby("trial")["seconds"].first().sum()),
        seconds=seconds,
        law=f"{a['value']:.3f} ± {a['stderr']:.3f}",
    )


def section(rounds: int) -> str:
    """Return the section of the page; programs take turns, the best round counts."""
    load = os.getloadavg()[0]
    pairs = [(design, executor) for design in DESIGNS for executor in EXECUTORS]
    taken = [[run_study(*pair) for pair in pairs] for _ in range(rounds)]
    rows = []
    for (design, executor), each in zip(pairs, zip(*taken, strict=True), strict=True):
        best = min(each, key=lambda one: one.seconds)
        rows.append(
            [design, executor, str(best.trainings), f"{best.core_seconds:.1f}",
             f"{best.seconds:.1f}", best.law]
        )  # fmt: skip
    header = ["design", "executor", "trainings", "training, core seconds", "wall time, s",
              "a of T_lazy(0.1)"]  # fmt: skip
    text = (
        "`critical-temperature` on digits, five sizes P = 64..1024, without the comparison of "
        "batch sizes and without MLflow, from the command to the report. The adaptive design "
        "locates T_lazy(0.1) to 5 % per size, the grid measures everything with 32 seeds. "
        f"{processor()}, {os.cpu_count()} cores, load {load:.1f} at the start, best of {rounds} "
        f"round{'s' if rounds > 1 else ''} in turns. Rewritten by `make bench-designs`."
    )
    after = (
        "Over ten sequences of seeds the adaptive design took 50 to 68 trainings "
        "([verification](verification/adaptive.md))."
    )
    return "\n".join([TITLE, "", text, "", table(header, rows), "", after, ""])


def main() -> None:
    """Measure and write or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="rounds of which the best counts")
    parser.add_argument("--print", action="store_true", dest="shown", help="docs stay untouched")
    given = parser.parse_args()
    publish(section(given.rounds), given.shown)


if __name__ == "__main__":
    main()
