"""The (alpha, T) plane: noise onset, escape from the lazy regime, optimum, stability edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import MeasurementTable
from analysis.locating.window import Window
from analysis.phase_diagram.study import PhaseResult, analyse_phase_diagram
from search_spaces.defaults import MODEL_DEFAULTS
from search_spaces.windows import onset_temperature, stable_learning_rate

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from studies.specs.spec import StudySpec

EXPERIMENT = "training"
TABLES = ("phase_diagram.csv",)
COMPARE = (
    "Look at: the contour of `test_error` over `temperature` and `alpha`, and of "
    "`relative_weight_change` over the same axes."
)


def analyse(
    table: MeasurementTable,
    spec: StudySpec | None = None,
    thresholds: tuple[float, ...] | None = None,
) -> PhaseResult:
    """Locate the lines of every diagram; the first threshold defines T_lazy(c)."""
    asked = thresholds or ((0.1,) if spec is None else spec.thresholds)
    return analyse_phase_diagram(table, windows_of(table), asked[0])


def windows_of(table: MeasurementTable) -> dict[float, Window]:
    """Return the scales of temperature of every alpha of a table, at its largest depth."""
    frame = table.frame
    depth = int(frame["depth"].max()) if "depth" in frame else int(MODEL_DEFAULTS["mlp"]["depth"])
    alphas = frame["alpha"].unique() if "alpha" in frame else []
    return {
        float(alpha): Window(onset_temperature(alpha, depth), stable_learning_rate(alpha, depth))
        for alpha in alphas
    }


def content(result: PhaseResult, context: ReportContext) -> ReportContent:
    """Return the report of the phase diagram."""
    # Drawing takes a second to import, which a run with nothing to train need not pay.
    from analysis.phase_diagram.report import phase_content

    return phase_content(result, context)
