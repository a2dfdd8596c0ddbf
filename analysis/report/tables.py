"""The tables of the report as rows of text, ready to be set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from analysis.claims import Verdict
from analysis.estimates import Estimate, interval_text
from analysis.fits.power_law import PowerLaw
from analysis.key import Key
from analysis.report.content import Answer, ReportTable, Section
from analysis.result import ClaimResult
from analysis.table import MeasurementTable

Row = tuple[str, ...]


def table_of(
    title: str,
    items: Iterable[Any],
    columns: Mapping[str, Callable[[Any], str]],
    *,
    keys: bool = False,
    remarks: bool = False,
) -> ReportTable:
    """Return a table with one row per item; `columns` says by its head what stands in each."""
    rows = tuple(tuple(cell(item) for cell in columns.values()) for item in items)
    return ReportTable(title, tuple(columns), rows, keys=keys, remarks=remarks)


def estimate_text(estimate: Estimate | None, otherwise: str = "") -> str:
    """Return value and error, or the words in which there is none."""
    return otherwise if estimate is None else str(estimate)


def verdict_table(verdicts: Mapping[Key, Verdict]) -> ReportTable:
    """All verdicts with their reasons."""
    rows = tuple(
        (
            verdict.claim,
            verdict.status,
            verdict.reason,
            "" if verdict.pull is None else f"{verdict.pull:+.1f}",
            verdict.literature or "",
        )
        for verdict in verdicts.values()
    )
    columns = ("claim", "status", "reason", "pull (s.e.)", "literature")
    return ReportTable("Verdicts", columns, rows)


def counts_table(
    table: MeasurementTable,
    planned: Mapping[int, int],
    failed: Mapping[int, int],
    totals: tuple[int | None, int | None],
) -> ReportTable:
    """How the runs of every size ended.

    What was planned and what failed is not in a table of runs: both come by size, with their
    totals, and are shown as unknown where they are missing.
    """
    frame = table.frame
    ended = frame["stop_reason"].replace({"step_budget": "censored", "wall_budget": "censored"})
    names = ("fitted", "censored", "diverged")

    def row(label: str, n_planned: int | None, reasons: pd.Series, n_failed: int | None) -> Row:
        counts = reasons.value_counts()
        known = (n_planned, *(counts.get(name, 0) for name in names), n_failed)
        return (label, *("unknown" if number is None else str(number) for number in known))

    rows = [
        row(str(size), planned.get(int(size)), reasons, failed.get(int(size)))
        for size, reasons in ended.groupby(frame["n_train"])
    ]
    rows.append(row("all", totals[0], ended, totals[1]))
    return ReportTable("Runs", ("P", "planned", *names, "failed"), tuple(rows))


def estimate_table(estimates: Mapping[Key, Estimate]) -> ReportTable:
    """Every number with its error, under its definition where several share one."""
    definitions = list(dict.fromkeys(e.definition for e in estimates.values()))
    columns = ("quantity", "value (68 %)", "95 % interval", "n", "fit range")
    if len(definitions) > len(estimates) / 2:
        rows = [(*_estimate_row(key, e), e.definition) for key, e in estimates.items()]
        return ReportTable("Estimates", (*columns, "definition"), tuple(rows), keys=True)
    grouped: list[Row] = []
    for definition in definitions:
        grouped.append((definition,))
        grouped += [
            _estimate_row(key, e) for key, e in estimates.items() if e.definition == definition
        ]
    return ReportTable("Estimates", columns, tuple(grouped), keys=True)


def _estimate_row(key: str, estimate: Estimate) -> Row:
    return (key, str(estimate), interval_text(estimate), str(estimate.n), estimate.fit_range)


def claim_answer(result: ClaimResult, note: str) -> Answer:
    """Return the box at the top: the first claim, the others beside it."""
    first, *others = result.verdicts.values()
    headline = result.headline()
    return Answer(
        status=first.status,
        headline=headline[:1].upper() + headline[1:],
        paragraphs=(f"{first.claim} {first.status.capitalize()}: {first.reason}.",),
        note=note,
        beside=tuple(others),
    )


def claim_sections(result: ClaimResult) -> tuple[Section, ...]:
    """Return the claim ledger and all estimates, ready for a report."""
    ledger = verdict_table(result.verdicts)
    return (
        ("Claim ledger", (ReportTable("Claims", ledger.columns, ledger.rows),)),
        ("Numbers", (estimate_table(result.estimates),)),
    )


def quality_text(fit: PowerLaw | None) -> str:
    """Return chi2 per degree of freedom and its p-value; empty without a test."""
    if fit is None or fit.p_value is None:
        return ""
    return f"{fit.chi2:.1f}/{fit.dof} ({fit.p_value:.2g})"
