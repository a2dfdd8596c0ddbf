"""Random accidents to studies on a real cluster: nothing finished is lost, repeated or changed.

The long form is `make chaos`, which writes docs/verification/chaos.md; the short one is a test.
"""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import arms
import chaos
import pytest
from mlflow_process import MlflowProcess
from ray_nodes import MARK, Nodes, kill, marked

PAGE = Path(__file__).resolve().parents[2] / "docs/verification/chaos.md"
SWEEP = arms.Sweep((64, 128, 192), (0.003, 0.03, 0.3), n_seeds=384)
JOURNAL = {
    "kill -9": 16,
    "worker": 30,
    "node": 8,
    "SIGTERM": 8,
    "SIGINT": 6,
    "two SIGINTs": 4,
    "MLflow server": 6,
    "truncated ledger": 12,
    "disk full": 10,
}

DATABASE = {
    "kill -9": 16,
    "worker": 24,
    "node": 8,
    "SIGTERM": 8,
    "SIGINT": 6,
    "two SIGINTs": 4,
    "MLflow server": 6,
    "database": 20,
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, run_thermometer) -> bytes:
    home = tmp_path_factory.mktemp("undisturbed")
    arguments = ["--executor", "serial", "--no-tracking", "--out", "study"]
    done = run_thermometer(home, "run", *SWEEP.settings, *arguments, timeout=1200)
    assert done.returncode == 0, done.stderr
    return (home / "study/table.csv").read_bytes()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A cluster of three nodes; afterwards no process that it or its drivers started is left."""
    cluster = Nodes(tmp_path_factory.mktemp("nodes"))
    os.environ[MARK] = cluster.mark
    try:
        cluster.start(1, 1, 1)
        yield cluster
    finally:
        del os.environ[MARK]
        cluster.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory, nodes):
    running = MlflowProcess(tmp_path_factory.mktemp("mlflow"))
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def database_arms(nodes):
    """One arm on a PostgreSQL server of its own; none without its programs."""
    postgres = pytest.importorskip("postgres", reason="needs the extra cluster")
    programs = postgres.find_programs()
    if programs is None:
        yield []
        return
    with postgres.running_server(programs) as database:

        def outage() -> None:
            database.kill()
            time.sleep(2)
            database.start()

        yield [arms.Arm("postgresql", DATABASE, database.create, database.rows, outage)]


def check_nothing_is_left(nodes: Nodes) -> None:
    """Once its drivers ended, a cluster runs no task; once it is asked to stop, nothing."""

    def drivers():
        return {p: w for p, w in marked(nodes.mark).items() if "studies" in w or "ray::run" in w}

    await_none(drivers)
    for node in reversed(nodes.nodes):
        kill(node.pid, signal.SIGTERM)
        node.wait(60)
    nodes.nodes.clear()
    await_none(
        lambda: {p: w for p, w in marked(nodes.mark).items() if "ray" in w or "studies" in w}
    )


def await_none(find, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while find() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not find(), "stray processes"


@pytest.mark.chaos
def test_campaign(home, nodes, server, undisturbed, database_arms):
    n_events, seed = int(os.environ.get("EVENTS", "100")), int(os.environ.get("SEED", "0"))
    minutes = float(os.environ.get("MINUTES", "inf"))
    every = [arms.Arm("journal", JOURNAL), *database_arms]
    calm = threading.Lock()

    def run(arm: arms.Arm, share: int) -> arms.Tally:
        campaign = chaos.Campaign(
            home / arm.name, nodes, server, SWEEP, undisturbed, arm, seed, calm
        )
        return campaign.run(share, 60 * minutes)

    # All at once, on the same nodes and the same MLflow server.
    with ThreadPoolExecutor() as pool:
        running = {
            arm.name: pool.submit(run, arm, n_events // len(every) + (k < n_events % len(every)))
            for k, arm in enumerate(every)
        }
    tallies = {name: future.result() for name, future in running.items()}
    check_nothing_is_left(nodes)
    write_page(tallies, seed)
    assert [wrong for tally in tallies.values() for wrong in tally.wrong] == []


def write_page(tallies, seed) -> None:
    kinds = list(dict.fromkeys(kind for tally in tallies.values() for kind in tally.events))
    lines = [PAGE_TEXT, f"| event | {' | '.join(tallies)} |", f"| --- |{' --- |' * len(tallies)}"]
    for kind in kinds:
        counts = (tally.events[kind] for tally in tallies.values())
        lines.append(f"| {kind} | {' | '.join(map(str, counts))} |")
    totals = {
        "**events**": lambda t: t.events.total(),
        "studies finished": lambda t: t.rounds,
        "drivers started": lambda t: t.drivers,
        "trainings in the ledgers": lambda t: t.trainings,
        "records cut by an event, trained again": lambda t: t.mended,
        "**departures from what must hold**": lambda t: len(t.wrong),
    }
    for label, count in totals.items():
        lines.append(f"| {label} | {' | '.join(str(count(t)) for t in tallies.values())} |")
    skipped = {kind: why for tally in tallies.values() for kind, why in tally.skipped.items()}
    lines += ["", *(f"Skipped: {kind}, {why}." for kind, why in skipped.items())]
    lines += [f"- {wrong}" for tally in tallies.values() for wrong in tally.wrong]
    PAGE.write_text("\n".join(lines).rstrip() + f"\n\nSeed {seed}.\n", encoding="utf-8")


PAGE_TEXT = f"""# A campaign of accidents

Studies of {SWEEP.n_trainings} trainings on a Ray cluster of three nodes, logged to an MLflow \
server; random accidents while they run. Its driver is started again whenever it ended.

Rewritten by `make chaos`.
"""
