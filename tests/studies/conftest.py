"""A command line in a new process, in an empty folder, from the source tree."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from postgres import REQUIRED, find_programs, running_server
from small_study import command_environment

from studies.cli import _run


@pytest.fixture(scope="session")
def run_thermometer():
    """Return a function that runs ``thermometer`` and waits for it."""

    def run(
        folder: Path, *arguments: str, program: str = "", timeout: float = 240
    ) -> subprocess.CompletedProcess:
        start = ["-c", program] if program else ["-m", "studies"]
        return subprocess.run(
            [sys.executable, *start, *arguments],
            cwd=folder,
            env=command_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def thermometer(monkeypatch):
    """Return a function that runs ``thermometer`` in this process, which saves its start."""

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
        said, complained = io.StringIO(), io.StringIO()
        with monkeypatch.context() as here, redirect_stdout(said), redirect_stderr(complained):
            here.chdir(folder)
            here.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
            code = _run(list(arguments))
        return subprocess.CompletedProcess(arguments, code, said.getvalue(), complained.getvalue())

    return run


@pytest.fixture(scope="session")
def start_thermometer():
    """Return a function that starts ``thermometer`` in its own process group."""
    started = []

    def start(folder: Path, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "studies", *arguments],
            cwd=folder,
            env=command_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.communicate()


@pytest.fixture(scope="session")
def postgres():
    """Run PostgreSQL for the session; without it, skip, or fail where it is required."""
    programs = find_programs()
    if programs is None:
        reason = "no PostgreSQL is installed"
        (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(reason)
    with running_server(programs) as server:
        yield server
