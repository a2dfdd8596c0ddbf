"""The MLflow UI on a study's own store, served on the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import quote

from search_spaces import InvalidSettingError
from studies.processes import start_python

HOST = "127.0.0.1"
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks servers of this machine, past any proxy."""
LARGEST_COMPARISON = 300
_START_SECONDS = 120
_TRAINING_MODE = "workflowType=machine_learning"
"""Shows MLflow's pages for trainings; by default it shows those for chat programs."""


def comparison_address(base: str, experiment_id: str, run_ids: Sequence[str]) -> str:
    """Return MLflow's address for comparing runs in plots: parallel coordinates, scatter, contour.

    Beyond a few hundred runs, which no browser compares, it is the experiment's page.
    """
    if not 1 < len(run_ids) <= LARGEST_COMPARISON:
        return runs_address(base, experiment_id)
    runs = quote(json.dumps(list(run_ids), separators=(",", ":")))
    experiments = quote(json.dumps([experiment_id]))
    return f"{base}/#/compare-runs?runs={runs}&experiments={experiments}&{_TRAINING_MODE}"


def runs_address(base: str, experiment_id: str) -> str:
    """Return MLflow's address of the list of an experiment's runs."""
    return f"{base}/#/experiments/{experiment_id}/runs?{_TRAINING_MODE}"


@contextmanager
def redirect(target: str) -> Iterator[str]:
    """Serve a short address that leads to a long one, for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port(wanted: int) -> int:
    """Return `wanted` if nothing listens there, else a port chosen by the system."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise InvalidSettingError(f"no free port on {HOST}")


@contextmanager
def mlflow_server(
    uri: str, artifacts: Path, port: int
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the MLflow store at `uri` for as long as the context lasts.

    Yields
    ------
    tuple
        Base address and the server's process, once it answers.

    Raises
    ------
    InvalidSettingError
        If the server does not start.
    """
    base = f"http://{HOST}:{port}"
    arguments = ("server", "--host", HOST, "--port", str(port), "--workers", "1")
    store = ("--backend-store-uri", uri, "--artifacts-destination", artifacts.as_uri())
    # Its job runner starts a dozen processes that a study has no use for.
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with tempfile.TemporaryFile("w+") as log:
        process = start_python(
            "mlflow", *arguments, *store, environment=quiet, stdout=log, stderr=log
        )
        try:
            _await_health(base, process, log)
            yield base, process
        finally:
            _stop(process)


def _await_health(base: str, process: subprocess.Popen[bytes], log: IO[str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            reason = " ".join(log.read()[-300:].split())
            raise InvalidSettingError(f"the MLflow server stopped: {reason}")
        try:
            with LOOPBACK.open(f"{base}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise InvalidSettingError(f"the MLflow server did not answer within {_START_SECONDS} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its worker processes, which share its process group."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=10)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
