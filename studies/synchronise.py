"""Upload what an MLflow store lacks of a finished or interrupted study."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from search_spaces import InvalidSettingError
from studies.credentials import redacted, redacted_uri
from studies.folder import StudyFolder
from studies.ledger.base import Ledger
from studies.ledger.choice import open_ledger
from studies.results.state import artifacts, fingerprint, write_state
from studies.results.summary import study_result
from studies.results.table import provenance_rows, table_rows, to_csv
from studies.study import Study
from studies.tracking.client import is_refusal, short_requests
from studies.tracking.feed import by_configuration, configuration_result, missing
from studies.tracking.runs import StudyRuns
from studies.tracking.texts import describe
from studies.tracking.uri import (
    absolute_uri,
    check_local_store,
    check_tracking_uri,
    local_uri,
    note_store,
    noted_store,
    same_store,
    with_password,
)

T = TypeVar("T")


class SynchroniseError(RuntimeError):
    """The store failed before everything was uploaded."""

    exit_code = 3


@dataclass(frozen=True)
class Synchronised:
    """What was uploaded."""

    uri: str
    """The store, without password."""
    configurations: int
    """Runs of configurations that were created or completed."""
    result: bool
    """Whether the parent run was written."""

    @property
    def is_nothing(self) -> bool:
        """Whether the store had everything."""
        return not self.configurations and not self.result


def synchronise(
    path: str | Path,
    uri: str | None = None,
    experiment: str | None = None,
    quiet: bool = False,
) -> Synchronised:
    """Make an MLflow store hold the study in a folder as far as it is measured, exactly once.

    Parameters
    ----------
    uri
        The store; the one that was logged to last, or that in the folder, by default.
    experiment
        Name of the experiment; the one that was logged to last, or the study's name.

    Raises
    ------
    InvalidSettingError
        If the folder holds no study, or the store cannot be reached.
    LockFolderError
        If the study is running.
    SynchroniseError
        If the store fails on the way; calling again continues.
    """
    study = Study.open(path)
    store, name = _store_of(study.folder, uri, experiment or "")
    with study.folder.owned(), short_requests():
        ledger = open_ledger(study.folder, study.spec.study)
        blocks = ledger.blocks()
        if not blocks:
            raise InvalidSettingError(f"{study.folder.path} has no results yet; run the study")
        subject = describe(study.folder, study.spec, store, name)
        runs = StudyRuns(subject)
        note_store(study.folder, store, subject.experiment)
        uploaded = 0
        try:
            runs.open()
            note_store(study.folder, store, subject.experiment, runs.ids["run_id"])
            for point, rows in _with_progress(missing(by_configuration(blocks), runs.held), quiet):
                uploaded += runs.log_configuration(configuration_result(point, rows))
            done = _log_result(study, ledger, runs)
        except (InvalidSettingError, OSError):
            raise
        except Exception as error:
            raise _failure(error, uploaded, store) from None
    return Synchronised(redacted_uri(store), uploaded, done)


def _log_result(study: Study, ledger: Ledger, runs: StudyRuns) -> bool:
    """Write the parent run, its report included, unless it shows the ledger's state already."""
    folder, blocks = study.folder, ledger.blocks()
    table = to_csv(table_rows(blocks))
    shown = runs.holds_result(fingerprint(study.spec, table))
    same = folder.read_state().get("mlflow", {}).get("run_id") == runs.ids["run_id"]
    if shown and same and all(path.exists() for path in artifacts(folder, study.spec)):
        return False
    folder.write(folder.table, table)
    folder.write(folder.provenance, to_csv(provenance_rows(blocks)))
    result = study.analyse()
    study.write_report(result, ledger, ids=runs.ids)
    runs.log_result(study_result(study.spec, folder, ledger, result, runs.ids))
    command = str(folder.read_state().get("command", ""))
    write_state(folder, study.spec, result.headline(), command, runs.ids)
    return True


def _store_of(folder: StudyFolder, uri: str | None, experiment: str) -> tuple[str, str]:
    """Return URI and experiment of the store to log to, or refuse one that is unreachable."""
    last = noted_store(folder)
    stored = local_uri(folder) if last is None else last[0]
    store = with_password(stored, None if uri is None else absolute_uri(uri))
    if last is not None and same_store(last[0], store):
        experiment = experiment or last[1]
    if same_store(store, local_uri(folder)):
        check_local_store(folder)
    else:
        check_tracking_uri(store)
    return store, experiment


def _with_progress(configurations: Iterable[T], quiet: bool) -> Iterable[T]:
    silent = quiet or not sys.stderr.isatty()
    todo = list(configurations)
    return tqdm(todo, desc="uploading", unit=" runs", dynamic_ncols=True, disable=silent)


def _failure(error: Exception, uploaded: int, store: str) -> SynchroniseError:
    reason = redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
    what = "refused" if is_refusal(error) else "failed"
    return SynchroniseError(
        f"MLflow at {redacted_uri(store)} {what} after {uploaded} runs were uploaded: {reason}; "
        "the same command continues"
    )
