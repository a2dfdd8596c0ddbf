"""The claim ledger and the numbers of a study as tables of its report."""

from __future__ import annotations

from analysis.claim_result import ClaimResult
from analysis.report.content import Answer, ReportTable
from analysis.report.tables import estimate_table, verdict_table


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


def claim_sections(result: ClaimResult) -> tuple[tuple[str, tuple[ReportTable, ...]], ...]:
    """Return the claim ledger and all estimates, ready for a report."""
    ledger = verdict_table(result.verdicts)
    return (
        ("Claim ledger", (ReportTable("Claims", ledger.columns, ledger.rows),)),
        ("Numbers", (estimate_table(result.estimates),)),
    )
