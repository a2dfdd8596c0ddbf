"""Escapes and stationary laws of the noise models of SGD, theory beside simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.escape_times.study import analyse_escapes

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from analysis.result import ClaimResult
    from studies.specs.spec import StudySpec

EXPERIMENT = "escape"
TABLES = ("theory.csv",)
COMPARE = (
    "Look at: one value of `dynamics` at a time; for `levy` the scatter of `tail_index` against "
    "`simulated_time`, for `well` that of `sigma_h` against `log_time`."
)


def analyse(
    table: Any, spec: StudySpec | None = None, thresholds: tuple[float, ...] | None = None
) -> ClaimResult:
    """Judge the claims about escapes."""
    return analyse_escapes(table)


def content(result: ClaimResult, context: ReportContext) -> ReportContent:
    """Return the report of escapes."""
    from analysis.escape_times.report import escape_content

    return escape_content(result, context)
