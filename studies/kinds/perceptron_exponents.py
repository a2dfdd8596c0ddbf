"""Exponents of the perceptron against theory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import MeasurementTable
from analysis.perceptron_exponents.study import PerceptronResult, analyse_perceptron

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from studies.specs.spec import StudySpec

EXPERIMENT = "training"
TABLES = ("exponents.csv",)
COMPARE = (
    "Look at: the scatter of `n_train` against `training_time` and `signal_to_noise`; parallel "
    "coordinates of `n_train`, `temperature`, `batch_size` and `signal_to_noise`."
)


def analyse(
    table: MeasurementTable,
    spec: StudySpec | None = None,
    thresholds: tuple[float, ...] | None = None,
) -> PerceptronResult:
    """Fit the laws of every chi and d; neither the spec nor thresholds matter."""
    return analyse_perceptron(table)


def content(result: PerceptronResult, context: ReportContext) -> ReportContent:
    """Return the report of theory beside measurement."""
    # Drawing takes a second to import, which a run with nothing to train need not pay.
    from analysis.perceptron_exponents.report import perceptron_content

    return perceptron_content(result, context)
