"""What it costs to record a unit: journal, SQLite, PostgreSQL.

``python -m benchmarks.stores [URL]...`` records synthetic units of 32 seeds, the stores taking
turns, and prints milliseconds per unit: of the processor, and on the wall.
"""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from search_spaces import SearchSpace
from studies.ledger.base import Ledger
from studies.ledger.connection import read_database
from studies.ledger.database import DatabaseLedger
from studies.ledger.sharing import SharedWork
from studies.plans.queue import PackQueue
from studies.plans.samplers import planned_distributions
from studies.units import Work

SEEDS = tuple(range(32))
ROUNDS, UNITS = 5, 40
ROW: dict[str, Any] = {
    "stop_reason": "fitted",
    "relative_weight_change": 0.1234567890123,
    "test_error": 0.0123456789,
    "training_time": 1.234567890123,
    "n_updates": 12345,
    "n_presentations": 123456,
    "weight_norm": 111.23456789,
    "backend": "cpu",
}


def main(urls: list[str]) -> None:
    """Measure the journal, SQLite and every database given."""
    space = SearchSpace(
        n_train=[64], batch_size=1, temperature={"low": 1e-3, "high": 1.0, "per_decade": 70}
    )
    points = space.points()[: ROUNDS * UNITS]
    distributions = planned_distributions(points)
    with tempfile.TemporaryDirectory() as home:
        ledgers: dict[str, Ledger] = {"journal": Ledger(Path(home) / "j", "s", writable=True)}
        for url in (f"sqlite:///{home}/ledger.db", *urls):
            database = read_database(url)
            name = f"bench-{uuid.uuid4().hex[:8]}"
            ledgers[database.url.drivername] = DatabaseLedger(database, name, writable=True)
        spent = {name: [0.0, 0.0] for name in ledgers}
        for first in range(0, len(points), UNITS):
            for name, ledger in ledgers.items():
                work: Work = PackQueue((point, SEEDS) for point in points[first : first + UNITS])
                if isinstance(ledger, DatabaseLedger) and ledger.claims is not None:
                    work = SharedWork(work, ledger, ledger.claims)
                cpu, wall = _record_all(work, ledger, distributions)
                spent[name] = [spent[name][0] + cpu, spent[name][1] + wall]
        for name, (cpu, wall) in spent.items():
            each = 1000 / len(points)
            print(f"{name:20s} {cpu * each:7.2f} ms CPU {wall * each:7.2f} ms wall per unit")


def _record_all(work: Work, ledger: Ledger, distributions: dict[str, Any]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    while pack := work.take():
        for unit in pack:
            rows = [dict(ROW) for _ in unit.seeds]
            ledger.record(unit, rows, {"seconds": 0.1}, "test_error", distributions)
        work.settled(pack, 0.0)
    return time.process_time() - cpu, time.perf_counter() - wall


if __name__ == "__main__":
    main(sys.argv[1:])
