"""Real Ray nodes on this machine, each its own process group, with ports and a token of their own.

Every process started here, directly or not, carries a mark in its environment. It is found by
the mark, so that a test can kill one kind of process, and can say afterwards that none is left.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

MARK = "THERMOMETER_TEST_MARK"


class Nodes:
    """A Ray cluster of `ray start` nodes on this machine.

    Parameters
    ----------
    home
        Folder of the logs.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        home.mkdir(parents=True, exist_ok=True)
        self.mark = f"nodes-{secrets.token_hex(6)}"
        self.address = f"127.0.0.1:{free_port()}"
        # Paths of Unix sockets must be short.
        self._sessions = Path("/tmp") / self.mark
        self.nodes: list[subprocess.Popen] = []
        self.outage = threading.Lock()
        """Held while a node that was killed is being replaced."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of everything that belongs to this cluster, drivers included."""
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        return {
            **os.environ,
            "PYTHONPATH": path,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": str(os.nice(0)),
            "RAY_raylet_start_wait_time_s": "240",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.mark,
            MARK: self.mark,
        }

    def start(self, *cpus: int, **options: str) -> None:
        """Start one node for each number of cores; the first is the head."""
        for count in cpus:
            self.add(count, **options)

    def add(self, cpus: int = 1, gpus: int = 0) -> subprocess.Popen:
        """Start a node and wait until it is up.

        On a busy machine Ray's own time limits end a node that is still starting; then once more.
        """
        arguments = [f"--num-cpus={cpus}", f"--num-gpus={gpus}", "--object-store-memory=80000000"]
        if self.nodes:
            arguments += [f"--address={self.address}"]
        else:
            arguments += [
                "--head",
                f"--port={self.address.rpartition(':')[2]}",
                f"--temp-dir={self._sessions}",
                "--include-dashboard=false",
            ]
            if importlib.util.find_spec("grpc") is not None:
                arguments += [f"--ray-client-server-port={free_port()}"]
        for _ in range(5):
            log = self._home / f"node-{time.monotonic_ns()}.log"
            node = self._launch(arguments, log)
            while node.poll() is None:
                if "Ray runtime started" in log.read_text():
                    self.nodes.append(node)
                    return node
                time.sleep(0.1)
        raise RuntimeError(f"no Ray node: {log.read_text()[-2000:]}")

    def _launch(self, arguments: list[str], log: Path) -> subprocess.Popen:
        with log.open("w") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, node: subprocess.Popen) -> None:
        """Kill everything that runs on a node at once, as if its plug was pulled."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        self.nodes.remove(node)

    def stop(self) -> None:
        """End every process that carries the mark."""
        for pid in marked(self.mark):
            kill(pid)
        for node in self.nodes:
            node.wait()
        self.nodes.clear()
        shutil.rmtree(self._sessions, ignore_errors=True)


def marked(mark: str) -> dict[int, str]:
    """Return the live processes that carry a mark, and the beginning of their command lines."""
    needle = f"{MARK}={mark}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if needle in (entry / "environ").read_bytes():
                words = (entry / "cmdline").read_bytes().split(b"\0")
                found[int(entry.name)] = b" ".join(words).decode(errors="replace").strip()
        except OSError:
            continue
    return found


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal; whether the process was still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
