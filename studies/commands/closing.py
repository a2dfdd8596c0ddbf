"""What ``thermometer run`` says at its end: a table for people, an object for scripts."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.estimates import format_interval, format_value
from studies.commands.paths import shown_path

if TYPE_CHECKING:
    from studies.folder import StudyFolder
    from studies.run_options import RunSummary

MOST_NUMBERS = 6
"""Numbers in the closing table; report.json holds all."""


def closing_object(summary: RunSummary, folder: StudyFolder) -> dict[str, Any]:
    """Return the object that ``--json`` prints; keys are only ever added to it."""
    report = folder.path / "report.json"
    has_report = summary.report is not None and report.exists()
    files = (folder.table, folder.provenance, folder.report, report, folder.path / "figures")
    return {
        **asdict(summary),
        "seconds": {phase: round(took, 3) for phase, took in summary.seconds.items()},
        "complete": summary.is_complete,
        "counts": _counts(folder),
        "trainings_per_second": _rate(summary),
        "numbers": _numbers(json.loads(report.read_text("utf-8"))) if has_report else {},
        "files": {file.name: str(file) for file in files if file.exists()},
    }


def closing_table(closing: dict[str, Any]) -> list[str]:
    """Return the lines of the closing table."""
    counts = ", ".join(f"{n} {state}" for state, n in closing["counts"].items())
    lines = [f"trainings  {closing['done']} of {closing['planned']} done: {counts or 'none'}"]
    if closing["failed"]:
        lines[0] += f"; {closing['failed']} failed"
    if closing["trained"]:
        rate = closing["trainings_per_second"]
        lines.append(f"this run   {closing['trained']} trainings, {rate:.3g} per second")
    if closing["seconds"]:
        times = ", ".join(f"{phase} {took:.1f} s" for phase, took in closing["seconds"].items())
        lines.append(f"wall time  {times}")
    for k, (key, number) in enumerate(closing["numbers"].items()):
        shown = format_value(number["value"], number["stderr"])
        interval = number["interval95"]
        if interval is not None:
            ends = format_interval(number["value"], number["stderr"], interval)
            shown = f"{shown:14s} 95% {ends}"
        lines.append(f"{'' if k else 'numbers':10s} {key:28s} {shown}")
    names = ", ".join(closing["files"])
    if names:
        first = Path(next(iter(closing["files"].values())))
        lines.append(f"files      {names} in {shown_path(first.parent)}")
    return lines


def _counts(folder: StudyFolder) -> dict[str, int]:
    """Count trainings by stop reason in the table that the run has written.

    The ledger may be in a database whose password only the run was told.
    """
    if not folder.table.exists():
        return {}
    with folder.table.open(encoding="utf-8", newline="") as file:
        counts = Counter(row.get("stop_reason") or "measured" for row in csv.DictReader(file))
    return dict(sorted(counts.items()))


def _rate(summary: RunSummary) -> float | None:
    took = summary.seconds.get("training", 0.0)
    return summary.trained / took if summary.trained and took > 0 else None


def _numbers(report: dict[str, Any]) -> dict[str, Any]:
    """Return the first numbers of report.json that are not those of single sizes."""
    chosen = [key for key in report["estimates"] if "n_train=" not in key][:MOST_NUMBERS]
    names = ("value", "stderr", "interval95")
    estimates = report["estimates"]
    return {key: {name: estimates[key][name] for name in names} for key in chosen}
