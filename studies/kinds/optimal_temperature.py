"""The temperature of least test error and its power of alpha."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import MeasurementTable
from analysis.optimal_temperature.study import OptimalResult, analyse_optimal_temperature

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from studies.specs.spec import StudySpec

EXPERIMENT = "training"
TABLES = ("t_opt.csv",)
COMPARE = (
    "Look at: the scatter of `temperature` against `test_error` at one `alpha`, lowest at T_opt; "
    "the contour of `test_error` over `temperature` and `alpha`."
)


def analyse(
    table: MeasurementTable,
    spec: StudySpec | None = None,
    thresholds: tuple[float, ...] | None = None,
) -> OptimalResult:
    """Locate T_opt at every alpha; the thresholds of T_lazy play no part."""
    return analyse_optimal_temperature(table)


def content(result: OptimalResult, context: ReportContext) -> ReportContent:
    """Return the report of T_opt."""
    # Drawing takes a second to import, which a run with nothing to train need not pay.
    from analysis.optimal_temperature.report import optimal_content

    return optimal_content(result, context)
