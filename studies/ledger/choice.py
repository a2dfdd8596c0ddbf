"""Which store holds the ledger of a study: the journal in its folder, or a database.

Functions that meet a database load SQLAlchemy, which takes a second and which a journal does not
need.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from search_spaces import InvalidSettingError
from studies.folder import StudyFolder
from studies.ledger.base import Ledger
from studies.specs.spec import StudySpec
from studies.units import ShareableWork, Work

if TYPE_CHECKING:
    from studies.ledger.connection import Database

VARIABLE = "THERMOMETER_STORAGE"
"""Environment variable: the database of new studies, and the password of those that it holds."""


def choose_database(folder: StudyFolder, asked: str | None = None) -> Database | None:
    """Return the database that holds, or is to hold, the ledger of a folder; None for a journal.

    What was asked for comes first, then what the folder says, and for a new folder the
    environment.

    Raises
    ------
    InvalidSettingError
        If the URL is none, or the folder keeps its ledger elsewhere.
    """
    held = folder.held_storage()
    has_journal = folder.ledger.exists()
    is_new = not (has_journal or folder.spec.is_file())
    given = asked or os.environ.get(VARIABLE) or None
    if held is None and (given is None or (asked is None and not is_new)):
        return None
    from studies.ledger.connection import read_database

    if held is None:
        database = read_database(str(given))
        if has_journal:
            raise InvalidSettingError(
                f"{folder.path} keeps its ledger in {folder.ledger.name}, not in "
                f"{database.shown}; choose another folder with --out"
            )
        return database
    database = read_database(held, folder.path)
    other = database if given is None else read_database(given)
    if other.is_same(database):
        return other
    if asked is not None:
        raise InvalidSettingError(
            f"{folder.path} keeps its ledger in {database.shown}, not in {other.shown}; "
            "choose another folder with --out"
        )
    return database


def remember_database(database: Database, folder: StudyFolder) -> None:
    """Write into a folder which database holds its ledger, without a password.

    A file inside the folder is kept by its relative path, so that the folder can be moved.
    """
    path = Path(str(database.url.database))
    if database.is_sqlite and path.is_relative_to(folder.path):
        database = type(database)(database.url.set(database=str(path.relative_to(folder.path))))
    folder.write(folder.storage, database.shown + "\n")


def held_by_store(
    folder: StudyFolder, database: Database | None, study_name: str
) -> dict[str, Any] | None:
    """Return the plain spec that a study was last driven with; None for a new one.

    That of a database comes first: another driver may have made it grow.
    """
    held = folder.held_spec()
    if database is None:
        return held
    from studies.ledger.database import held_spec

    return held_spec(database, study_name) or held


def open_ledger(folder: StudyFolder, study_name: str) -> Ledger:
    """Open the ledger of a study for reading, wherever its folder says that it is.

    Raises
    ------
    InvalidSettingError
        If it is not there.
    """
    database = choose_database(folder)
    if database is None:
        return Ledger(folder.ledger, study_name)
    from studies.ledger.database import DatabaseLedger

    return DatabaseLedger(database, study_name)


def drive_ledger(
    folder: StudyFolder, database: Database | None, spec: StudySpec, lease: float
) -> Ledger:
    """Open the ledger of a study for its driver, which owns the folder.

    Raises
    ------
    InvalidSettingError
        If the database cannot be used.
    ShareStudyError
        If the study takes one driver at a time and has one.
    """
    if database is None:
        return Ledger(folder.ledger, spec.study, writable=True)
    from studies.ledger.database import DatabaseLedger

    remember_database(database, folder)
    ledger = DatabaseLedger(database, spec.study, writable=True, lease=lease)
    try:
        if not (spec.is_planned or spec.is_adaptive):
            ledger.claim_study()
    except BaseException:
        ledger.close()
        raise
    return ledger


def shared(work: Work, ledger: Ledger) -> Work:
    """Return work as it is for the only driver of a study, else what can be claimed of it."""
    if ledger.claims is None or ledger.claims.is_alone:
        return work
    from studies.ledger.database import DatabaseLedger
    from studies.ledger.sharing import SharedWork

    assert isinstance(ledger, DatabaseLedger)
    # A sampler's work, which cannot be shared, claims the whole study.
    return SharedWork(cast(ShareableWork, work), ledger, ledger.claims)
