"""Databases that may hold a ledger: their URLs, connections, and what is said when one fails.

A password is part of a connection only. Everything that is shown or written down is the URL
without it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
)
from sqlalchemy.pool import NullPool

from search_spaces import InvalidSettingError
from studies.credentials import is_secret, redacted

SQLITE, POSTGRESQL = "sqlite", "postgresql+psycopg"
FORMS = "sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
PASSWORD_SOURCES = "--storage, THERMOMETER_STORAGE, PGPASSWORD or ~/.pgpass"
OUTAGE_SECONDS = 300.0
"""How long a driver waits for a database that went away."""

_SETUP_LOCK = 0x7468_6572_6D6F
_MAGIC = b"SQLite format 3\0"

_log = logging.getLogger(__name__)
# Its only warning announces a second attempt of a query that failed, with the text of the query.
logging.getLogger("optuna.storages._rdb.storage").setLevel(logging.ERROR)

T = TypeVar("T")


class StorageLostError(RuntimeError):
    """The database went away for too long; what was recorded is in it."""

    exit_code = 3


@dataclass(frozen=True)
class Database:
    """An SQLite file or a PostgreSQL database."""

    url: URL
    """How to connect, password included."""

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self.url.drivername == SQLITE

    @property
    def shown(self) -> str:
        """The URL without its password."""
        shown = self.url.difference_update_query(filter(is_secret, self.url.query))
        return shown._replace(password=None).render_as_string()

    def is_same(self, other: Database) -> bool:
        """Whether both name the same database, whoever connects to it."""
        return self._place == other._place

    @property
    def _place(self) -> tuple[Any, ...]:
        return self.url.drivername, self.url.host, self.url.port or 5432, self.url.database

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of SQLAlchemy's `create_engine`."""
        if self.is_sqlite:
            return {"connect_args": {"timeout": 60}}
        # A host that vanished without a word is noticed within a minute.
        arguments = {
            "connect_timeout": 10,
            "keepalives_idle": 20,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
            "application_name": "thermometer",
        }
        return {"connect_args": arguments, "pool_pre_ping": True}

    def check(self) -> None:
        """Raise InvalidSettingError, saying why, unless the database can be used now."""
        if self.is_sqlite:
            _check_file(Path(str(self.url.database)))
            return
        if importlib.util.find_spec("psycopg") is None:
            raise InvalidSettingError(
                f"storage={self.shown} needs the package psycopg; "
                "install it with pip install 'psycopg[binary]'"
            )
        engine = sqlalchemy.create_engine(self.url, **self.options)
        try:
            engine.connect().close()
        except (OperationalError, InterfaceError) as error:
            raise InvalidSettingError(self._refusal(error)) from None
        finally:
            engine.dispose()

    def has_studies(self) -> bool:
        """Whether Optuna has been here; looking creates nothing."""
        if self.is_sqlite and not Path(str(self.url.database)).exists():
            return False
        engine = sqlalchemy.create_engine(self.url, **self.options)
        try:
            return sqlalchemy.inspect(engine).has_table("studies")
        finally:
            engine.dispose()

    def open(self, create: bool) -> RDBStorage:
        """Return Optuna's side of the database, whose tables are made if `create`.

        Only who creates keeps connections, and has to end them: readers come and go.
        """
        url = self.url.render_as_string(hide_password=False)
        options = self.options if create else {**self.options, "poolclass": NullPool}
        return RDBStorage(url, engine_kwargs=options, skip_table_creation=not create)

    @contextmanager
    def alone(self, engine: sqlalchemy.Engine) -> Iterator[None]:
        """Keep other drivers out while tables are made or the spec of a study changes."""
        if self.is_sqlite:
            # Not the file itself: closing it would drop SQLite's own locks.
            descriptor = os.open(Path(str(self.url.database)).parent, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
            return
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(_SETUP_LOCK)))
            try:
                yield
            finally:
                unlock = sqlalchemy.func.pg_advisory_unlock(_SETUP_LOCK)
                connection.execute(sqlalchemy.select(unlock))

    def patiently(self, operation: Callable[[], T], seconds: float = OUTAGE_SECONDS) -> T:
        """Return what an operation returns, repeating it while the database is away.

        The operation must do no harm if an earlier attempt succeeded without an answer.

        Raises
        ------
        StorageLostError
            After so many seconds.
        """
        pause, deadline = 0.1, None
        while True:
            try:
                return operation()
            except Exception as error:
                if not is_outage(error):
                    raise
                if deadline is None:
                    deadline = time.monotonic() + seconds
                    _log.warning(
                        "%s does not answer; waiting for up to %.0f s", self.shown, seconds
                    )
                if time.monotonic() > deadline:
                    raise StorageLostError(
                        f"{self.shown} has not answered for {seconds:.0f} s; what was finished "
                        "until then is recorded, and the same command continues"
                    ) from None
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _refusal(self, error: Exception) -> str:
        reason = self._reason(error)
        place = f"{self.url.host or 'this machine'}:{self.url.port or 5432}"
        if "password" in reason:
            return f"storage={self.shown}: {reason}; the password comes from {PASSWORD_SOURCES}"
        if "does not exist" in reason:
            return f"storage={self.shown}: {reason}; createdb and createuser make them"
        if "FATAL" in str(error):
            return f"storage={self.shown}: {reason}"
        return f"storage={self.shown}: no PostgreSQL server answers at {place}: {reason}"

    def _reason(self, error: Exception) -> str:
        line = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        reason = line.rpartition("failed: ")[2] if "FATAL" not in line else line
        reason = " ".join(reason.rpartition("FATAL:")[2].split())
        return redacted(reason, str(self.url.password or ""))


def read_database(text: str, folder: Path | None = None) -> Database:
    """Return the database that a URL names.

    Parameters
    ----------
    folder
        What the path of an SQLite file is relative to; the working folder by default.

    Raises
    ------
    InvalidSettingError
        If it is not a URL of one of the two forms.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        shown = "..." if "@" in text else text
        raise InvalidSettingError(f"storage={shown!r} is not {FORMS}")
    if scheme.partition("+")[0] in ("postgresql", "postgres") and scheme != POSTGRESQL:
        raise InvalidSettingError(
            f"storage={scheme}://... does not name the driver; write {POSTGRESQL}://..., "
            "since what SQLAlchemy takes the short form for depends on its version"
        )
    if scheme not in (SQLITE, POSTGRESQL):
        raise InvalidSettingError(f"storage={scheme}://... is not {FORMS}")
    try:
        # A password that is not encoded would be taken for a host, and shown.
        is_clear = not set("@/?#") & set(rest.rpartition("@")[0])
        url = make_url(text) if is_clear or scheme == SQLITE else None
    except (ArgumentError, ValueError):
        url = None
    if url is None:
        raise InvalidSettingError(
            f"storage={scheme}://... is not a valid URL; it has the form {FORMS}, and special "
            "characters of a password are percent-encoded"
        )
    if not url.database or (scheme == SQLITE and (url.host or url.database == ":memory:")):
        raise InvalidSettingError(
            f"storage={Database(url).shown} names no database; write {FORMS}"
        )
    if scheme == SQLITE:
        path = (folder or Path.cwd()) / Path(url.database).expanduser()
        url = url.set(database=str(path))
    return Database(url)


def is_outage(error: BaseException | None) -> bool:
    """Whether an error says that the database is away, locked or full rather than misused."""
    if isinstance(error, optuna.exceptions.StorageInternalError):
        error = error.__cause__
    # Optuna repeats a query that failed, on a connection that is no more.
    return isinstance(error, OperationalError | InterfaceError | PendingRollbackError)


def _check_file(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise InvalidSettingError(f"storage={SQLITE}:///{path}: {folder} is not a folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise InvalidSettingError(f"storage={SQLITE}:///{path} is not writable")
    if path.is_dir():
        raise InvalidSettingError(f"storage={SQLITE}:///{path} is a folder")
    if path.exists():
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) not in (b"", _MAGIC):
                raise InvalidSettingError(f"storage={SQLITE}:///{path} is not an SQLite database")
