"""What is logged to MLflow: the means of a configuration, and the laws of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.tracking.data_used import DataUsed


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
    estimates: Mapping[str, Mapping[str, Any]]
    note: str
    """Markdown."""
    files: tuple[Path, ...]
    """Files and folders to copy."""
    complete: bool = True
    """Whether everything was measured that the study asks for."""
    data: tuple[DataUsed, ...] = ()
    """What was trained on."""
