"""What a study's report says beyond its numbers: question, provenance, planned and failed runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from analysis.report.citations import WORKS
from analysis.report.content import ReportContext
from studies import provenance
from studies.ledger.base import Block, Ledger
from studies.plans.counts import trainings_asked_for, trainings_by_size
from studies.specs.extension_entries import repeated_by_size
from studies.specs.spec import StudySpec
from studies.tracking.texts import links_to_runs, place_in_mlflow

_PROGRAMS = ("salmon2011random", "numba", "scikit-learn", "ray", "optuna", "mlflow")


def report_context(
    spec: StudySpec, ledger: Ledger, command: str = "", ids: Mapping[str, str] | None = None
) -> ReportContext:
    """Return the context of the report of a study; `ids` are those of its runs in MLflow."""
    sizes = tuple(trainings_by_size(spec, ledger))
    blocks = ledger.blocks()
    commits = sorted({str(block.provenance.get("commit", "unknown")) for block in blocks})
    seconds = sum(block.provenance.get("seconds", 0.0) for block in blocks)
    planned = trainings_by_size(spec, ledger)
    n_repeated = sum(repeated_by_size(spec.extension or (), spec.space.n_seeds).values())
    failed = Counter(dict.fromkeys(planned, 0))
    for failure in ledger.failures():
        failed[failure.point.columns().get("n_train", 0)] += len(failure.seeds)
    return ReportContext(
        study=spec.study,
        question=spec.texts.get("question", ""),
        command=command or f"thermometer run {spec.study}",
        spec_hash=spec.digest,
        spec=spec.to_shown(),
        counts_planned=trainings_asked_for(spec, ledger) - n_repeated,
        counts_failed=sum(failed.values()),
        planned_by_size=planned,
        failed_by_size=dict(failed),
        data_sentence=spec.experiment.conditional_on(spec),
        environment={
            **provenance.environment(),
            "training": f"{seconds:.1f} core seconds in {len(blocks)} trials",
            **place_in_mlflow(ids or {}),
            **mixtures(blocks),
        },
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=", ".join(commits),
        citations=_citations(spec),
        files=("table.csv", "provenance.csv", "spec.yaml"),
        links=links_to_runs(ids or {}, sizes),
    )


def mixtures(blocks: Sequence[Block]) -> dict[str, str]:
    """Name what differs between the rows of a study and can change their last digits."""
    found = {}
    for name in ("backend", "code", "architecture", "device", "numpy", "numba", "torch"):
        counts: Counter[str] = Counter()
        for block in blocks:
            made = {"backend": block.rows[0].get("backend"), **block.provenance}
            counts[str(made.get(name) or "unknown")] += len(block.seeds)
        if len(counts) > 1:
            parts = ", ".join(f"{value} ({n} trainings)" for value, n in sorted(counts.items()))
            found[f"mixed {name}"] = f"{parts}; equal within rounding, not bit for bit"
    return found


def _citations(spec: StudySpec) -> tuple[str, ...]:
    """Return the data sets and programs that trainings, ledger and comparison rest on."""
    spaces = spec.spaces().values()
    axes = (getattr(space, "axes", {}) for space in spaces)
    names = (str(name) for each in axes if "data" in each for name in each["data"].values())
    return (*(name for name in names if name in WORKS), *_PROGRAMS)
