"""The law of minibatch noise, parameter by parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.gradient_noise.study import analyse_gradient_noise

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from analysis.result import ClaimResult
    from studies.specs.spec import StudySpec

EXPERIMENT = "gradient-noise"
TABLES = ("parameters.csv", "layers.csv")
COMPARE = (
    "Look at: the scatter of `batch_size` against `median_tail_index` at each `epoch`; parallel "
    "coordinates of `epoch`, `batch_size` and `layer`."
)


def analyse(
    table: Any, spec: StudySpec | None = None, thresholds: tuple[float, ...] | None = None
) -> ClaimResult:
    """Judge the claims about tail indices."""
    return analyse_gradient_noise(table)


def content(result: ClaimResult, context: ReportContext) -> ReportContent:
    """Return the report of gradient noise."""
    from analysis.gradient_noise.report import gradient_noise_content

    return gradient_noise_content(result, context)
