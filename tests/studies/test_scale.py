"""What a study costs per training does not grow with what is already done: operations, counted."""

from __future__ import annotations

import pytest

from search_spaces import SearchSpace
from studies import ledger as ledger_module
from studies.ledger import Ledger
from studies.packs import Unit

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
    assert n_parsed[0] == len(units)
    n_parsed[0] = 0
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
    reader = Ledger(tmp_path / "ledger.journal", "s")
    record(writer, [Unit(points[1], (0, 1))])
    assert reader.n_done == 2
    reader.refresh()
    assert reader.blocks() == writer.blocks()
    assert [block.point for block in reader.blocks_after(1)] == [points[1]]
