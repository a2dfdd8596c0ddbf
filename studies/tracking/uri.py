"""Where a study's MLflow store is: its URI, whether it can be reached, which store it names."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from search_spaces import InvalidSettingError
from studies.credentials import place_of, redacted_uri
from studies.folder import StudyFolder
from studies.reachable import why_silent

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}


def check_tracking_uri(uri: str, reach: bool = True) -> None:
    """Raise InvalidSettingError unless `uri` names a store that can be reached now.

    That is a server or database that listens, or an SQLite file in an existing folder.

    Parameters
    ----------
    reach
        Whether to ask a server; a study that was logged there before goes on without it.
    """
    shown = redacted_uri(uri)
    try:
        parts = urlsplit(uri)
        scheme = parts.scheme.partition("+")[0]
        port = parts.port or _PORTS.get(scheme)
    except ValueError:
        # The words of urlsplit repeat what stands in place of the port: part of a password.
        raise InvalidSettingError(
            f"tracking_uri={shown!r} is not valid: its port is not a number from 0 to 65535"
        ) from None
    if scheme == "sqlite":
        path = Path(uri.partition(":///")[2]).absolute()
        if not path.parent.is_dir():
            raise InvalidSettingError(f"tracking_uri={shown!r}: {path.parent} is not a folder")
        return
    if port is None:
        raise InvalidSettingError(
            f"tracking_uri={shown!r} is not http://HOST:PORT, sqlite:///FILE, postgresql://... "
            "or mysql://..."
        )
    host = parts.hostname or ""
    if reach and (reason := why_silent(host, port)):
        # A slash in a password makes part of it a host.
        named = f"{host}:{port}" if host and host in shown else shown
        raise InvalidSettingError(f"no MLflow server answers at {named}: {reason}")


def check_store(folder: StudyFolder, uri: str | None) -> None:
    """Refuse a store that cannot be logged to; None is the one in the study's folder."""
    if uri is None:
        return check_local_store(folder)
    last = noted_store(folder)
    # A store that this study was logged to may come back while it goes on.
    is_new = last is None or not same_store(last[0], absolute_uri(uri))
    return check_tracking_uri(uri, reach=is_new)


def check_local_store(folder: StudyFolder) -> None:
    """Raise InvalidSettingError if the folder's path cannot stand in a database URL."""
    for mark in "?%":
        if mark in str(folder.path):
            raise InvalidSettingError(
                f"{folder.path} contains {mark!r}, which MLflow's store cannot have in its path; "
                "choose another folder with --out, or --no-tracking"
            )


def local_uri(folder: StudyFolder) -> str:
    """Return the tracking URI of the SQLite store in a study's folder."""
    return f"sqlite:///{folder.mlflow_db}"


def absolute_uri(uri: str) -> str:
    """Return a tracking URI that means the same in every working folder."""
    path = uri.removeprefix("sqlite:///")
    return f"sqlite:///{Path(path).absolute()}" if path != uri else uri


def is_web(uri: str) -> bool:
    """Whether a store is a tracking server, which browsers reach and which keeps artifacts."""
    return uri.lower().startswith(("http://", "https://"))


def same_store(one: str, other: str) -> bool:
    """Whether two URIs name one store, whoever logs in.

    >>> same_store("http://me:secret@host:5000/", "http://***@host:5000")
    True
    """
    return place_of(one) == place_of(other)


def lacks_password(uri: str) -> bool:
    """Whether a stored URI is incomplete because its password is not stored.

    >>> lacks_password("postgresql://me:***@db/x")
    True
    """
    return "***" in uri


def with_password(stored: str, given: str | None) -> str:
    """Return the URI of a store: what the user gives, else what is stored.

    Raises
    ------
    InvalidSettingError
        If neither has its password.
    """
    uri = stored if given is None else given
    if lacks_password(uri):
        raise InvalidSettingError(
            f"the password of {redacted_uri(uri)} is not stored; give the whole URI with "
            "--tracking-uri"
        )
    return uri


def web_address(uri: str) -> str | None:
    """Return the address under which a browser finds the store, None unless it is a server.

    >>> web_address("http://me:secret@host:5000/")
    'http://host:5000'
    """
    return place_of(uri) if is_web(uri) else None


def noted_store(folder: StudyFolder) -> tuple[str, str] | None:
    """Return URI, without password, and experiment of the store last logged to, if any."""
    notes = _notes(folder)
    return (notes[-1]["store"], str(notes[-1].get("experiment", ""))) if notes else None


def noted_parent(folder: StudyFolder, uri: str, experiment: str) -> str:
    """Return the id of the study's parent run in a store, empty if none is noted."""
    parents = (
        str(note.get("parent", ""))
        for note in reversed(_notes(folder))
        if note.get("experiment") == experiment and same_store(note["store"], uri)
    )
    return next(filter(None, parents), "")


def note_store(folder: StudyFolder, uri: str, experiment: str, parent: str = "") -> None:
    """Note in ``tracked.jsonl`` where a study is logged to, before its store has answered.

    What is logged there is known from the store. A line that was torn, or of which the list of
    an older version is made, says nothing.
    """
    parent = parent or noted_parent(folder, uri, experiment)
    note = {"store": redacted_uri(uri), "experiment": experiment, "parent": parent}
    if _notes(folder)[-1:] != [note]:
        with folder.tracked.open("ab", buffering=0) as file:
            file.write(f"\n{json.dumps(note, ensure_ascii=False)}\n".encode())


def _notes(folder: StudyFolder) -> list[dict[str, Any]]:
    try:
        text = folder.tracked.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    notes = []
    for line in text.split("\n"):
        with contextlib.suppress(ValueError):
            note = json.loads(line) if line.startswith("{") else None
            if isinstance(note, dict) and isinstance(note.get("store"), str):
                notes.append(note)
    return notes


def store_uri(folder: StudyFolder) -> str:
    """Return the URI, without password, of the store that holds the runs of a study.

    Raises
    ------
    InvalidSettingError
        If the study was not logged to MLflow.
    """
    uri = folder.read_state().get("mlflow", {}).get("uri")
    if uri is None and folder.mlflow_db.exists():
        return local_uri(folder)
    if uri is None:
        raise InvalidSettingError(f"{folder.path} has no MLflow store; run the study first")
    return str(uri)
