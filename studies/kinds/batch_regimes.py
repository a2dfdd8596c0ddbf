"""The (B, eta) plane: B*(P), and whether only T = eta/B matters below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import MeasurementTable
from analysis.batch_regimes.study import BatchResult, analyse_batch_regimes
from studies.kinds.phase_diagram import windows_of

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from studies.specs.spec import StudySpec

EXPERIMENT = "training"
TABLES = ("b_star.csv",)
COMPARE = (
    "Look at: the scatter of `batch_size` against `relative_weight_change` at one `temperature`, "
    "flat up to B*; the contour of it over `batch_size` and `learning_rate`."
)


def analyse(
    table: MeasurementTable,
    spec: StudySpec | None = None,
    thresholds: tuple[float, ...] | None = None,
) -> BatchResult:
    """Locate B* at every P and T; the thresholds of T_lazy play no part."""
    return analyse_batch_regimes(table, windows_of(table))


def content(result: BatchResult, context: ReportContext) -> ReportContent:
    """Return the report of the plane."""
    # Drawing takes a second to import, which a run with nothing to train need not pay.
    from analysis.batch_regimes.report import batch_content

    return batch_content(result, context)
