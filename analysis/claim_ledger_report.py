"""The claim ledger and the numbers of a study as tables of its report."""

from __future__ import annotations

from analysis.claim_ledger import ClaimResult
from analysis.report_content import ReportTable
from analysis.report_tables import interval_text, verdict_table


def claim_sections(result: ClaimResult) -> tuple[tuple[str, tuple[ReportTable, ...]], ...]:
    """Return the claim ledger and all estimates, ready for a report."""
    columns = ("quantity", "value (68 %)", "95 % interval", "n", "range", "definition")
    rows = tuple(
        (key, str(e), interval_text(e), str(e.n), e.fit_range, e.definition)
        for key, e in result.estimates.items()
    )
    ledger = verdict_table(result.verdicts)
    return (
        ("Claim ledger", (ReportTable("Claims", ledger.columns, ledger.rows),)),
        ("Numbers", (ReportTable("Estimates", columns, rows),)),
    )
