"""Which driver trains what, when several share one study in a database.

A claim is a row for one replica of one configuration: its driver and the time at which it
expires, by the clock of the database, so that the clocks of hosts do not matter. A driver renews
its claims from a thread of its own; a driver that died does not, and others take them over. A
claim is deleted in the transaction that records the result: a result is recorded by whoever holds
the claim, once, also if the answer to the commit is lost.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from studies.ledger.connection import Database
from studies.units import Unit

LEASE_SECONDS = 60.0
"""How long a claim lasts unless its driver renews it."""

Key = tuple[str, int]
"""Identity of a configuration and a seed."""

_WHOLE_STUDY: Key = ("", -1)

_CREATE = """
CREATE TABLE IF NOT EXISTS thermometer_claims (
    study INTEGER NOT NULL,
    point VARCHAR(64) NOT NULL,
    seed BIGINT NOT NULL,
    driver VARCHAR(200) NOT NULL,
    expires DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (study, point, seed)
)"""

_NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)",
}
# After a restart every driver has a whole lease to find its way back.
_STARTED = {
    "sqlite": "0",
    "postgresql": "CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) AS DOUBLE PRECISION)",
}
_KEYS = {
    "sqlite": "(SELECT json_extract(value, '$[0]') AS point, json_extract(value, '$[1]') AS seed "
    "FROM json_each(:keys))",
    "postgresql": "(SELECT value->>0 AS point, CAST(value->>1 AS BIGINT) AS seed "
    "FROM json_array_elements(CAST(:keys AS JSON)) AS value)",
}
_EXPIRED = "(expires < {now} AND {started} < {now} - :lease)"

# Rows are locked in the order of their keys, so that drivers do not lock each other out.
_TAKE = (
    "INSERT INTO thermometer_claims (study, point, seed, driver, expires) "
    "SELECT :study, point, seed, :driver, {now} + :lease FROM {keys} AS keys "
    "WHERE true ORDER BY point, seed "
    "ON CONFLICT (study, point, seed) "
    "DO UPDATE SET driver = excluded.driver, expires = excluded.expires "
    "WHERE thermometer_claims.driver = excluded.driver "
    "OR (thermometer_claims.expires < {now} AND {started} < {now} - :lease) "
    "RETURNING point, seed"
)
_MINE = "SELECT point, seed FROM thermometer_claims WHERE study = :study AND driver = :driver "
_RENEW = (
    "UPDATE thermometer_claims SET expires = {now} + :lease WHERE study = :study "
    "AND (point, seed) IN (" + _MINE + "ORDER BY point, seed {lock})"
)
_DELETE = (
    "DELETE FROM thermometer_claims WHERE study = :study AND (point, seed) IN ("
    + _MINE
    + "AND (point, seed) IN (SELECT point, seed FROM {keys} AS keys) ORDER BY point, seed {lock})"
)
_DELETE_ALL = "DELETE FROM thermometer_claims WHERE study = :study AND driver = :driver"
_HELD = (
    "SELECT point, seed FROM thermometer_claims "
    "WHERE study = :study AND driver <> :driver AND NOT " + _EXPIRED
)
_HOLDER = "SELECT driver FROM thermometer_claims WHERE study = :study AND point = '' AND seed = -1"


class ClaimLostError(RuntimeError):
    """The claim of what was to be recorded is gone: recorded already, or taken over."""


class ShareStudyError(RuntimeError):
    """Another driver has a study that takes one at a time; the message names it."""

    exit_code = 5


class Claims:
    """What this driver may train of a study in a database.

    Parameters
    ----------
    study
        Optuna's number of the study.
    seconds
        The lease.
    """

    def __init__(
        self, database: Database, engine: sqlalchemy.Engine, study: int, seconds: float
    ) -> None:
        self.number = uuid.uuid4().hex[:12]
        """A random one, in hexadecimal digits."""
        self.driver = f"process {os.getpid()} on {socket.gethostname()} {self.number}"
        self._database = database
        self._engine = engine
        self._values: dict[str, Any] = {"study": study, "driver": self.driver, "lease": seconds}
        self._seconds = seconds
        self.is_alone = False
        """Whether the whole study is ours."""
        self._recording: list[Key] | None = None
        # The thread that renews and the driver do not lock each other's rows.
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, daemon=True)

    @staticmethod
    def create_table(engine: sqlalchemy.Engine) -> None:
        """Make the table of claims unless it is there."""
        with engine.begin() as connection:
            connection.execute(text(_CREATE))

    def __enter__(self) -> Claims:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(1.0)
        try:
            self._run(_DELETE_ALL)
        except SQLAlchemyError:
            return  # they expire

    def take(self, keys: Iterable[Key]) -> set[Key]:
        """Claim what is free, expired or ours already, and return it."""
        asked = sorted(keys)
        rows = self._database.patiently(lambda: self._run(_TAKE, asked)) if asked else []
        return {(str(point), int(seed)) for point, seed in rows}

    def take_study(self) -> None:
        """Claim the whole study, for a design that one driver has to carry out.

        Raises
        ------
        ShareStudyError
            If another driver has it.
        """
        if not self.take([_WHOLE_STUDY]):
            holder = str(next(iter(self._run(_HOLDER)), ["another driver"])[0])
            raise ShareStudyError(
                f"the study is driven by {holder.rpartition(' ')[0]}; a sampler takes one driver "
                "at a time, since it has to know what was found before it asks on"
            )
        self.is_alone = True

    def held_by_others(self) -> set[Key]:
        """Return what other drivers are training now."""
        rows = self._database.patiently(lambda: self._run(_HELD))
        return {(str(point), int(seed)) for point, seed in rows}

    def release(self, keys: Iterable[Key]) -> None:
        """Give claims back."""
        asked = sorted(keys)
        if asked:
            self._database.patiently(lambda: self._run(_DELETE, asked))

    @contextmanager
    def recording(self, unit: Unit) -> Iterator[None]:
        """Context in which a commit records `unit` and gives its claims back, both or neither.

        Raises
        ------
        ClaimLostError
            On the commit, if a claim is not ours.
        """
        keys = [(unit.point.identity, seed) for seed in unit.seeds]
        with self._mutex:
            self._recording = [_WHOLE_STUDY] if self.is_alone else keys
            try:
                yield
            finally:
                self._recording = None

    def before_commit(self, session: Session) -> None:
        """Make the deletion of the claims, or a look at them, part of a transaction."""
        if self._recording is None:
            return
        statement = _RENEW if self.is_alone else _DELETE
        result = session.connection().execute(*self._statement(statement, self._recording))
        if result.rowcount != len(self._recording):
            raise ClaimLostError("the claim was taken over")

    def _keep_renewing(self) -> None:
        pause = self._seconds / 3
        while not self._stop.wait(pause):
            try:
                with self._mutex:
                    self._run(_RENEW)
                pause = self._seconds / 3
            except SQLAlchemyError:
                pause = min(1.0, self._seconds / 10)

    def _run(self, statement: str, keys: list[Key] | None = None) -> list[Any]:
        with self._engine.begin() as connection:
            result = connection.execute(*self._statement(statement, keys))
            return list(result) if result.returns_rows else []

    def _statement(
        self, statement: str, keys: list[Key] | None
    ) -> tuple[sqlalchemy.TextClause, dict[str, Any]]:
        dialect = self._engine.dialect.name
        parts = {
            "now": _NOW[dialect],
            "started": _STARTED[dialect],
            "keys": _KEYS[dialect],
            "lock": "FOR UPDATE" if dialect == "postgresql" else "",
        }
        values = {name: value for name, value in self._values.items() if f":{name}" in statement}
        if "{keys}" in statement:
            values["keys"] = json.dumps(keys)
        return text(statement.format(**parts)), values
