"""The driver with everything that a study has around it but the report, timed.

The parts are those of ``Study.run``: ledger, packs, driver, the process that writes to MLflow,
tables.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studies.contracts import Configuration
from studies.execution.driver import Budget, Driver
from studies.execution.executors import Executor
from studies.execution.interrupt import Interrupt
from studies.execution.progress import Progress
from studies.ledger.base import Ledger
from studies.plans.queue import PackQueue
from studies.plans.samplers import planned_distributions
from studies.results.table import provenance_rows, table_rows, to_csv
from studies.run_options import RunOptions
from studies.specs.spec import StudySpec
from studies.study import Study
from studies.tracking.feed import ConfigurationFeed
from studies.tracking.tracker import start_tracker
from studies.tracking.uri import local_uri

Plan = Sequence[tuple[Configuration, tuple[int, ...]]]


@dataclass(frozen=True)
class Times:
    """What a run took; CPU seconds are of the driver's process, unless others are named."""

    trained: int
    wall: float
    """Of the training phase, with MLflow's last run and the tables."""
    training_wall: float
    """Until the last training is in the ledger."""
    driver_cpu: float
    """Of the whole phase."""
    loop_cpu: float
    """Of the thread that plans, submits and records."""
    tables_cpu: float
    uploader_cpu: float
    """Of the process that writes to MLflow, after it has started."""
    megabytes: float
    """Largest memory of the process so far."""
    runs: int
    """Configurations that MLflow's store holds."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def small_spec(n_seeds: int = 1) -> StudySpec:
    """Return the spec that the parent run of MLflow shows."""
    plain = {"study": "benchmark", "n_train": [64], "temperature": [0.1], "batch_size": 1}
    return StudySpec.from_plain({**plain, "n_seeds": n_seeds})


def drive(
    folder: Path,
    plan: Plan,
    executor: Executor,
    objective: str = "test_error",
    tracking: bool = True,
    before: Plan = (),
) -> Times:
    """Train a plan in a new folder; what is to be trained before the clock starts, too."""
    study = Study("benchmark", small_spec(), folder)
    study.folder.create()
    n_seeds = {point.identity: len(seeds) for point, seeds in (*before, *plan)}
    distributions = planned_distributions([point for point, _ in (*before, *plan)])
    # The database gets its tables here: that is start, not training.
    options = RunOptions(tracking=tracking)
    start_tracker(study.folder, study.spec, options).close()
    tracker = start_tracker(study.folder, study.spec, options)
    ledger = Ledger(study.folder.ledger, "benchmark", writable=True)
    feed = ConfigurationFeed(ledger, n_seeds, 1, tracker)
    while tracking and "run_id" not in tracker.ids:
        tracker.exchange(0.01)
    driver = Driver(ledger, executor, distributions, objective, {}, feed.add)
    with Interrupt() as interrupt, Progress(None, quiet=True) as progress:
        driver.run(PackQueue(before), progress, Budget(), interrupt)
        while tracking and tracker.waiting:
            tracker.exchange(0.01)
        uploader = cpu_of(tracker.pid) if tracking else 0.0
        begin, cpu, loop = time.perf_counter(), time.process_time(), time.thread_time()
        outcome = driver.run(PackQueue(plan), progress, Budget(), interrupt)
    trained, loop_end = time.perf_counter(), time.thread_time()
    study.folder.write(study.folder.table, to_csv(table_rows(ledger.blocks())))
    study.folder.write(study.folder.provenance, to_csv(provenance_rows(ledger.blocks())))
    tables = time.thread_time() - loop_end
    others = cpu_of_children()
    tracker.close()
    wall, driver_cpu = time.perf_counter() - begin, time.process_time() - cpu
    return Times(
        trained=outcome.trained,
        wall=wall,
        training_wall=trained - begin,
        driver_cpu=driver_cpu,
        loop_cpu=loop_end - loop,
        tables_cpu=tables,
        uploader_cpu=cpu_of_children() - others - uploader,
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        # The parent is a run as well.
        runs=n_runs(local_uri(study.folder)) - 1 - len(before) if tracking else 0,
    )


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process that runs."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_children() -> float:
    """Return the CPU seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def n_runs(uri: str) -> int:
    """Return how many finished runs a store holds."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiments = [found.experiment_id for found in client.search_experiments()]
    runs, token = 0, None
    while True:
        page = client.search_runs(experiments, max_results=1000, page_token=token)
        runs += len(page)
        token = page.token
        if not token:
            return runs
