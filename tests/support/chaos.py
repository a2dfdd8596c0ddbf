"""A campaign of random accidents over studies on a real cluster, and what must hold afterwards.

Rounds follow each other until there were enough events. A round is one study in a new folder: its
driver is started again whenever it ended, and when it is complete everything is checked. Events
strike after a random number of further trainings, or at a random moment of a driver's start.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
from ledgers import DatabaseReader, JournalReader
from mlflow_process import MlflowProcess
from ray_nodes import Nodes, kill, marked

STUDY = "critical-temperature"
SETTINGS = (
    "n_train=[64,96,128,256]",
    "temperature=[0.003,0.03,0.3]",
    "n_seeds=512",
    "comparison_batch_size=null",
    "comparison_temperature=null",
)
N_CONFIGURATIONS = 4 * 3
N_TRAININGS = 512 * N_CONFIGURATIONS
RESUMABLE = {0, 3, 4, 130}
"""Exit codes after which the same command is expected to continue."""


@dataclass(frozen=True)
class Arm:
    """One way to store a study, and how often which accident happens to it."""

    name: str
    weights: Mapping[str, int]
    storage: Callable[[Path, int], str] | None = None
    """Makes the URL for --storage of a round; None for the journal."""
    query: Callable[[str, str], list[tuple]] | None = None
    """Asks the database of a round."""
    outage: Callable[[], None] | None = None
    """Kills the database and starts it again."""


@dataclass
class Tally:
    """What happened."""

    events: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    drivers: int = 0
    exits: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    trainings: int = 0
    mended: int = 0
    """Trainings whose record an event destroyed in the file, and which were repeated for it."""
    wrong: list[str] = field(default_factory=list)
    """Every departure from what must hold."""


class Campaign:
    """Runs an arm.

    Parameters
    ----------
    home
        An empty folder.
    nodes
        The cluster; its first node stays alive, the others are killed and replaced.
    server
        The MLflow server to which all studies are logged.
    undisturbed
        The table of the study to which nothing happened.
    """

    def __init__(
        self,
        home: Path,
        nodes: Nodes,
        server: MlflowProcess,
        undisturbed: bytes,
        arm: Arm,
        seed: int,
    ) -> None:
        self._home = home
        self._nodes = nodes
        self._server = server
        self._undisturbed = undisturbed
        self._arm = arm
        self._random = random.Random(f"{arm.name} {seed}")
        self._driver: subprocess.Popen | None = None
        self._mending: list[threading.Thread] = []
        self.tally = Tally()

    def run(self, n_events: int) -> Tally:
        """Let `n_events` accidents happen, finish the last study, and check everything."""
        while self.tally.events.total() < n_events:
            self._begin_round()
            try:
                self._disturb(n_events)
                self._check_round()
            finally:
                self._end_round()
        return self.tally

    # A round.

    def _begin_round(self) -> None:
        self.tally.rounds += 1
        number = self.tally.rounds
        self._folder = self._home / f"{self._arm.name}-{number}" / "study"
        self._folder.parent.mkdir(parents=True)
        self._mounted = "disk full" in self._arm.weights and self._mount(self._folder.parent)
        self._storage, query = None, self._arm.query
        if self._arm.storage is None or query is None:
            self._reader: JournalReader | DatabaseReader = JournalReader(
                self._folder / "ledger.journal"
            )
        else:
            self._storage = url = self._arm.storage(self._folder, number)
            self._reader = DatabaseReader(lambda text: query(url, text))
        self._seen: Counter = Counter()
        self._start_driver()

    def _end_round(self) -> None:
        if self._driver is not None and self._driver.poll() is None:
            os.killpg(self._driver.pid, signal.SIGKILL)
            self._driver.wait()
        for thread in self._mending:
            thread.join()
        self._mending.clear()
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self._folder.parent)], check=True)

    def _mount(self, folder: Path) -> bool:
        """Put a small file system under the study; note why if that is refused."""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self.tally.skipped["disk full"] = " ".join(done.stderr.split())
        return done.returncode == 0

    def _disturb(self, n_events: int) -> None:
        deadline = time.monotonic() + 1800
        while True:
            assert time.monotonic() < deadline, f"{self._folder} is not finished in half an hour"
            code = self._driver_ended()
            if code == 0:
                return
            if code is not None:
                self._start_driver()
            if self.tally.events.total() >= n_events:
                time.sleep(0.2)
                continue
            self._await_moment()
            self._strike()

    def _await_moment(self) -> None:
        """Wait for some trainings more, or for a moment within the start of a driver."""
        if self._random.random() < 0.2:
            time.sleep(self._random.uniform(0, 8))
            return
        wanted = len(self._look()) + self._random.randint(1, 60)
        deadline = time.monotonic() + 90
        while len(self._look()) < wanted and time.monotonic() < deadline:
            if self._driver is None or self._driver.poll() is not None:
                return
            time.sleep(0.1)

    def _look(self) -> Counter:
        """Return what is recorded now; nothing that was there before may be missing."""
        now = self._reader.recorded()
        lost = len(self._seen - now)
        if lost:
            self._complain(f"{lost} finished trainings were lost")
            self._seen = Counter()
        if now and max(now.values()) > 1:
            self._complain(f"{sum(n > 1 for n in now.values())} trainings were repeated")
        self._seen |= now
        return now

    def _note(self, what: str) -> None:
        with (self._home / "events.log").open("a", encoding="utf-8") as log:
            clock = time.strftime("%H:%M:%S")
            log.write(f"{clock} {self._folder.parent.name} {self.tally.events.total()} {what}\n")

    def _complain(self, what: str) -> None:
        self._note(f"WRONG {what}")
        self.tally.wrong.append(f"{self._folder.parent.name}: {what}")

    # The driver.

    def _start_driver(self) -> None:
        self.tally.drivers += 1
        arguments = ["run", STUDY, *SETTINGS, "--out", str(self._folder)]
        arguments += [
            "--address",
            self._nodes.address,
            "--experiment-name",
            self._folder.parent.name,
        ]
        arguments += ["--tracking-uri", self._server.uri]
        if self._storage is not None:
            arguments += ["--storage", self._storage]
        with (self._home / "drivers.log").open("ab") as log:
            self._log_start = log.tell()
            self._driver = subprocess.Popen(
                [sys.executable, "-m", "studies", *arguments],
                cwd=self._home,
                env=self._nodes.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _driver_ended(self) -> int | None:
        """Return the exit code of the driver if it has ended; what it said must be sentences."""
        assert self._driver is not None
        code = self._driver.poll()
        if code is None:
            return None
        self._look()
        log = (self._home / "drivers.log").read_bytes()[self._log_start :].decode()
        self.tally.exits[str(code)] += 1
        self._note(f"driver ended with {code}; {len(self._seen)} trainings; {log[-300:]!r}")
        if "Traceback" in log:
            self._complain(f"a driver ended with a traceback: {log[-1500:]}")
        elif code > 0 and code not in RESUMABLE and not self._is_reason(log):
            self._complain(f"a driver ended with exit code {code}: {log[-500:]}")
        self._await_services()
        return code

    @staticmethod
    def _is_reason(log: str) -> bool:
        """Whether the last line names an accident that the campaign caused."""
        reasons = ("No space left", "MLflow server", "database", "PostgreSQL", "storage", "Ray")
        return any(reason in log for reason in reasons)

    def _await_services(self) -> None:
        """A driver is started again when the servers are back, as people do."""
        for thread in self._mending:
            thread.join()
        self._mending.clear()

    def _mend(self, work: Callable[[], object]) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        self._mending.append(thread)

    # The events.

    def _strike(self) -> None:
        assert self._driver is not None
        if self._driver.poll() is not None:
            return
        names = [name for name in self._arm.weights if self._is_possible(name)]
        (name,) = self._random.choices(names, [self._arm.weights[name] for name in names])
        happened = {
            "kill -9": self._kill_9,
            "SIGTERM": lambda: self._stop(signal.SIGTERM),
            "SIGINT": lambda: self._stop(signal.SIGINT),
            "two SIGINTs": self._stop_twice,
            "worker": self._kill_worker,
            "node": self._kill_node,
            "MLflow server": self._kill_server,
            "database": self._kill_database,
            "truncated ledger": self._truncate_ledger,
            "disk full": self._fill_disk,
        }[name]()
        if happened is not False:
            self.tally.events[name] += 1
            self._note(f"{name}; {len(self._seen)} trainings, driver {self._driver.poll()}")

    def _is_possible(self, name: str) -> bool:
        if name == "disk full":
            return self._mounted
        if name in ("node", "MLflow server", "database"):
            return not self._mending
        return True

    def _kill_9(self) -> None:
        self._driver.kill()
        self._driver.wait()

    def _stop(self, number: int) -> None:
        self._driver.send_signal(number)
        try:
            self._driver.wait(180)
        except subprocess.TimeoutExpired:
            self._complain(f"a driver did not end within 180 s of signal {number}")
            self._kill_9()

    def _stop_twice(self) -> None:
        for _ in range(2):
            self._driver.send_signal(signal.SIGINT)
            time.sleep(self._random.uniform(0.05, 0.3))
        self._stop(signal.SIGINT)

    def _kill_worker(self) -> bool:
        workers = [p for p, words in marked(self._nodes.mark).items() if "ray::" in words]
        workers = [p for p in workers if "Agent" not in _title(p)]
        return bool(workers) and kill(self._random.choice(sorted(workers)))

    def _kill_node(self) -> None:
        self._nodes.kill(self._random.choice(self._nodes.nodes[1:]))
        self._mend(self._nodes.add)

    def _kill_server(self) -> None:
        self._server.kill()
        pause = self._random.uniform(0, 10)

        def again() -> None:
            time.sleep(pause)
            self._server.start()

        self._mend(again)

    def _kill_database(self) -> None:
        assert self._arm.outage is not None
        self._mend(self._arm.outage)

    def _truncate_ledger(self) -> bool:
        """End the driver in the middle of a write: the last record is cut, the lock stays."""
        self._kill_9()
        ledger = self._folder / "ledger.journal"
        before = self._look()
        lines = ledger.read_bytes().split(b"\n") if ledger.exists() else []
        if len(lines) < 4 or lines[-1]:
            return False
        cut = self._random.randint(1, len(lines[-2]))
        with ledger.open("r+b") as file:
            file.truncate(ledger.stat().st_size - cut)
        lock = ledger.with_name("ledger.journal.lock")
        if not lock.is_symlink():
            lock.symlink_to(ledger)
        self._seen = self._reader.recorded()
        self.tally.mended += len(before) - len(self._seen)
        return True

    def _fill_disk(self) -> None:
        """Leave a few bytes until the driver has noticed, or half a minute."""
        filler = self._folder.parent / "filler"
        descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(descriptor, b"\0" * 65536)
        os.close(descriptor)
        state = os.statvfs(filler.parent)
        left = self._random.randint(0, 5) * state.f_bsize
        os.truncate(filler, max(0, filler.stat().st_size - left))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._driver.wait(30)
        filler.unlink()

    # Afterwards.

    def _check_round(self) -> None:
        recorded = self._look()
        if len(recorded) != N_TRAININGS:
            self._complain(f"{len(recorded)} of {N_TRAININGS} trainings are in the ledger")
        self.tally.trainings += len(recorded)
        if (self._folder / "table.csv").read_bytes() != self._undisturbed:
            self._complain("the table differs from the undisturbed one")
        self._await_services()
        self._upload()
        runs = self._runs()
        points = Counter(run.data.tags.get("thermometer.point") for run in runs)
        if len(runs) != N_CONFIGURATIONS + 1 or max(points.values()) > 1:
            self._complain(f"MLflow holds {len(runs)} runs: {points}")
        states = Counter(run.info.status for run in runs)
        if set(states) != {"FINISHED"}:
            self._complain(f"MLflow's runs are {dict(states)}")

    def _upload(self) -> None:
        """Send what MLflow missed."""
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "studies",
                "run",
                STUDY,
                "--out",
                str(self._folder),
                "--executor",
                "serial",
                "--experiment-name",
                self._folder.parent.name,
                "--tracking-uri",
                self._server.uri,
            ],
            cwd=self._home,
            env=self._nodes.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self._complain(f"sync ended with exit code {done.returncode}: {done.stderr}")

    def _runs(self) -> list:
        client = mlflow.MlflowClient(tracking_uri=self._server.uri)
        experiment = client.get_experiment_by_name(self._folder.parent.name)
        return list(client.search_runs([experiment.experiment_id], max_results=1000))


def _title(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_text().partition("\0")[0]
    except OSError:
        return "Agent"
