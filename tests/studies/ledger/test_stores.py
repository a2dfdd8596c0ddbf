"""Ledgers in databases, shared by drivers: the same table, nothing twice, nothing lost."""

import csv
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
from postgres import PASSWORD, QUOTED
from small_study import SMALL

from search_spaces import InvalidSettingError
from studies.ledger.choice import choose_database
from studies.ledger.claims import ShareStudyError
from studies.ledger.connection import StorageLostError, read_database
from studies.ledger.database import DatabaseLedger
from studies.ledger.sharing import SharedWork
from studies.plans.adaptive import AdaptiveWork, adaptive_distributions
from studies.plans.queue import PackQueue
from studies.results.status import read_status
from studies.specs.resolve import parse_override, resolve_spec
from studies.study import RunOptions, Study
from studies.units import Unit

STUDY = "critical-temperature"
TINY = {
    "n_train": [32, 64],
    "temperature": [0.01, 0.1],
    "comparison_batch_size": None,
    "comparison_temperature": None,
    "n_seeds": 2,
}
LONGER = (*SMALL, "n_seeds=32", "--executor", "serial", "--no-tracking")
N_LONGER = 40 * 32
QUIET = RunOptions(executor="serial", tracking=False)


def tiny(folder, storage=None, **settings):
    return Study(STUDY, resolve_spec(STUDY, {**TINY, **settings}), folder, storage)


def table_of(folder):
    return (folder / "table.csv").read_bytes()


@pytest.fixture
def open_driver():
    """What opens a driver's ledger, whose connections end with the test."""
    opened = []

    def open_one(url, name="shared", lease=60.0):
        opened.append(DatabaseLedger(read_database(url), name, writable=True, lease=lease))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shared.db"
    return request.getfixturevalue("postgres").create(tmp_path.name)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> bytes:
    """The table of the longer study, from one driver on a journal."""
    folder = tmp_path_factory.mktemp("undisturbed") / "study"
    overrides = dict(parse_override(text) for text in LONGER if "=" in text)
    Study(STUDY, resolve_spec(STUDY, overrides), folder).run(QUIET)
    return table_of(folder)


def test_every_store_gives_the_same_table_and_the_folder_remembers_it(tmp_path, url, monkeypatch):
    tiny(tmp_path / "journal").run(QUIET)
    assert tiny(tmp_path / "stored", url).run(QUIET).is_complete
    assert table_of(tmp_path / "stored") == table_of(tmp_path / "journal")
    assert not (tmp_path / "stored/ledger.journal").exists()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert read_status(tmp_path / "stored").done == 8
    again = Study.open(tmp_path / "stored").run(QUIET)
    assert (again.trained, again.is_complete) == (0, True)


def test_another_folder_joins_with_the_spec_of_the_database(tmp_path, url):
    tiny(tmp_path / "one", url).run(QUIET)
    with pytest.raises(InvalidSettingError, match=r"the study in .* was measured with n_seeds=2"):
        tiny(tmp_path / "two", url, n_seeds=1)
    grown = tiny(tmp_path / "two", url, n_seeds=3).run(QUIET)
    assert (grown.trained, grown.done) == (4, 12)
    # The first folder catches up with what the study has become.
    caught_up = Study(STUDY, resolve_spec(STUDY, {**TINY, "n_seeds": 3}), tmp_path / "one", url)
    assert caught_up.run(QUIET).trained == 0
    assert table_of(tmp_path / "one") == table_of(tmp_path / "two")


def refusal(folder, storage):
    with pytest.raises(InvalidSettingError) as caught:
        tiny(folder, storage).run(QUIET)
    assert not (folder / "spec.yaml").exists() or "ledger" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_a_store_is_refused_in_one_sentence_without_a_password(tmp_path, postgres):
    folder = tmp_path / "refused"
    here = postgres.url("postgres")
    sentences = {
        here.replace("+psycopg", ""): "write postgresql+psycopg://",
        f"mysql://me:{QUOTED}@host/db": "is not sqlite:///FILE or postgresql+psycopg://",
        "ledger.db": "is not sqlite:///FILE",
        f"postgresql+psycopg://me:{PASSWORD}@host:port/db": "percent-encoded",
        f"postgresql+psycopg://me:{QUOTED}@127.0.0.1:1/db": "no PostgreSQL server answers at",
        here.rpartition("/")[0]: "names no database",
        postgres.url("nowhere"): 'database "nowhere" does not exist',
        postgres.url("postgres", password="wrong-secret"): "the password comes from --storage",
        f"sqlite:///{tmp_path}/no/ledger.db": "is not a folder",
        f"sqlite:///{__file__}": "is not an SQLite database",
    }
    for storage, words in sentences.items():
        said = refusal(folder, storage)
        assert words in said
        assert not any(secret in said for secret in (PASSWORD, QUOTED, "wrong-secret"))
    assert not folder.exists()


def test_a_missing_driver_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.ledger.connection.importlib.util.find_spec", lambda name: None)
    said = refusal(tmp_path / "refused", f"postgresql+psycopg://me:{QUOTED}@127.0.0.1/db")
    assert "pip install 'psycopg[binary]'" in said


def test_a_folder_keeps_to_its_store(tmp_path, monkeypatch):
    tiny(tmp_path / "journal").run(QUIET)
    assert "keeps its ledger in ledger.journal" in refusal(
        tmp_path / "journal", f"sqlite:///{tmp_path}/new.db"
    )
    inside = tmp_path / "inside"
    tiny(inside, f"sqlite:///{inside.parent}/a.db").run(QUIET)
    assert "keeps its ledger in sqlite:///" in refusal(inside, f"sqlite:///{tmp_path}/b.db")
    # The environment names the store of new folders only.
    monkeypatch.setenv("THERMOMETER_STORAGE", f"sqlite:///{tmp_path}/c.db")
    assert choose_database(Study.open(tmp_path / "journal").folder) is None
    assert Study.open(inside).folder.held_storage().endswith("/a.db")
    tiny(tmp_path / "new").run(QUIET)
    assert (tmp_path / "new/storage.url").read_text() == f"sqlite:///{tmp_path}/c.db\n"


def expiry(url, moved_by=0.0):
    """Return when the first claim expires, after moving all of them in time."""
    database = read_database(url)
    engine = sqlalchemy.create_engine(database.url, **database.options)
    with engine.begin() as connection:
        move = sqlalchemy.text("UPDATE thermometer_claims SET expires = expires + :seconds")
        connection.execute(move, {"seconds": moved_by})
        found = connection.scalar(sqlalchemy.text("SELECT min(expires) FROM thermometer_claims"))
    engine.dispose()
    return found


def test_a_claim_is_exclusive_until_it_expires_or_is_given_back(url, open_driver):
    keys = {("a", 0), ("a", 1), ("b", 0)}
    # A driver renews three times within its lease; none may expire unasked on a busy machine.
    first, second = open_driver(url, lease=12.0), open_driver(url, lease=12.0)
    assert first.claims.take(keys) == keys
    assert first.claims.take(keys) == keys
    assert second.claims.take(keys | {("c", 0)}) == {("c", 0)}
    assert second.claims.held_by_others() == keys
    first.claims.release([("a", 0)])
    assert second.claims.take(keys) == {("a", 0)}
    with first, second:
        before = expiry(url)
        wait_until(lambda: expiry(url) > before)
        assert second.claims.take(keys) == {("a", 0)}, "a renewed claim was taken over"
    for ledger in (first, second):
        assert ledger.claims.held_by_others() == set()
    first.claims.take(keys)
    assert second.claims.take(keys) == set()
    expiry(url, moved_by=-20.0)
    # A server that has just started gives every driver a whole lease.
    wait_until(lambda: second.claims.take(keys) == keys)


def unit_of(seed):
    point = resolve_spec(STUDY, TINY).points()[0]
    return Unit(point, (seed,))


def record(ledger, unit):
    ledger.record(unit, [{"test_error": 0.1} for _ in unit.seeds], {}, "test_error", {})


def test_a_result_is_recorded_once_by_whoever_holds_its_claim(url, open_driver):
    one, other = open_driver(url, lease=1.0), open_driver(url, lease=1.0)
    unit = unit_of(0)
    key = (unit.point.identity, 0)
    one.claims.take([key])
    time.sleep(1.2)
    other.claims.take([key])
    record(one, unit)  # too late
    assert not one.is_settled(key)
    record(other, unit)
    record(other, unit)
    record(one, unit)
    assert one.is_settled(key)
    for ledger in (one, other):
        ledger.refresh()
        assert [block.seeds for block in ledger.blocks()] == [(0,)]


def test_a_ledger_reads_on_where_it_stopped(url, open_driver):
    one, other = open_driver(url), open_driver(url)
    statements = []
    sqlalchemy.event.listen(
        other._backend.engine,
        "before_cursor_execute",
        lambda *arguments: statements.append(arguments[2]),
    )

    def asked() -> int:
        statements.clear()
        other.refresh()
        return len(statements)

    running = one.study.ask()
    costs = []
    for seed in range(6):
        one.claims.take([(unit_of(seed).point.identity, seed)])
        record(one, unit_of(seed))
        costs.append(asked())
    assert asked() == 1
    assert len(set(costs[1:])) == 1
    # A trial that was asked for long ago may end at last.
    unit = unit_of(6)
    one.claim_study()
    record(one, Unit(unit.point, unit.seeds, running.number))
    other.refresh()
    assert other.done() == one.done() == {unit.point.identity: set(range(7))}
    assert [block.seeds for block in other.blocks()] == [(s,) for s in (6, *range(6))]


def test_results_survive_a_server_that_is_killed_while_they_are_written(postgres, open_driver):
    ledger = open_driver(postgres.create("killed"))
    done = threading.Event()

    def accidents():
        for _ in range(3):
            if done.wait(0.2):
                return
            postgres.kill()
            postgres.start()

    thread = threading.Thread(target=accidents)
    thread.start()
    seed = 0
    with ledger:
        while thread.is_alive() or seed < 20:
            unit = unit_of(seed)
            assert ledger.claims.take([(unit.point.identity, seed)])
            record(ledger, unit)
            seed += 1
            if seed == 1000:
                done.set()
        thread.join()
    stored = DatabaseLedger(read_database(postgres.url("killed")), "shared").blocks()
    assert sorted(block.seeds[0] for block in stored) == list(range(seed))


def test_a_database_that_stays_away_ends_the_run_with_a_sentence():
    away = read_database(f"postgresql+psycopg://me:{QUOTED}@127.0.0.1:1/db")
    with pytest.raises(StorageLostError, match="has not answered for 0 s; what was finished") as e:
        away.patiently(lambda: __import__("sqlalchemy").create_engine(away.url).connect(), 0.2)
    assert QUOTED not in str(e.value)
    assert e.value.exit_code == 3


def synthetic(unit):
    noise = np.random.default_rng([unit.seeds[0], unit.point.n_train]).normal()
    change = 0.1 * (unit.point.temperature / (4.8 * unit.point.n_train ** (-1 / 3))) ** 0.9
    row = {"stop_reason": "fitted", "relative_weight_change": change * np.exp(0.12 * noise)}
    return [{**row, "test_error": 0.1}]


def drive(works, ledgers, distributions):
    """Let drivers take turns; each holds one pack while the other works."""
    flying = [() for _ in works]
    while any(works) or any(flying):
        for k, (work, ledger) in enumerate(zip(works, ledgers, strict=True)):
            pack, flying[k] = flying[k], work.take() if work else ()
            for unit in pack:
                ledger.record(unit, synthetic(unit), {}, "test_error", distributions)
            if pack:
                work.settled(pack, 0.0)


def test_adaptive_curves_are_shared_training_by_training(tmp_path, open_driver):
    spec = resolve_spec(STUDY, {"design": "adaptive", "n_train": [64, 256]})
    found = []
    for n_drivers in (1, 2):
        url = f"sqlite:///{tmp_path}/{n_drivers}.db"
        ledgers = [open_driver(url) for _ in range(n_drivers)]
        works = [SharedWork(AdaptiveWork(spec, led), led, led.claims) for led in ledgers]
        drive(works, ledgers, adaptive_distributions(spec))
        blocks = DatabaseLedger(read_database(url), "shared").blocks()
        found.append(sorted((b.point.identity, b.seeds[0]) for b in blocks))
    assert found[0] == found[1]
    assert len(set(found[0])) == len(found[0])


def test_what_fails_elsewhere_is_not_tried_again_here(tmp_path, open_driver):
    ledgers = [open_driver(f"sqlite:///{tmp_path}/f.db") for _ in range(2)]
    point = resolve_spec(STUDY, TINY).points()[0]
    one, two = (SharedWork(PackQueue([(point, (0,))]), led, led.claims) for led in ledgers)
    pack = one.take()
    assert two.take() == ()
    assert two.awaits_others
    ledgers[0].record_failure(pack[0], "poison", {})
    one.settled(pack, 0.0)
    time.sleep(0.6)
    assert two.take() == ()
    assert not two
    assert not one


def test_a_sampler_takes_one_driver_at_a_time(tmp_path, url, open_driver):
    settings = {"sampler": "random", "n_trials": 2, "temperature": "log(0.03, 1)"}
    study = tiny(tmp_path / "one", url, **settings)
    spec = study.spec
    with open_driver(url, STUDY) as ledger:
        ledger.claim_study()
        with pytest.raises(ShareStudyError, match=f"driven by process {os.getpid()} on"):
            tiny(tmp_path / "two", url, **settings).run(QUIET)
    assert study.run(QUIET).is_complete
    assert spec.n_trainings() == 4


def trained(folder: Path) -> Counter:
    with (folder / "provenance.csv").open() as file:
        return Counter((row["point"], row["seed"]) for row in csv.DictReader(file))


def rows_or_none(postgres, database, query):
    try:
        return postgres.rows(database, query)
    except Exception:
        return []  # no tables yet


def wait_until(condition, *processes):
    deadline = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


def finish(process):
    output, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    return output + errors


def check(folder, undisturbed):
    assert table_of(folder) == undisturbed
    assert Counter(trained(folder).values()) == {1: N_LONGER}, "a training was repeated"


@pytest.fixture
def two_drivers(tmp_path, postgres, start_thermometer):
    """Start two drivers of the longer study in folders of their own; return them and the name."""
    name = tmp_path.name

    def start(*arguments):
        url = postgres.create(name)
        return [
            start_thermometer(
                tmp_path, "run", STUDY, *LONGER, "--storage", url, "--out", out, *arguments
            )
            for out in ("one", "two")
        ]

    def both_work():
        found = rows_or_none(postgres, name, "SELECT DISTINCT driver FROM thermometer_claims")
        return len(found) == 2

    return start, both_work, name


def test_a_driver_that_is_killed_leaves_its_claims_to_the_other(
    tmp_path, postgres, two_drivers, undisturbed
):
    start, both_work, name = two_drivers
    one, two = start("--lease", "3")
    wait_until(both_work, one, two)
    one.send_signal(signal.SIGKILL)
    one.wait()
    finish(two)
    check(tmp_path / "two", undisturbed)
    assert postgres.rows(name, "SELECT count(*) FROM thermometer_claims") == [(0,)]


def test_two_drivers_outlive_a_killed_server_and_write_no_password(
    tmp_path, postgres, two_drivers, undisturbed
):
    start, both_work, name = two_drivers
    drivers = start()
    wait_until(both_work, *drivers)
    for _ in range(2):
        postgres.kill()
        time.sleep(0.3)
        postgres.start()
        time.sleep(0.3)
    said = "".join(map(finish, drivers))
    for out in ("one", "two"):
        check(tmp_path / out, undisturbed)
    numbers = {
        file.name: file.read_bytes() for file in (tmp_path / "one").rglob("*.*") if file.is_file()
    }
    assert "storage.url" in numbers
    assert numbers["storage.url"].decode().strip() == postgres.shown(name)
    secrets = (PASSWORD, QUOTED)
    assert not any(s in said or s.encode() in b"".join(numbers.values()) for s in secrets)
