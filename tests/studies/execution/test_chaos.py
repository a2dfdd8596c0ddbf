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

PAGE = Path(__file__).resolve().parents[3] / "docs/verification/chaos.md"
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


def stray_processes(nodes: Nodes) -> list[str]:
    """Stop a cluster whose drivers have ended; return what was still running, or goes on."""

    def drivers():
        return {p: w for p, w in marked(nodes.mark).items() if "studies" in w or "ray::run" in w}

    left = await_none(drivers)
    for node in reversed(nodes.nodes):
        kill(node.pid, signal.SIGTERM)
        node.wait(60)
    nodes.nodes.clear()
    return left + await_none(
        lambda: {p: w for p, w in marked(nodes.mark).items() if "ray" in w or "studies" in w}
    )


def await_none(find, seconds: float = 60) -> list[str]:
    """Wait until nothing is found; return what still is."""
    deadline = time.monotonic() + seconds
    while find() and time.monotonic() < deadline:
        time.sleep(0.5)
    return [words[:100] for words in find().values()]


@pytest.mark.chaos
def test_campaign(home, nodes, server, undisturbed, database_arms):
    n_events, seed = int(os.environ.get("EVENTS", "100")), int(os.environ.get("SEED", "0"))
    minutes = float(os.environ.get("MINUTES", "inf"))
    every = [arms.Arm("journal", JOURNAL), *database_arms]
    shares = [n_events // len(every) + (k < n_events % len(every)) for k in range(len(every))]
    calm, page = threading.Lock(), Page(seed)
    # All at once, on the same nodes and the same MLflow server.
    campaigns = {
        arm.name: chaos.Campaign(
            home / arm.name, nodes, server, SWEEP, undisturbed, arm, seed, calm, page.write
        )
        for arm in every
    }
    page.tallies = {name: campaign.tally for name, campaign in campaigns.items()}
    with ThreadPoolExecutor() as pool:
        running = [
            pool.submit(campaign.run, share, 60 * minutes)
            for campaign, share in zip(campaigns.values(), shares, strict=True)
        ]
        try:
            for future in running:
                future.result()
        finally:
            page.write()
            for campaign in campaigns.values():
                campaign.stop()
    page.stray = stray_processes(nodes)
    page.write()
    assert page.stray == []
    assert [wrong for tally in page.tallies.values() for wrong in tally.wrong] == []


class Page:
    """What a campaign has shown so far; written after each study, since it may be cut short."""

    tallies: dict[str, arms.Tally]

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._mutex = threading.Lock()
        self._begin = time.monotonic()
        self.stray: list[str] | None = None

    def write(self) -> None:
        with self._mutex:
            PAGE.write_text(self._text(), encoding="utf-8")

    def _text(self) -> str:
        tallies = self.tallies.values()
        lines = [
            PAGE_TEXT,
            f"| event | {' | '.join(self.tallies)} |",
            f"| --- |{' --- |' * len(self.tallies)}",
        ]
        kinds = dict.fromkeys(kind for tally in tallies for kind in tally.events)
        lines += [_row(kind, (tally.events[kind] for tally in tallies)) for kind in kinds]
        lines += [_row(label, map(count, tallies)) for label, count in TOTALS.items()]
        skipped = {kind: why for tally in tallies for kind, why in tally.skipped.items()}
        lines += ["", *(f"Skipped: {kind}, {why}." for kind, why in skipped.items())]
        lines += [f"- {wrong}" for tally in tallies for wrong in tally.wrong]
        lines += ["", self._end()]
        return "\n".join(lines) + "\n"

    def _end(self) -> str:
        events = sum(tally.events.total() for tally in self.tallies.values())
        minutes = (time.monotonic() - self._begin) / 60
        end = f"{events} events in {minutes:.0f} minutes, seed {self._seed}. "
        if self.stray is None:
            return end + "The campaign was cut short here; stray processes were not looked for."
        stray = f"Stray processes: {len(self.stray)}"
        return end + stray + "".join(f"; `{words}`" for words in self.stray) + "."


def _row(label, cells) -> str:
    return f"| {label} | {' | '.join(map(str, cells))} |"


TOTALS = {
    "**events**": lambda t: t.events.total(),
    "studies begun": lambda t: t.begun,
    "studies finished and checked": lambda t: t.rounds,
    "drivers started": lambda t: t.drivers,
    "trainings in the finished ledgers": lambda t: t.trainings,
    "records cut by an event, trained again": lambda t: t.mended,
    "**finished trainings lost**": lambda t: t.lost,
    "**trainings repeated**": lambda t: t.repeated,
    "**tables equal to the undisturbed one**": lambda t: t.equal_tables,
    "**complete in MLflow, every run finished**": lambda t: t.complete_in_mlflow,
    "departures from what must hold": lambda t: len(t.wrong),
}

PAGE_TEXT = f"""# A campaign of accidents

Studies of {SWEEP.n_trainings} trainings on a Ray cluster of three nodes, logged to an MLflow \
server, on a journal and on PostgreSQL beside each other; random accidents while they run. The \
driver is started again whenever it ended. Nothing finished may be lost or trained again, every \
table must equal the undisturbed one bit for bit, and MLflow must hold one finished run for each \
configuration.

Rewritten by `make chaos`.
"""
