"""A real MLflow server that a test can kill, stop and start again on the same store."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class MlflowProcess:
    """One server on the loopback interface, its store and artifacts in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen | None = None

    def launch(self) -> None:
        """Start it and return at once."""
        store = f"sqlite:///{self._folder}/server.db"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--backend-store-uri", store, "--workers", "1"]
        command += ["--artifacts-destination", (self._folder / "artifacts").as_uri()]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with open(self._folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **quiet}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start(self) -> MlflowProcess:
        """Start it and wait until it answers."""
        self.launch()
        return self.wait()

    def wait(self) -> MlflowProcess:
        """Wait until it answers."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.answers():
                return self
            time.sleep(0.2)
        raise RuntimeError((self._folder / "server.log").read_text()[-2000:])

    def answers(self) -> bool:
        """Whether it answers now."""
        try:
            with _OPENER.open(f"{self.uri}/health", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def signal(self, number: int) -> None:
        """Send a signal to the server and its workers."""
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()
