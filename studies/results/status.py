"""How far a study is, read from its ledger without disturbing its driver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search_spaces.curves import curves_of
from studies.folder import StudyFolder
from studies.ledger.base import Block
from studies.ledger.choice import open_ledger, read_study
from studies.plans.counts import trainings_asked_for
from studies.specs.spec import StudySpec

_RECENT = 20
"""Trials from which the present rate is taken."""


@dataclass(frozen=True)
class Part:
    """A scan of a study, or a curve of an adaptive one."""

    done: int
    """Its trainings in the ledger."""
    planned: int | None
    """Trainings it asks for; None for a curve, which stops when it knows enough."""


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
    rate: float | None = None
    """Trainings per second over the last trials, None if nobody drives it."""
    parts: dict[str, Part] = field(default_factory=dict)
    """Named scans, or the curves of an adaptive design; empty for a study with one space."""

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
    blocks: list[Block] = []
    failed = 0
    planned = spec.n_trainings()
    if existing.has_ledger:
        ledger = open_ledger(existing, spec.study)
        blocks = ledger.blocks()
        for block in blocks:
            counts.update(row.get("stop_reason", "measured") for row in block.rows)
        failed = sum(len(failure.seeds) for failure in ledger.failures())
        planned = trainings_asked_for(spec, ledger)
    rate = _rate(blocks) if driver else None
    left = planned - sum(counts.values()) - failed
    return StudyStatus(
        spec.study,
        planned,
        dict(sorted(counts.items())),
        failed,
        driver,
        None if rate is None else left / rate,
        rate,
        _parts(spec, blocks),
    )


def _rate(blocks: list[Block]) -> float | None:
    """Return trainings per second over the last trials."""
    recent = sorted((block.finished, len(block.seeds)) for block in blocks)[-_RECENT:]
    if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
        return None
    return sum(size for _, size in recent[1:]) / (recent[-1][0] - recent[0][0])


def _parts(spec: StudySpec, blocks: list[Block]) -> dict[str, Part]:
    """Count the trainings of every scan or curve; a point of two scans counts in both."""
    if spec.is_adaptive:
        return _curves(spec, blocks)
    if not spec.scans:
        return {}
    seeds: dict[str, set[int]] = {}
    for block in blocks:
        seeds.setdefault(block.point.identity, set()).update(block.seeds)
    parts = {}
    for name, space in spec.spaces().items():
        wanted = set(space.seeds)
        done = [len(wanted & seeds.get(point.identity, set())) for point in space.points()]
        parts[name] = Part(sum(done), len(done) * len(wanted))
    return parts


def _curves(spec: StudySpec, blocks: list[Block]) -> dict[str, Part]:
    """Count the trainings of every curve by the settings that tell it from the others."""
    curves = curves_of(spec.space)
    varying = [
        name
        for name in curves[0].settings
        if len({str(curve.settings[name]) for curve in curves}) > 1
    ]

    def label(settings: Mapping[str, Any]) -> str:
        return ", ".join(f"{name}={settings[name]}" for name in varying) or "curve"

    done = Counter[str]()
    for block in blocks:
        done[label(block.point.to_dict())] += len(block.seeds)
    return {name: Part(done[name], None) for name in (label(c.settings) for c in curves)}


def failure_reasons(folder: str | Path) -> list[str]:
    """Return one line per unit of the study in a folder that could not be trained."""
    _, ledger = read_study(folder)
    return [
        f"{f.point.label}, seeds {f.seeds[0]}..{f.seeds[-1]}: {f.reason}"
        for f in ledger.failures()
    ]
