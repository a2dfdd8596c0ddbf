"""The critical temperature of SGD noise and its power law in P."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.study import DEFAULT_THRESHOLDS, ScalingResult

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from studies.specs.spec import StudySpec


EXPERIMENT = "training"
TABLES = ("t_c.csv",)
COMPARE = (
    "Look at: the scatter of `temperature` against `relative_weight_change`, which crosses c at "
    "T_lazy(c), and against `test_error`; parallel coordinates of `n_train`, `temperature` and "
    "`test_error`."
)


def analyse(
    table: MeasurementTable,
    spec: StudySpec | None = None,
    thresholds: tuple[float, ...] | None = None,
) -> ScalingResult:
    """Fit the laws of every batch size that the study scans."""
    batch_sizes = spec.batch_sizes() if spec is not None and spec.lists_batch_sizes else None
    asked = thresholds or (DEFAULT_THRESHOLDS if spec is None else spec.thresholds)
    if spec is None:
        return analyse_scaling(table, thresholds=asked, batch_sizes=batch_sizes)
    return analyse_scaling(
        table,
        thresholds=asked,
        batch_sizes=batch_sizes,
        design=spec.design,
        tolerance=spec.tolerance,
    )


def content(result: ScalingResult, context: ReportContext) -> ReportContent:
    """Return the scaling report."""
    # Drawing takes a second to import, which a run with nothing to train need not pay.
    from analysis.critical_temperature.report import scaling_content

    return scaling_content(result, context)
