"""How far a study is, read from its ledger without disturbing its driver."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from studies.folder import StudyFolder
from studies.plan import trainings_asked_for
from studies.stores import open_ledger


@dataclass(frozen=True)
class StudyStatus:
    """How far a study is, read without disturbing its driver."""

    study: str
    planned: int
    counts: dict[str, int]
    """Trainings by stop reason."""
    failed: int
    driver: str | None
    """Who drives it now."""
    eta_seconds: float | None
    """Time left at the rate of the last trials, None if nobody drives it."""

    @property
    def done(self) -> int:
        """Number of trainings in the ledger."""
        return sum(self.counts.values())

    @property
    def is_complete(self) -> bool:
        """Whether every training the spec asks for is done or has failed."""
        return self.done + self.failed >= self.planned


def read_status(folder: str | Path) -> StudyStatus:
    """Return the status of the study in a folder.

    Raises
    ------
    InvalidSettingError
        If the folder holds no study.
    """
    existing = StudyFolder.existing(folder)
    spec = existing.read_spec()
    driver = existing.owner()
    counts: Counter[str] = Counter()
    finished: list[tuple[float, int]] = []
    failed = 0
    planned = spec.n_trainings()
    if existing.has_ledger:
        ledger = open_ledger(existing, spec.study)
        for block in ledger.blocks():
            counts.update(row.get("stop_reason", "measured") for row in block.rows)
            finished.append((block.finished, len(block.seeds)))
        failed = sum(len(failure.seeds) for failure in ledger.failures())
        planned = trainings_asked_for(spec, ledger)
    eta = _eta(finished, planned - sum(counts.values()) - failed) if driver else None
    return StudyStatus(spec.study, planned, dict(sorted(counts.items())), failed, driver, eta)


def _eta(finished: list[tuple[float, int]], left: int) -> float | None:
    recent = sorted(finished)[-20:]
    if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
        return None
    trainings = sum(size for _, size in recent[1:])
    return left * (recent[-1][0] - recent[0][0]) / trainings


def failure_reasons(folder: str | Path) -> list[str]:
    """Return one line per unit of the study in a folder that could not be trained."""
    existing = StudyFolder.existing(folder)
    ledger = open_ledger(existing, existing.read_spec().study)
    return [
        f"{f.point.label}, seeds {f.seeds[0]}..{f.seeds[-1]}: {f.reason}"
        for f in ledger.failures()
    ]
