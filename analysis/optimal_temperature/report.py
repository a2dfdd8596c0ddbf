"""The report of T_opt(alpha): what the page says about an :class:`OptimalResult`."""

from __future__ import annotations

import math
from functools import partial

from analysis.arrays import FloatArray
from analysis.estimates import interval_text
from analysis.frame import printed
from analysis.locating.minimum import OptimalTemperature
from analysis.optimal_temperature import checks, figures
from analysis.optimal_temperature.checks import optimal_diagnostics, optimal_forests
from analysis.optimal_temperature.study import OptimalLaw, OptimalResult
from analysis.report.checks import diagnostics_figures, forest_figures
from analysis.report.content import (
    Answer,
    PlannedFigure,
    ReportContent,
    ReportContext,
    ReportTable,
)
from analysis.report.joined import after_comma, joined_content, suffix_of
from analysis.report.methods import TRAINING_CONVENTIONS, bootstrap_sentence, from_to
from analysis.report.tables import estimate_text, table_of
from analysis.table import setting_text


def optimal_content(result: OptimalResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of all laws of a result."""
    return joined_content(
        result,
        context,
        title="optimal temperature",
        names="laws",
        citations=("sclocchi2023dissecting",),
        answer=_answer,
        figures=_figures,
        shared=((), diagnostics_figures(optimal_diagnostics(result))),
        sections=[("Optimal temperatures", tuple(_table(law) for law in result.laws))],
        conventions=(
            *TRAINING_CONVENTIONS,
            "T_opt: minimum of a cubic in ln T through the mean test error, whose differences "
            "between temperatures are paired by seed; never the best of the trials. A seed enters "
            "if it fitted at every temperature at which 80 % of the runs fitted. T_opt is "
            "reported only if its 68 % interval excludes both ends of the window.",
            f"Errors: {result.n_bootstrap} bootstrap samples of whole seeds, the same for all "
            "alphas, carried through the minimum into k; 95 % intervals with Student's t of S − 1 "
            "degrees of freedom. Systematic: quadratic instead of cubic.",
        ),
        methods=_methods(result),
    )


def _methods(result: OptimalResult) -> tuple[str, ...]:
    return (
        "T_opt is the minimum of a cubic in ln T through the test error, taken relative to the "
        "mean over temperatures of the same seed. It was accepted if its 68 % interval excludes "
        "both ends of the window. ln T_opt = ln A + k ln α was fitted by weighted least squares; "
        "a quadratic in place of the cubic gives the systematic of k.",
        bootstrap_sentence(result.n_bootstrap, "the minimum into k"),
    )


def _answer(law: OptimalLaw) -> Answer:
    verdicts = law.verdicts()
    power = verdicts[law.key("T_opt_power_law")]
    exponent = law.law.exponent
    headline = "T_opt ~ α^k: exponent not determined"
    if exponent is not None:
        headline = f"T_opt ~ α^k, k = {exponent}"
        if exponent.interval95 is not None:
            headline += f", 95 % interval {interval_text(exponent)}"
    return Answer(
        status=power.status,
        headline=headline,
        paragraphs=(
            f"Predicted k = {law.predicted:g}: {power.status}: {power.reason}.",
            "; ".join(_sentence(optimum) for optimum in law.optima) + ".",
        ),
        note="T_opt is the temperature of least test error at fixed α; errors in parentheses are "
        "68 %.",
        label=law.label,
        beside=tuple(verdict for key, verdict in verdicts.items() if key.name == "T_opt_resolved"),
    )


def _sentence(optimum: OptimalTemperature) -> str:
    at, estimate = f"α = {setting_text(optimum.alpha)}", optimum.estimate()
    if estimate is None or optimum.interval68 is None:
        return f"{at}: {optimum.status}"
    low, high = optimum.interval68
    return f"{at}: T_opt = {estimate}, 68 % interval [{low:.3g}, {high:.3g}]"


def _figures(law: OptimalLaw) -> list[PlannedFigure]:
    suffix = suffix_of(law.label)
    measured = figures.measured_optima(law)
    if not measured:
        return []
    n = from_to(optimum.n_seeds for optimum in measured)
    at = f"P = {law.n_train}{after_comma(law.label)}"
    planned = [
        PlannedFigure(
            f"minima{suffix}",
            lambda: figures.plot_minima(law),
            f"Mean test error minus its mean over temperatures against T, one panel per α, {at}; "
            f"standard errors of the differences over {n} seeds that share images and initial "
            f"weights at all T. Curve: cubic in ln T, least squares on the means; line and shade: "
            f"its minimum with the 68 % interval from resampled seeds (grey curve: not resolved; "
            f"no curve: too few seeds or temperatures for a fit).",
            partial(checks.minima_data, law),
        )
    ]
    if any(optimum.value is not None for optimum in measured):
        planned.append(
            PlannedFigure(
                f"optimal-temperature{suffix}",
                lambda: figures.plot_law(law),
                f"T_opt against α, {at}, 68 % intervals from {n} resampled seeds. Line: weighted "
                f"fit of ln T_opt = ln A + k ln α (weights 1/s², s ≥ 0.02), {law.law.fit_range}; "
                f"dashed: the predicted slope (D − 1)/(D + 1) = {law.predicted:g}.",
                partial(printed, law.located, checks.OPTIMA),
            )
        )
    sentence = (
        f"Exponent k of T_opt against α, by polynomial and without each α in turn, {at}; errors "
        f"from resampled seeds."
    )
    return [*planned, *forest_figures(optimal_forests(law), sentence, suffix)]


def _table(law: OptimalLaw) -> ReportTable:
    columns = {
        "α": lambda row: setting_text(row.alpha),
        "T_opt": lambda row: estimate_text(row.estimate, row.status),
        "68 % interval": lambda row: _ends(row.low68, row.high68),
        "by quadratic": lambda row: "" if row.quadratic is None else f"{row.quadratic:.3g}",
        "gain": lambda row: estimate_text(row.gained),
        "mean error": lambda row: f"{row.level:.4f}",
        "temperatures": lambda row: _window(row.temperatures),
        "seeds": lambda row: f"{row.n_seeds} ({row.n_dropped} dropped)",
        "remark": lambda row: row.message,
    }
    title = f"T_opt by α, P = {law.n_train}{after_comma(law.label)}"
    return table_of(title, law.located.itertuples(), columns, remarks=True)


def _ends(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"[{low:.3g}, {high:.3g}]"


def _window(t: FloatArray) -> str:
    return f"{t[0]:.3g} … {t[-1]:.3g} ({len(t)})" if len(t) else ""
