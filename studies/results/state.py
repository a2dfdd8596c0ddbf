"""``state.json``: what the last finished run left, and whether it is still all there is."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.folder import StudyFolder
from studies.kinds import KINDS
from studies.run_options import RunOptions
from studies.specs.spec import StudySpec
from studies.tracking.uri import absolute_uri, local_uri, same_store

_ARTIFACTS = ("report.html", "report.json", "references.bib", "table.csv", "spec.yaml", "figures")


def artifacts(folder: StudyFolder, spec: StudySpec) -> tuple[Path, ...]:
    """Return the files of a finished study that MLflow receives as well."""
    return tuple(folder.path / name for name in (*_ARTIFACTS, *KINDS.load(spec.kind).tables))


def fingerprint(spec: StudySpec, table: str) -> str:
    """Return a hash of a spec and a table."""
    return hashlib.sha256(f"{spec.digest}\n{table}".encode()).hexdigest()


def is_tracked(folder: StudyFolder, options: RunOptions) -> bool:
    """Whether the MLflow store that is asked for holds the result."""
    if not options.tracking:
        return True
    ids = folder.read_state().get("mlflow", {})
    if "run_id" not in ids:
        return False
    if options.tracking_uri is not None:
        return same_store(ids["uri"], absolute_uri(options.tracking_uri))
    return ids["uri"] != local_uri(folder) or folder.mlflow_db.exists()


def is_current(folder: StudyFolder, spec: StudySpec, table: str, options: RunOptions) -> bool:
    """Whether report and MLflow show everything that is in the table of the ledger."""
    return (
        folder.read_state().get("fingerprint") == fingerprint(spec, table)
        and is_tracked(folder, options)
        and all(path.exists() for path in artifacts(folder, spec))
        and folder.table.read_text(encoding="utf-8") == table
    )


def write_state(
    folder: StudyFolder,
    spec: StudySpec,
    headline: str,
    command: str,
    ids: Mapping[str, Any] | None = None,
) -> None:
    """Store what a run has left; without `ids` MLflow's stay."""
    table = folder.table.read_text(encoding="utf-8")
    held = folder.read_state().get("mlflow", {})
    state = {
        "fingerprint": fingerprint(spec, table),
        "headline": headline,
        "command": command,
        "mlflow": held if ids is None else dict(ids),
        "written": time.time(),
    }
    folder.write(folder.state, json.dumps(state, indent=1) + "\n")
