"""Does noise injected into large batches do what small batches do?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.large_batch_noise.study import analyse_large_batches

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from analysis.result import ClaimResult
    from studies.specs.spec import StudySpec

EXPERIMENT = "large-batch-noise"
TABLES = ("arms.csv",)
COMPARE = (
    "Look at: parallel coordinates of `arm`, `label_noise`, `learning_rate` and `test_error`; "
    "each arm against `small` at equal other settings."
)


def analyse(
    table: Any, spec: StudySpec | None = None, thresholds: tuple[float, ...] | None = None
) -> ClaimResult:
    """Compare the arms, paired by seed."""
    return analyse_large_batches(table)


def content(result: ClaimResult, context: ReportContext) -> ReportContent:
    """Return the report of the comparison."""
    from analysis.large_batch_noise.report import large_batch_content

    return large_batch_content(result, context)
