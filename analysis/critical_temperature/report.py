"""The critical-temperature scaling report: what the page says about a :class:`ScalingResult`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis.critical_temperature import checks, collapse_figure, companion_figure, figures
from analysis.critical_temperature.claims import judge, lights
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.study import ScalingResult
from analysis.critical_temperature.tables import exponent_table, model_table, temperature_tables
from analysis.critical_temperature.test_error import figure as test_error
from analysis.estimates import interval_text
from analysis.report.checks import diagnostics_figures
from analysis.report.content import (
    Answer,
    PlannedFigure,
    ReportContent,
    ReportContext,
)
from analysis.report.forest_figure import plot_forests
from analysis.report.joined import after_comma, joined_content, suffix_of
from analysis.report.methods import TRAINING_CONVENTIONS
from analysis.report.page import write_report
from analysis.table import MeasurementTable

CITED = ("sclocchi2023dissecting", "sclocchi2024regimes", "chizat2019lazy", "jacot2018ntk")
"""Papers that every scaling report rests on."""

_QUESTION = (
    "How does the temperature T_c = η/B at which SGD noise takes a network out of the lazy regime "
    "depend on the number P of training points?"
)


def write_scaling_report(
    result: ScalingResult, folder: str | Path, context: ReportContext | None = None
) -> Path:
    """Write the report of a scaling analysis; see :func:`analysis.report.page.write_report`."""
    context = context or ReportContext(question=_QUESTION)
    return write_report(scaling_content(result, context), folder, context)


def scaling_content(result: ScalingResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of all laws of a result."""
    return joined_content(
        result,
        context,
        title="critical-temperature scaling",
        names="laws; the tables hold all",
        citations=CITED,
        answer=_answer,
        figures=partial(_figures_of, result.table),
        sections=[
            (
                f"Measured temperatures and exponents{after_comma(law.label)}",
                (*temperature_tables(law), exponent_table(law), model_table(law)),
            )
            for law in result.laws
        ],
        conventions=_conventions(result),
        methods=(_temperatures(result.laws[0]), _errors(result, result.laws[0])),
        seeds=result.laws[0].replicas,
    )


_Shown = tuple[
    bool,
    str,
    Callable[[Any], Figure],
    Callable[[Any], str],
    Callable[[Any], pd.DataFrame],
]
"""Whether a figure is drawn, its name, what draws it, its caption and its numbers."""


def _figures_of(table: MeasurementTable, law: ScalingLaw) -> list[PlannedFigure]:
    suffix = suffix_of(law.label)
    grid = law if isinstance(law, GridLaw) else None
    has_collapse = grid is not None and grid.collapse is not None and grid.collapse.overlaps
    has_companions = grid is not None and grid.companions.weight_change is not None
    shown: tuple[_Shown, ...] = (
        (True, "weight-change", figures.plot_weight_change, figures.weight_change_caption,
         figures.weight_change_data),
        (any(temperatures.located for temperatures in law.lazy.values()), "critical-temperature",
         figures.plot_critical_temperatures, figures.critical_temperature_caption,
         figures.critical_temperature_data),
        (has_collapse, "collapse", collapse_figure.plot_law_collapse,
         collapse_figure.collapse_caption, collapse_figure.collapse_data),
        (any(fit.determined for fit in law.fits.values()), "stability", _plot_stability,
         checks.stability_caption, checks.stability_data),
        (has_companions, "companion-laws", companion_figure.plot_companion_laws,
         companion_figure.companion_caption, companion_figure.companion_data),
        (law.batches.measured, "batch-sizes", figures.plot_batch_comparison,
         figures.batch_caption, figures.batch_data),
        (grid is not None and law.curves.has("test_error"), "test-error",
         test_error.plot_test_error, test_error.test_error_caption, test_error.test_error_data),
    )  # fmt: skip
    chosen = [
        PlannedFigure(f"{name}{suffix}", partial(plot, law), caption(law), partial(data, law))
        for holds, name, plot, caption, data in shown
        if holds
    ]
    return [*chosen, *diagnostics_figures(checks.scaling_diagnostics(law, table), suffix)]


def _plot_stability(law: ScalingLaw) -> Figure:
    return plot_forests(checks.scaling_forests(law))


def _answer(law: ScalingLaw) -> Answer:
    fit = law.fit
    verdicts = judge(law)
    verdict = verdicts[law.key("power_law")]
    determined = fit.quoted is not None
    paragraphs: list[str] = []
    headline = f"{fit.symbol}: exponent not determined"
    if determined:
        headline = Markup("{} = {} P<sup>−a</sup>, a = {}").format(
            fit.symbol, fit.prefactor, fit.exponent
        )
        paragraphs.append(_quality(law, verdict.status))
    if verdict.status != "established" or not determined:
        paragraphs.append(
            Markup("<strong>{}</strong>: {}.").format(verdict.status.capitalize(), verdict.reason)
        )
    if determined:
        paragraphs += [f"{remark}." for remark in fit.remarks]
    definition = law.lazy[law.headline].definition
    return Answer(
        status=verdict.status,
        headline=headline,
        paragraphs=tuple(paragraphs),
        note=f"{fit.symbol} is the {definition}; errors in parentheses are 68 %.",
        label=law.label,
        lights=lights(law),
        beside=tuple(
            verdicts[law.key(name)]
            for name in ("a_equals_gamma_over_delta", "T_noise_independent_of_P", "collapse")
        ),
    )


def _quality(law: ScalingLaw, status: str) -> Markup:
    """Return the verdict with interval, systematic, range and chi2."""
    fit = law.fit
    assert fit.exponent is not None
    text = Markup("Power law: <strong>{}</strong>. ").format(status)
    interval = interval_text(fit.exponent)
    if interval:
        text += f"95 % interval of a: {interval}; "
    if law.systematic is not None:
        spread = sorted(law.exponents_over_thresholds())
        over = ", ".join(f"{c:g}" for c in spread)
        text += f"systematic ±{law.systematic:.3f} (half the spread over c = {over}); "
    text += f"{fit.fit_range}, {len(fit.x)} sizes, {_replicas(law)}; "
    text += f"χ²/dof = {fit.chi2:.1f}/{fit.dof}"
    return text + ("." if fit.p_value is None else f", p = {fit.p_value:.2g}.")


def _replicas(law: ScalingLaw) -> str:
    return law.replicas if law.is_adaptive else f"{law.n_seeds} replicas per point"


def _conventions(result: ScalingResult) -> tuple[str, ...]:
    adaptive = [law.is_adaptive for law in result.laws]
    chosen = () if all(adaptive) else _grid_conventions(result.n_bootstrap)
    return (*TRAINING_CONVENTIONS, *chosen, *(ADAPTIVE_CONVENTIONS if any(adaptive) else ()))


def _grid_conventions(n_bootstrap: int) -> tuple[str, ...]:
    return (
        "Means over seeds are means of logarithms over fitted runs (test error: arithmetic). A "
        "cell (P, T) is used if at least 80 % of its runs fitted.",
        f"Errors: {n_bootstrap} bootstrap samples of whole seeds, carried through T_c into the "
        "exponents, times √(S/(S−1)); 95 % intervals with Student's t of S − 1 degrees of "
        "freedom. Natural logarithms in all fits.",
    )


ADAPTIVE_CONVENTIONS = (
    "Adaptive design: every curve chooses its next temperatures from its own finished trainings, "
    "in fixed generations, with a new seed for each training; the sequence of seeds is the same "
    "at all P. T_lazy(c) and its error are mean and standard deviation of the posterior of a "
    "line through the trainings with |ln Δw − ln c| ≤ 1.2. Censored and diverged trainings are "
    "upper bounds only.",
    "Errors of an adaptive exponent: weighted fit with the posteriors' errors, as if sizes were "
    "independent. They share seeds, which makes the stated error of a an upper estimate.",
)


def _temperatures(law: ScalingLaw) -> str:
    determined = law.exponents_over_thresholds()
    others = ", ".join(f"{c:g}" for c in law.thresholds[1:] if c in determined)
    if law.is_adaptive:
        return (
            f"{law.fit.symbol} is the {law.lazy[law.headline].definition}. Every size chose its "
            f"temperatures from its own finished trainings; its value and error are mean and "
            f"standard deviation of a posterior. ln T_c = ln C − a ln P was fitted by weighted "
            f"least squares."
        )
    text = (
        f"{law.fit.symbol} is the {law.lazy[law.headline].definition}, interpolated in "
        f"(ln T, ln Δw) between neighbouring temperatures and never extrapolated. "
        f"ln T_c = ln C − a ln P was fitted by weighted least squares"
    )
    return f"{text}; the same with c = {others} gives the systematic." if others else f"{text}."


def _errors(result: ScalingResult, law: ScalingLaw) -> str:
    if law.is_adaptive:
        return "The error of the exponent is that of the fit, as if sizes were independent."
    return (
        f"Errors come from {result.n_bootstrap} bootstrap samples of whole seeds, carried through "
        f"T_c into the exponent; 95 % intervals use Student's t with {law.n_seeds - 1} degrees "
        f"of freedom."
    )
