"""Finished runs, many in one transaction, in MLflow's own tables.

MLflow's client takes about thirty statements in six transactions, 25 ms of a processor, to
create, fill and end one run. Into a database that we reach ourselves the rows are inserted as the
client would have left them. This is done only where the tables have exactly the columns that are
known here; whatever else there is, a server or a schema to come, is left to the client.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy
from sqlalchemy import column, insert, select, table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

_NAMED = ("key", "value", "run_uuid")
_MEASURED = (*_NAMED, "timestamp", "step", "is_nan")
_COLUMNS = {
    "runs": (
        *("run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id"),
        *("status", "start_time", "end_time", "deleted_time", "source_version"),
        *("lifecycle_stage", "artifact_uri", "experiment_id"),
    ),
    "tags": _NAMED,
    "params": _NAMED,
    "metrics": _MEASURED,
    "latest_metrics": _MEASURED,
}
_LARGEST = 1.7976931348623157e308
"""What MLflow stores for infinity."""
_LONGEST = 6000
"""Characters of a parameter; tags may have a few more."""


@dataclass(frozen=True)
class FinishedRun:
    """A nested run as it is to stand in the store."""

    run_id: str
    """32 hexadecimal digits, chosen by the caller."""
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def is_plain(self) -> bool:
        """Whether MLflow would take all names and texts; if not, its client has to say so."""
        names = all(map(_is_plain, (*self.tags, *self.params, *self.metrics)))
        return names and all(
            len(text) <= _LONGEST for text in (*self.tags.values(), *self.params.values())
        )


class RunTables:
    """The tables of runs in a database.

    Parameters
    ----------
    uri
        SQLAlchemy's URL of the database.
    sibling
        An MLflow run of the experiment, whose place for artifacts shows where others have theirs.
    """

    def __init__(self, uri: str, sibling: Any) -> None:
        # Parameters of a statement do not belong into what an error says.
        self._engine = sqlalchemy.create_engine(uri, poolclass=NullPool, hide_parameters=True)
        info = sibling.info
        self._experiment = int(info.experiment_id)
        self._before, _, self._after = info.artifact_uri.rpartition(info.run_id)
        if self._engine.dialect.name == "sqlite":
            sqlalchemy.event.listen(self._engine, "connect", _as_mlflow_does)

    def are_known(self) -> bool:
        """Whether the tables have the columns that are written here, and no others."""
        try:
            inspector = sqlalchemy.inspect(self._engine)
            found = {
                name: {each["name"] for each in inspector.get_columns(name)} for name in _COLUMNS
            }
        except SQLAlchemyError:
            return False
        return bool(self._before) and found == {n: set(cols) for n, cols in _COLUMNS.items()}

    def insert(self, runs: Sequence[FinishedRun]) -> None:
        """Insert those of the runs that are not there, all in one transaction."""
        rows = _TABLES["runs"]
        asked = select(rows.c.run_uuid).where(rows.c.run_uuid.in_([run.run_id for run in runs]))
        with self._engine.begin() as connection:
            held = set(connection.execute(asked).scalars())
            for name, values in self._values([run for run in runs if run.run_id not in held]):
                if values:
                    connection.execute(insert(_TABLES[name]), values)

    def _values(self, runs: Sequence[FinishedRun]) -> list[tuple[str, list[dict[str, Any]]]]:
        """Return the rows of each table, runs first, to which the others refer."""
        now = int(1000 * time.time())
        metrics = [
            {"key": key, "run_uuid": run.run_id, "timestamp": now, "step": 0, **_stored(value)}
            for run in runs
            for key, value in run.metrics.items()
        ]
        tags = [(run.run_id, {**run.tags, "mlflow.runName": run.name}) for run in runs]
        params = [(run.run_id, run.params) for run in runs]
        return [
            ("runs", [self._run(run, now) for run in runs]),
            ("tags", _named(tags)),
            ("params", _named(params)),
            ("metrics", metrics),
            ("latest_metrics", metrics),
        ]

    def _run(self, run: FinishedRun, now: int) -> dict[str, Any]:
        return {
            "run_uuid": run.run_id,
            "name": run.name,
            "source_type": "UNKNOWN",
            "source_name": "",
            "entry_point_name": "",
            "user_id": "unknown",
            "status": "FINISHED",
            "start_time": now,
            "end_time": now,
            "deleted_time": None,
            "source_version": "",
            "lifecycle_stage": "active",
            "artifact_uri": f"{self._before}{run.run_id}{self._after}",
            "experiment_id": self._experiment,
        }


def _named(items: Sequence[tuple[str, Mapping[str, str]]]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": value, "run_uuid": run_id}
        for run_id, values in items
        for key, value in values.items()
    ]


def _stored(value: float) -> dict[str, Any]:
    """Return a number as MLflow stores it, since databases know neither nan nor infinity."""
    if math.isnan(value):
        return {"value": 0.0, "is_nan": True}
    return {"value": min(max(float(value), -_LARGEST), _LARGEST), "is_nan": False}


@cache
def _is_plain(name: str) -> bool:
    return len(name) <= 250 and re.fullmatch(r"\w[\w.\- ]*", name, re.ASCII) is not None


def _as_mlflow_does(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA busy_timeout = 20000")


_TABLES = {name: table(name, *map(column, names)) for name, names in _COLUMNS.items()}
