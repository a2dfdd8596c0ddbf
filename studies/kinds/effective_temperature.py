"""Temperatures of SGD's fluctuations, distances of replicas, and the width of the boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.effective_temperature.study import TemperatureResult, analyse_temperatures
from analysis.effective_temperature.table import TemperatureTable

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from studies.specs.spec import StudySpec


EXPERIMENT = "perceptron-dynamics"
TABLES = ("temperatures.csv",)
COMPARE = (
    "Look at: the scatter of `learning_rate` against `temperature_secant` at one "
    "`active_fraction`; parallel coordinates of `method`, `learning_rate` and `persistence_time`, "
    "where simulation and mean-field theory must agree. These are raw slopes, also of runs that "
    "are not stationary; the report says which."
)


def analyse(
    table: TemperatureTable,
    spec: StudySpec | None = None,
    thresholds: tuple[float, ...] | None = None,
) -> TemperatureResult:
    """Measure temperatures, fit the laws and judge the claims; thresholds do not matter here."""
    return analyse_temperatures(table)


def content(result: TemperatureResult, context: ReportContext) -> ReportContent:
    """Return the report of temperatures."""
    # Drawing takes a second to import, which a run with nothing to train need not pay.
    from analysis.effective_temperature.report import temperature_content

    return temperature_content(result, context)
