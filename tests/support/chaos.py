"""A campaign of random accidents over studies on a real cluster, and what must hold afterwards.

Rounds follow each other until there were enough events. A round is one study in a new folder: its
driver is started again whenever it ended, and when it is complete everything is checked. Events
strike after a random number of further trainings, or at a random moment of a driver's start.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import mlflow
from accidents import cut_last_record, full_disk, mount_small_disk, ray_workers
from arms import RESUMABLE, Arm, Sweep, Tally
from ledgers import DatabaseReader, JournalReader
from mlflow_process import MlflowProcess
from ray_nodes import Nodes, kill


class Campaign:
    """Runs an arm.

    Parameters
    ----------
    home
        An empty folder.
    nodes
        The cluster; its first node stays alive, the others are killed and replaced.
    server
        The MLflow server to which all studies are logged; None for a store in each folder.
    undisturbed
        The table of the study to which nothing happened.
    calm
        Held while the MLflow server is away, or must not go; campaigns beside each other share it.
    after_round
        Called after each study that was checked.
    """

    def __init__(
        self,
        home: Path,
        nodes: Nodes,
        server: MlflowProcess | None,
        sweep: Sweep,
        undisturbed: bytes,
        arm: Arm,
        seed: int,
        calm: threading.Lock | None = None,
        after_round: Callable[[], object] = lambda: None,
    ) -> None:
        home.mkdir(exist_ok=True)
        self._home = home
        self._nodes = nodes
        self._server = server
        self._sweep = sweep
        self._undisturbed = undisturbed
        self._arm = arm
        self._random = random.Random(f"{arm.name} {seed}")
        self._driver: subprocess.Popen | None = None
        self._calm = calm or threading.Lock()
        self._quiet = threading.Lock()
        self._outages = (self._calm, self._quiet)
        self._after_round = after_round
        self._stopped = threading.Event()
        self.tally = Tally()

    def run(self, n_events: int, seconds: float = math.inf) -> Tally:
        """Let `n_events` accidents happen, finish the last study, and check everything.

        No more happen after so many seconds.
        """
        self._n_events, self._end = n_events, time.monotonic() + seconds
        while not self._is_enough():
            self._begin_round()
            try:
                self._disturb()
                self._check_round()
                self.tally.rounds += 1
            finally:
                self._end_round()
            self._after_round()
        return self.tally

    def stop(self) -> None:
        """Let :meth:`run` end soon, without checking the study that is running."""
        self._stopped.set()

    # A round.

    def _begin_round(self) -> None:
        self.tally.begun += 1
        number = self.tally.begun
        self._folder = self._home / f"{self._arm.name}-{number}" / "study"
        self._folder.parent.mkdir(parents=True)
        self._mounted = False
        if "disk full" in self._arm.weights:
            refusal = mount_small_disk(self._folder.parent)
            self._mounted = refusal is None
            self.tally.skipped.update({"disk full": refusal} if refusal else {})
        self._storage, self._reader = self._store(self._folder.parent.name)
        self._seen: Counter = Counter()
        self._start_driver()

    def _store(self, name: str) -> tuple[str | None, JournalReader | DatabaseReader]:
        """Return the URL of a new ledger, if it needs one, and what reads it."""
        query = self._arm.query
        if self._arm.create is None or query is None:
            return None, JournalReader(self._folder / "ledger.journal")
        return self._arm.create(name), DatabaseReader(lambda text: query(name, text))

    def _end_round(self) -> None:
        if self._driver is not None and self._driver.poll() is None:
            os.killpg(self._driver.pid, signal.SIGKILL)
            self._driver.wait()
        self._await_services()
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self._folder.parent)], check=True)

    def _is_enough(self) -> bool:
        return self.tally.events.total() >= self._n_events or time.monotonic() > self._end

    def _disturb(self) -> None:
        deadline = time.monotonic() + 1800
        while True:
            assert time.monotonic() < deadline, f"{self._folder} is not finished in half an hour"
            assert not self._stopped.is_set(), "the campaign was stopped"
            code = self._driver_ended()
            if code == 0:
                return
            if code is not None:
                self._start_driver()
            if self._is_enough():
                time.sleep(0.2)
                continue
            self._await_moment()
            self._strike()

    def _await_moment(self) -> None:
        """Wait until more is in the ledger, or for a moment within the start of a driver."""
        if self._random.random() < 0.2:
            time.sleep(self._random.uniform(0, 8))
            return
        assert self._driver is not None
        before, deadline = self._reader.size(), time.monotonic() + 90
        while self._reader.size() == before and time.monotonic() < deadline:
            if self._driver.poll() is not None:
                return
            time.sleep(0.2)
        self._look()

    def _look(self) -> Counter:
        """Return what is recorded now; nothing that was there before may be missing."""
        now = self._reader.recorded()
        lost = len(self._seen - now)
        if lost:
            self.tally.lost += lost
            self._complain(f"{lost} finished trainings were lost")
            self._seen = Counter()
        repeated = sum(n > 1 for n in now.values())
        if repeated:
            self.tally.repeated += repeated
            self._complain(f"{repeated} trainings were repeated")
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
        arguments = ["run", *self._sweep.settings, "--out", str(self._folder)]
        arguments += [
            "--address",
            self._nodes.address,
            "--experiment-name",
            self._folder.parent.name,
        ]
        if self._server is not None:
            arguments += ["--tracking-uri", self._server.uri]
        if self._storage is not None:
            arguments += ["--storage", self._storage, "--lease", "10"]
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
        """Wait for the servers, as people do before they start a driver again."""
        for outage in self._outages:
            with outage:
                pass

    def _break(
        self, outage: threading.Lock, accident: Callable[[], object], mend: Callable
    ) -> bool:
        """Let an accident happen to what all arms share, unless one is being mended already."""
        if not outage.acquire(blocking=False):
            return False
        accident()

        def repair() -> None:
            try:
                mend()
            except Exception as error:
                self._complain(f"the campaign itself failed: {error}")
            finally:
                outage.release()

        threading.Thread(target=repair).start()
        return True

    # The events.

    def _strike(self) -> None:
        assert self._driver is not None
        if self._driver.poll() is not None:
            return
        names = [name for name in self._arm.weights if self._is_possible(name)]
        (name,) = self._random.choices(names, self._left(names))
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

    def _left(self, names: list[str]) -> list[int]:
        """Return how often each may still be drawn; what is drawn up begins anew."""
        weights = self._arm.weights
        left = [max(0, weights[name] - self.tally.events[name]) for name in names]
        return left if any(left) else [weights[name] for name in names]

    def _is_possible(self, name: str) -> bool:
        return self._mounted if name == "disk full" else True

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
        workers = ray_workers(self._nodes.mark)
        return bool(workers) and kill(self._random.choice(workers))

    def _kill_node(self) -> bool:
        def accident() -> None:
            self._nodes.kill(self._random.choice(self._nodes.nodes[1:]))

        return self._break(self._nodes.outage, accident, self._nodes.add)

    def _kill_server(self) -> bool:
        server, pause = self._server, self._random.uniform(0, 10)
        assert server is not None

        def mend() -> None:
            time.sleep(pause)
            server.launch()
            while not server.answers():
                time.sleep(0.5)

        return self._break(self._calm, server.kill, mend)

    def _kill_database(self) -> bool:
        assert self._arm.outage is not None
        return self._break(self._quiet, lambda: None, self._arm.outage)

    def _truncate_ledger(self) -> bool:
        """End the driver in the middle of a write."""
        self._kill_9()
        before = self._look()
        if not cut_last_record(self._folder / "ledger.journal", self._random):
            return False
        self._seen = self._reader.recorded()
        self.tally.mended += len(before) - len(self._seen)
        return True

    def _fill_disk(self) -> None:
        """Leave a few blocks until the driver has noticed, or half a minute."""
        with (
            full_disk(self._folder.parent, self._random.randint(0, 5)),
            contextlib.suppress(subprocess.TimeoutExpired),
        ):
            self._driver.wait(30)

    # Afterwards.

    def _check_round(self) -> None:
        recorded = self._look()
        if len(recorded) != self._sweep.n_trainings:
            self._complain(
                f"{len(recorded)} of {self._sweep.n_trainings} trainings are in the ledger"
            )
        self.tally.trainings += len(recorded)
        if (self._folder / "table.csv").read_bytes() == self._undisturbed:
            self.tally.equal_tables += 1
        else:
            self._complain("the table differs from the undisturbed one")
        with self._calm:
            self._upload()
            runs = self._runs()
        points = Counter(run.data.tags.get("thermometer.point") for run in runs)
        states = Counter(run.info.status for run in runs)
        is_exact = len(runs) == self._sweep.n_configurations + 1 and max(points.values()) == 1
        if is_exact and set(states) == {"FINISHED"}:
            self.tally.complete_in_mlflow += 1
        else:
            self._complain(f"MLflow holds {len(runs)} runs, {dict(states)}: {points}")

    def _upload(self) -> None:
        """Send what MLflow missed; once is enough."""
        # The URL in the folder has no password.
        storage = {"THERMOMETER_STORAGE": self._storage} if self._storage else {}
        for expected in ("", "nothing to upload"):
            done = subprocess.run(
                [sys.executable, "-m", "studies", "sync", str(self._folder)],
                cwd=self._home,
                env={**self._nodes.environment, **storage},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode or expected not in done.stdout:
                self._complain(f"sync: {done.returncode} {done.stdout} {done.stderr}")

    def _runs(self) -> list:
        store = f"sqlite:///{self._folder}/mlflow.db"
        client = mlflow.MlflowClient(self._server.uri if self._server else store)
        experiment = client.get_experiment_by_name(self._folder.parent.name)
        return list(client.search_runs([experiment.experiment_id], max_results=1000))
