"""What a study costs per training does not grow with what is already done: operations, counted."""

from __future__ import annotations

import csv
import io
import os
import tracemalloc

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from search_spaces import SearchSpace
from studies.execution.driver import Budget, Driver
from studies.execution.executors import SerialExecutor
from studies.execution.interrupt import Interrupt
from studies.execution.progress import Progress
from studies.ledger import base as ledger_module
from studies.ledger.base import Ledger
from studies.plans.queue import PackQueue
from studies.plans.samplers import planned_distributions
from studies.results.table import provenance_rows, table_rows, to_csv
from studies.units import Unit

SPACE = SearchSpace(
    n_train=[64, 128, 256, 512, 1024],
    temperature={"low": 0.001, "high": 1.0, "per_decade": 20},
    batch_size=1,
    n_seeds=2,
)


def rows_of(unit: Unit) -> list[dict]:
    return [
        {"stop_reason": "fitted", "test_error": 0.1 + 0.001 * seed, "training_time": 3.0}
        for seed in unit.seeds
    ]


def record(ledger: Ledger, units: list[Unit]) -> None:
    for unit in units:
        ledger.record(unit, rows_of(unit), {"seconds": 0.002}, "test_error", {})


@pytest.fixture
def n_parsed(monkeypatch) -> list[int]:
    """Count how often the ledger builds a configuration from a record."""
    count = [0]
    read = ledger_module.read_configuration

    def counting(plain):
        count[0] += 1
        return read(plain)

    monkeypatch.setattr(ledger_module, "read_configuration", counting)
    return count


def ask_everything(ledger: Ledger) -> tuple[int, int, int]:
    return len(ledger.blocks()), ledger.n_done, len(ledger.failures())


def test_a_trial_is_read_once_however_often_the_ledger_is_asked(tmp_path, n_parsed):
    units = [Unit(point, (0, 1)) for point in SPACE.points()]
    ledger = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    for unit in units:
        record(ledger, [unit])
        ask_everything(ledger)
    assert ask_everything(ledger) == (len(units), 2 * len(units), 0)
    assert n_parsed[0] == 0, "the driver knows what it wrote"
    again = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    for _ in range(3):
        assert ask_everything(again) == (len(units), 2 * len(units), 0)
    assert n_parsed[0] == len(units)


def test_a_ledger_knows_what_it_wrote_as_a_reopened_one_does(tmp_path):
    points = SPACE.points()
    ledger = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    record(ledger, [Unit(point, (0, 1)) for point in points[:5]])
    ledger.record_failure(Unit(points[5], (0, 1)), "no luck", {})
    ledger.record_failure(Unit(points[6], (0, 1)), "no luck", {})
    record(ledger, [Unit(points[6], (1,))])
    again = Ledger(tmp_path / "ledger.journal", "s")
    assert ledger.blocks() == again.blocks()
    assert ledger.failures() == again.failures()
    assert [failure.seeds for failure in again.failures()] == [(0, 1), (0,)]
    assert dict(ledger.done()) == dict(again.done())


def test_a_reader_sees_what_was_written_since_after_a_refresh(tmp_path):
    points = SPACE.points()
    writer = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    record(writer, [Unit(points[0], (0, 1))])
    written = (tmp_path / "ledger.journal").stat().st_mtime_ns
    reader = Ledger(tmp_path / "ledger.journal", "s")
    assert (tmp_path / "ledger.journal").stat().st_mtime_ns == written
    record(writer, [Unit(points[1], (0, 1))])
    assert reader.n_done == 2
    reader.refresh()
    assert reader.blocks() == writer.blocks()
    assert [block.point for block in reader.blocks_after(1)] == [points[1]]


@pytest.fixture
def n_syncs(monkeypatch) -> list[int]:
    """Count what is forced to the disk."""
    count = [0]
    sync = os.fsync

    def counting(descriptor):
        count[0] += 1
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", counting)
    return count


def test_a_pack_is_one_write_whatever_was_written_before(tmp_path, n_syncs):
    units = [Unit(point, (0, 1)) for point in SPACE.points()]
    ledger = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    n_syncs[0] = 0
    for k in range(0, len(units), 20):
        with ledger.together():
            record(ledger, units[k : k + 20])
    assert n_syncs[0] == -(-len(units) // 20)
    record(ledger, units[:1])
    assert n_syncs[0] == -(-len(units) // 20) + 1


def test_the_driver_forces_each_pack_to_the_disk_once(tmp_path, n_syncs):
    n_packs = [0]

    def made_up(payload, backend):
        n_packs[0] += 1
        rows = [{"stop_reason": "fitted", "test_error": 0.1}]
        return [
            {"rows": rows * len(unit["seeds"]), "provenance": {"seconds": 0.001}}
            for unit in payload
        ]

    ledger = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    known = []
    driver = Driver(
        ledger,
        SerialExecutor("numba", made_up),
        planned_distributions(SPACE.points()),
        "test_error",
        {},
        lambda unit, rows: known.append((unit, n_syncs[0])),
    )
    n_syncs[0] = 0
    work = PackQueue((point, range(200)) for point in SPACE.points())
    with Interrupt() as interrupt, Progress(None, quiet=True) as progress:
        outcome = driver.run(work, progress, Budget(), interrupt)
    assert outcome.trained == 200 * len(SPACE.points()) == ledger.n_done
    assert 2 < n_packs[0] == n_syncs[0] < len(SPACE.points())
    assert min(n for _, n in known) == 1, "nobody hears of a unit that is not on the disk"


def test_optuna_reads_and_continues_the_journal(tmp_path):
    path = tmp_path / "ledger.journal"
    units = [Unit(point, (0, 1)) for point in SPACE.points()[:6]]
    ledger = Ledger(path, "s", writable=True)
    with ledger.together():
        record(ledger, units[:3])
        assert ledger.n_done == 6
        assert len(path.read_bytes().splitlines()) == 1, "nothing before the end of the group"
    study = optuna.load_study(
        storage=JournalStorage(JournalFileBackend(str(path))), study_name="s"
    )
    assert [trial.value for trial in study.trials] == [0.1005] * 3
    # Somebody else writes, and the ledger goes on behind it.
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    with ledger.together():
        record(ledger, units[3:5])
    record(ledger, units[5:])
    assert [block.trial for block in ledger.blocks()] == [0, 1, 2, 4, 5, 6]
    assert Ledger(path, "s").blocks() == ledger.blocks()
    assert not (tmp_path / "ledger.journal.lock").is_symlink()


def test_a_group_that_is_broken_off_keeps_what_it_holds(tmp_path):
    ledger = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    units = [Unit(point, (0, 1)) for point in SPACE.points()[:2]]

    def broken_off():
        with ledger.together():
            record(ledger, units)
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        broken_off()
    assert Ledger(tmp_path / "ledger.journal", "s").n_done == 4


def test_a_damaged_record_is_found_when_the_ledger_is_opened(tmp_path):
    path = tmp_path / "ledger.journal"
    record(Ledger(path, "s", writable=True), [Unit(p, (0, 1)) for p in SPACE.points()[:3]])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"[]\n", *lines[3:]]))
    ledger = Ledger(path, "s", writable=True)
    assert ledger.repairs == ["set aside 1 damaged records of ledger.journal"]
    assert ledger.n_done == 4


def test_a_full_disk_leaves_no_half_record(tmp_path):
    path = tmp_path / "ledger.journal"
    ledger = Ledger(path, "s", writable=True)
    record(ledger, [Unit(SPACE.points()[0], (0, 1))])
    whole = path.read_bytes()
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal = pytest.importorskip("signal")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            record(ledger, [Unit(SPACE.points()[1], (0, 1))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == whole


def test_the_table_is_that_of_all_rows_at_once(tmp_path):
    """Columns that only some rows have, curves, empty cells, replicas that were done twice."""
    ledger = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    for number, point in enumerate(SPACE.points()[:7]):
        rows = [{"a": 0.1 * seed, f"own_{number % 3}": None, "curve": [1, 2]} for seed in (0, 1)]
        rows[1]["curve"] = "none"
        ledger.record(Unit(point, (1, 0)), rows, {"host": f"h{number % 2}, x"}, "a", {})
    record(ledger, [Unit(SPACE.points()[3], (0, 1, 2))])
    for made in (table_rows(ledger.blocks()), provenance_rows(ledger.blocks())):
        rows = list(made)
        assert len(made) == len(rows)
        columns = list(dict.fromkeys(name for row in rows for name in row))
        expected = io.StringIO()
        writer = csv.DictWriter(expected, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        assert to_csv(made) == expected.getvalue()
    assert len(table_rows(ledger.blocks())) == 15


def test_planned_work_looks_at_each_point_a_fixed_number_of_times(monkeypatch):
    points = SPACE.points()
    count = [0]
    to_dict = type(points[0]).to_dict

    def counting(point):
        count[0] += 1
        return to_dict(point)

    monkeypatch.setattr(type(points[0]), "to_dict", counting)
    distributions = planned_distributions(points)
    assert {"n_train", "temperature", "batch_size", "alpha"} <= set(distributions)
    assert count[0] == len(points)


def filled(path, n_units: int, n_seeds: int = 1) -> Ledger:
    """Return a ledger with so many units; a point has many of them, each with other seeds."""
    points = SPACE.points()
    ledger = Ledger(path, "s", writable=True)
    with ledger.together():
        for n in range(n_units):
            first = n_seeds * (n // len(points))
            seeds = tuple(range(first, first + n_seeds))
            record(ledger, [Unit(points[n % len(points)], seeds)])
    return ledger


def test_ten_thousand_units_are_read_once_each_when_they_are_reopened(tmp_path, n_parsed):
    path = tmp_path / "ledger.journal"
    filled(path, 10_000)
    n_parsed[0] = 0
    again = Ledger(path, "s", writable=True)
    assert again.n_done == 10_000 == len(table_rows(again.blocks()))
    assert n_parsed[0] == 10_000


def test_a_table_is_never_in_memory_as_rows(tmp_path):
    ledger = filled(tmp_path / "ledger.journal", 100, 32)
    rows = table_rows(ledger.blocks())
    tracemalloc.start()
    try:
        table = to_csv(rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert table.count("\n") == 3201
    # The text, and the buffer it grew in.
    assert peak < 4 * len(table) + 1e6
