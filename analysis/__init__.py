"""Numbers from tables: critical temperatures, their power laws, and reports.

Nothing here knows how a table was made. Every public name is found here and imported when it is
first asked for, so that numbers alone never load what draws.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "table": "MeasurementTable ReadTableError",
    "estimates": "Estimate format_value",
    "key": "Key",
    "claims": "Verdict",
    "result": "AnalyseTableError ClaimResult",
    "locating.threshold": "locate_critical_temperatures",
    "locating.located": "CriticalTemperature CriticalTemperatures fit_power_law",
    "locating.posterior": "Crossing MeasuredCurve is_located locate_crossing propose",
    "fits.form": "Form",
    "fits.power_law": "PowerLaw fit_power",
    "fits.collapse": "CollapseFit fit_collapse",
    "critical_temperature.study": "ScalingResult analyse_scaling",
    "critical_temperature.test_error.onsets": "ErrorOnsets ErrorRatios error_ratios "
    "locate_error_onsets",
    "critical_temperature.test_error.logistic": "LogisticLaw fit_error_law",
    "critical_temperature.companion_laws": "CompanionLaws PlaneFit fit_companion_laws",
    "critical_temperature.comparison.study": "Departure ScalingComparison compare_scalings",
    "phase_diagram.study": "PhaseResult analyse_phase_diagram",
    "batch_regimes.study": "BatchResult analyse_batch_regimes",
    "optimal_temperature.study": "OptimalLaw OptimalResult analyse_optimal_temperature",
    "perceptron_exponents.study": "PerceptronResult analyse_perceptron",
    "effective_temperature.slopes": "EffectiveTemperatures FluctuationRecord Stationarity "
    "measure_temperatures",
    "effective_temperature.study": "TemperatureResult analyse_temperatures",
    "gradient_noise.study": "analyse_gradient_noise parameter_frame",
    "escape_times.study": "analyse_escapes",
    "large_batch_noise.study": "analyse_large_batches",
    "mean_field.problem": "DynamicsProblem",
    "mean_field.solver": "DmftSolution SampleRecord solve_dmft solve_dmft_seeds",
    "distributions.stable": "StableFit bootstrap_stable draw_stable fit_stable",
    "distributions.comparison": "LawComparison compare_laws",
    "distributions.controls": "LayerSummary compare_batch_sizes gaussian_surrogate "
    "pooled_tail_index summarize_layer",
    "distributions.columns": "Columns screen_columns",
    "distributions.student": "StudentFit fit_student",
    "distributions.levy_escape": "LevyEscape levy_escape schedule_survival",
    "distributions.power_law_escape": "kesten_exponent log_mean_first_passage power_law_kappa "
    "power_law_log_pdf",
    "report.content": "Answer PlannedFigure ReportContent ReportContext ReportTable",
    "report.page": "write_report",
    "report.citations": "bibtex works",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"analysis.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
