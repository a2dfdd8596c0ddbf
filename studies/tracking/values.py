"""What is logged to MLflow: the study, the means of its configurations, and its laws.

Plain values, so that the process that uploads needs no experiment, no kind and no ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studies.tracking.data_used import DataUsed


@dataclass(frozen=True)
class Subject:
    """A study and its place in a store, before it has results."""

    uri: str
    """Tracking URI, password included."""
    experiment: str
    """Name of MLflow's experiment."""
    description: str
    """Markdown about the experiment."""
    artifacts: str
    """URI of the folder for files; used where the store is no server."""
    study: str
    key: str
    """Names the folder in the store."""
    parents: tuple[str, ...]
    """Ids that the parent run may have, as the folder knows, the likely first."""
    settings: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConfigurationResult:
    """What the run of a configuration shows."""

    identity: str
    label: str
    n_seeds: int
    """Replicas over which the metrics are averaged."""
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class StudyResult:
    """What the parent run shows."""

    fingerprint: str
    """Hash of spec and table; with it the store knows which result it holds."""
    metrics: Mapping[str, float]
    note: str
    """Markdown."""
    files: tuple[Path, ...]
    """Files and folders to copy."""
    complete: bool = True
    """Whether everything was measured that the study asks for."""
    data: tuple[DataUsed, ...] = ()
    """What was trained on."""
