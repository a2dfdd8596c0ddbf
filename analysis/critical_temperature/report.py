"""The critical-temperature scaling report: what the page says about a :class:`ScalingResult`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis.critical_temperature import captions, figure_data, figures
from analysis.critical_temperature.checks import scaling_diagnostics, scaling_forests
from analysis.critical_temperature.claims import lights
from analysis.critical_temperature.figures import plot_test_error
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.study import ScalingResult
from analysis.critical_temperature.tables import exponent_table, model_table, temperature_tables
from analysis.estimates import interval_text
from analysis.report.checks import diagnostics_figures
from analysis.report.content import (
    Answer,
    PlannedFigure,
    ReportContent,
    ReportContext,
    ReportTable,
)
from analysis.report.forest_figure import plot_forests
from analysis.report.methods import TRAINING_CONVENTIONS, training_methods
from analysis.report.page import write_report
from analysis.report.tables import counts_table, verdict_table

CITED = ("sclocchi2023dissecting", "sclocchi2024regimes", "chizat2019lazy", "jacot2018ntk")
"""Papers that every scaling report rests on."""

_QUESTION = (
    "How does the temperature T_c = η/B at which SGD noise takes a network out of the lazy regime "
    "depend on the number P of training points?"
)
MOST_LAWS_DRAWN = 3
"""Figures are drawn for the first laws only; the tables hold all of them."""


def write_scaling_report(
    result: ScalingResult, folder: str | Path, context: ReportContext | None = None
) -> Path:
    """Write the report of a scaling analysis; see :func:`analysis.report.page.write_report`."""
    context = context or ReportContext(question=_QUESTION)
    return write_report(scaling_content(result, context), folder, context)


def scaling_content(result: ScalingResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of all laws of a result."""
    n_laws = len(result.laws)
    remark = f"Figures show the first {MOST_LAWS_DRAWN} of {n_laws} laws; the tables hold all."
    return ReportContent(
        title="critical-temperature scaling",
        numbers=result.to_dict(),
        answers=tuple(_answer(result, law) for law in result.laws),
        figures=tuple(
            figure for law in result.laws[:MOST_LAWS_DRAWN] for figure in _figures_of(law, result)
        ),
        figures_remark=remark if n_laws > MOST_LAWS_DRAWN else "",
        tables=_tables(result, context),
        conventions=_conventions(result),
        fixed=result.table.fixed_settings(),
        files=result.tables,
        methods=scaling_methods(result, context),
        citations=CITED,
    )


_Plot = Callable[[Any], Figure]
_Caption = Callable[[Any], str]
_DATA: dict[str, Callable[[Any], pd.DataFrame]] = {
    "weight-change": figure_data.weight_change_data,
    "critical-temperature": figure_data.critical_temperature_data,
    "stability": figure_data.stability_data,
    "collapse": figure_data.collapse_data,
    "companion-laws": figure_data.companion_data,
    "batch-sizes": figure_data.batch_data,
    "test-error": figure_data.test_error_data,
}


def _figures_of(law: ScalingLaw, result: ScalingResult) -> list[PlannedFigure]:
    suffix = re.sub(r"[^A-Za-z0-9.=_-]+", "-", f"-{law.label}") if law.label else ""

    def planned(name: str, plot: _Plot, caption: _Caption) -> PlannedFigure:
        data = _DATA.get(name)
        numbers = None if data is None else lambda: data(law)
        return PlannedFigure(f"{name}{suffix}", lambda: plot(law), caption(law), numbers)

    chosen = [planned("weight-change", figures.plot_weight_change, captions.weight_change_caption)]
    if any(temperatures.located for temperatures in law.lazy.values()):
        plot: _Plot = figures.plot_critical_temperatures
        chosen.append(planned("critical-temperature", plot, captions.critical_temperature_caption))
    grid = law if isinstance(law, GridLaw) else None
    if grid is not None and grid.collapse is not None and grid.collapse.overlaps:
        chosen.append(planned("collapse", figures.plot_law_collapse, captions.collapse_caption))
    if any(fit.determined for fit in law.fits.values()):
        chosen.append(planned("stability", _plot_stability, captions.stability_caption))
    if grid is not None and grid.companions.weight_change is not None:
        plot = figures.plot_companion_laws
        chosen.append(planned("companion-laws", plot, captions.companion_caption))
    if law.batches.measured:
        plot = figures.plot_batch_comparison
        chosen.append(planned("batch-sizes", plot, captions.batch_caption))
    if grid is not None and law.curves.has("test_error"):
        chosen.append(planned("test-error", plot_test_error, captions.test_error_caption))
    chosen += diagnostics_figures(scaling_diagnostics(law, result.table), suffix)
    return chosen


def _plot_stability(law: ScalingLaw) -> Figure:
    return plot_forests(scaling_forests(law))


def _answer(result: ScalingResult, law: ScalingLaw) -> Answer:
    fit = law.fit
    verdict = result.verdicts[law.key("power_law")]
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
            result.verdicts[law.key(name)]
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


def _tables(
    result: ScalingResult, context: ReportContext
) -> tuple[tuple[str, tuple[ReportTable, ...]], ...]:
    sections = [
        (
            f"Measured temperatures and exponents{f', {law.label}' if law.label else ''}",
            (*temperature_tables(law), exponent_table(law), model_table(law)),
        )
        for law in result.laws
    ]
    counts = counts_table(
        result.table,
        context.planned_by_size,
        context.failed_by_size,
        totals=(context.counts_planned, context.counts_failed),
    )
    return (*sections, ("Verdicts and runs", (verdict_table(result.verdicts), counts)))


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


def scaling_methods(result: ScalingResult, context: ReportContext) -> tuple[str, ...]:
    """Return the methods as paragraphs, ready for a paper."""
    law = result.laws[0]
    own = (_temperatures(law), _errors(result, law))
    return training_methods(result.table, context, own, law.replicas)


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
