"""MLflow's client, made quiet and impatient.

MLflow repeats a failed request seven times, each with a time limit of two minutes. A study has
its own, shorter patience: see :mod:`studies.tracking.tracker`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "PGCONNECT_TIMEOUT": "10",
}


def import_mlflow() -> Any:
    """Import MLflow without telemetry and without its messages, tracebacks of errors included.

    Errors are raised as well, and told in one sentence by whoever asked.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    _silence()
    import mlflow

    # Importing MLflow configures its loggers anew.
    _silence()
    return mlflow


def create_database(uri: str) -> None:
    """Make the file of an SQLite store whole or not at all, if there is none.

    MLflow makes its tables in many steps. It cannot go on where a process that was killed left
    them, so that such a store would be lost for good.
    """
    name = uri.removeprefix("sqlite:///")
    path = Path(name)
    if name in (uri, "", ":memory:") or "?" in name or path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    client = import_mlflow().MlflowClient(tracking_uri=f"sqlite:///{temporary}")
    try:
        client.search_experiments(max_results=1)
        _give_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _give_name(temporary: Path, path: Path) -> None:
    """Let a file be known as `path`, unless another process was faster."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        os.replace(temporary, path)


def _silence() -> None:
    for name in ("mlflow", "alembic", "sqlalchemy.pool", "psycopg", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def short_requests() -> Iterator[None]:
    """Let requests fail after seconds, unless the user's environment has limits of its own."""
    ours = {name: value for name, value in _LIMITS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def http_status(error: Exception) -> int | None:
    """Return the status of an answer that is an error of MLflow's, None for any other error."""
    status = getattr(error, "get_http_status_code", None)
    return None if status is None else int(status())


def is_refusal(error: Exception) -> bool:
    """Whether a store answered that it will never do what was asked, so repeating is useless."""
    return http_status(error) in (400, 404, 409, 413, 422)
