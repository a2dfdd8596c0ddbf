"""Which store holds the ledger of a study: the journal in its folder, or a database.

Functions that meet a database load SQLAlchemy, which takes a second and which a journal does not
need.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Opened:
    """A study's folder, where its ledger is, and the spec that it was last driven with.

    Made once per command by :func:`open_study`, and handed on.
    """

    folder: StudyFolder
    database: Database | None
    """The database that holds the ledger; None for the journal in the folder."""
    held: dict[str, Any] | None
    """The plain spec; None for a new study."""

    @property
    def place(self) -> str:
        """What holds the spec, for messages."""
        return "the folder" if self.database is None else f"the study in {self.database.shown}"

    def elsewhere(self, storage: str | None) -> Opened:
        """Return the same study with its ledger where it is asked for; None: where it is."""
        if storage is None:
            return self
        return replace(self, database=choose_database(self.folder, storage))

    def read(self, study_name: str) -> Ledger:
        """Open the ledger for reading.

        Raises
        ------
        InvalidSettingError
            If it is not there.
        """
        if self.database is None:
            return Ledger(self.folder.ledger, study_name)
        from studies.ledger.database import DatabaseLedger

        return DatabaseLedger(self.database, study_name)

    def drive(self, spec: StudySpec, lease: float) -> tuple[Ledger, StudySpec]:
        """Open the ledger for its driver, which owns the folder; return the spec to go by.

        Raises
        ------
        InvalidSettingError
            If the database cannot be used, or holds a spec that cannot grow into this one.
        ShareStudyError
            If the study takes one driver at a time and has one.
        """
        if self.database is None:
            # Before the journal: a folder without a spec is nobody's.
            self.folder.write(self.folder.spec, spec.to_yaml())
            return Ledger(self.folder.ledger, spec.study, writable=True), spec
        from studies.ledger.database import DatabaseLedger

        self._remember(self.database)
        ledger = DatabaseLedger(self.database, spec.study, writable=True, lease=lease)
        try:
            if not (spec.is_planned or spec.is_adaptive):
                ledger.claim_study()
            agreed = ledger.agree(spec)
            self.folder.write(self.folder.spec, agreed.to_yaml())
        except BaseException:
            ledger.close()
            raise
        return ledger, agreed

    def _remember(self, database: Database) -> None:
        """Write into the folder which database holds its ledger, without a password.

        A file inside the folder is kept by its relative path, so that the folder can be moved.
        """
        path = Path(str(database.url.database))
        if database.is_sqlite and path.is_relative_to(self.folder.path):
            inside = str(path.relative_to(self.folder.path))
            database = type(database)(database.url.set(database=inside))
        self.folder.write(self.folder.storage, database.shown + "\n")


def open_study(folder: StudyFolder, study_name: str, storage: str | None = None) -> Opened:
    """Find out where the ledger of a study is, and which spec it was last driven with.

    That of a database comes first: another driver may have made it grow.
    """
    database, held = choose_database(folder, storage), folder.held_spec()
    if database is not None:
        from studies.ledger.database import held_spec

        held = held_spec(database, study_name) or held
    return Opened(folder, database, held)


def open_ledger(folder: StudyFolder, study_name: str) -> Ledger:
    """Open the ledger of a study for reading, wherever its folder says that it is."""
    return Opened(folder, choose_database(folder), None).read(study_name)


def read_study(path: str | Path) -> tuple[StudySpec, Ledger]:
    """Return spec and ledger of the study that a folder holds, for reading.

    Raises
    ------
    InvalidSettingError
        If the folder holds no study, or nothing was measured.
    """
    folder = StudyFolder.existing(path)
    spec = folder.read_spec()
    return spec, open_ledger(folder, spec.study)


def shared(work: Work, ledger: Ledger) -> Work:
    """Return work as it is for the only driver of a study, else what can be claimed of it."""
    if ledger.claims is None or ledger.claims.is_alone:
        return work
    from studies.ledger.database import DatabaseLedger
    from studies.ledger.sharing import SharedWork

    assert isinstance(ledger, DatabaseLedger)
    # A sampler's work, which cannot be shared, claims the whole study.
    return SharedWork(cast(ShareableWork, work), ledger, ledger.claims)
