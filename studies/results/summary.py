"""What a run says of a study when it ends: to the user, and to MLflow's parent run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from studies.contracts import Result
from studies.execution.driver import Outcome
from studies.folder import StudyFolder
from studies.ledger.base import Ledger
from studies.plans.counts import trainings_asked_for
from studies.results.state import artifacts, fingerprint
from studies.run_options import RunSummary
from studies.specs.spec import StudySpec
from studies.tracking.data_used import data_used
from studies.tracking.texts import parent_metrics, study_note
from studies.tracking.values import StudyResult


def run_summary(
    spec: StudySpec,
    folder: StudyFolder,
    ledger: Ledger,
    seconds: Mapping[str, float],
    outcome: Outcome,
    headline: str,
    report: Path | None,
) -> RunSummary:
    """Return what a run did, after so many seconds by phase, and where its results are."""
    return RunSummary(
        planned=trainings_asked_for(spec, ledger),
        invalid=len(ledger.invalid()),
        done=ledger.n_done,
        trained=outcome.trained,
        failed=sum(len(failure.seeds) for failure in ledger.failures()),
        interrupted=outcome.interrupted,
        headline=headline,
        report=str(report) if report is not None else None,
        tracked="run_id" in folder.read_state().get("mlflow", {}),
        seconds=dict(seconds),
    )


def study_result(
    spec: StudySpec, folder: StudyFolder, ledger: Ledger, result: Result, ids: Mapping[str, str]
) -> StudyResult:
    """Return what MLflow's parent run shows of a result."""
    summary = run_summary(spec, folder, ledger, {}, Outcome(), "", None)
    return StudyResult(
        fingerprint=fingerprint(spec, folder.table.read_text(encoding="utf-8")),
        metrics=parent_metrics(result.to_dict()["estimates"]),
        note=study_note(spec, result, ids),
        files=artifacts(folder, spec),
        complete=summary.is_complete,
        data=data_used(block.point for block in ledger.blocks()),
    )
