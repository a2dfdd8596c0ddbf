"""The page that compares several studies: T_c(P) on shared axes, exponents with their pulls."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.critical_temperature.comparison.study import (
    ComparedLaw,
    ScalingComparison,
    pull_text,
)
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.report import CITED
from analysis.estimates import interval_text, student_factor
from analysis.fits.forest import Forest, ForestRow
from analysis.report.content import Answer, PlannedFigure, ReportContent, ReportTable
from analysis.report.forest_figure import plot_forests
from analysis.report.methods import TRAINING_CONVENTIONS
from analysis.report.style import label_decades, label_sizes, look_of_study
from analysis.table import SETTINGS


def comparison_content(comparison: ScalingComparison) -> ReportContent:
    """Return answer, figures and tables of a comparison."""
    status, reason = comparison.verdict()
    lines = tuple(_law_line(each) for each in comparison.laws)
    planned = [
        PlannedFigure(
            "critical-temperatures",
            lambda: plot_critical_temperatures(comparison),
            _TEMPERATURES_CAPTION,
            comparison.critical_temperatures,
        )
    ]
    if comparison.exponents():
        planned.append(
            PlannedFigure(
                "exponents",
                lambda: plot_forests([exponent_forest(comparison)]),
                _EXPONENTS_CAPTION,
                comparison.frame,
            )
        )
    return ReportContent(
        title="comparison of critical temperatures",
        numbers=comparison.to_dict(),
        answers=(Answer(status, f"Same exponent a: {status}", (f"{reason}.", *lines), label=""),),
        figures=tuple(planned),
        tables=(
            ("Exponents and amplitudes", (_exponent_table(comparison),)),
            ("Studies", (_settings_table(comparison),)),
        ),
        conventions=(
            *TRAINING_CONVENTIONS,
            "Pulls are differences from the first study in standard errors, as if studies were "
            "independent. Studies that share images or seeds have positively correlated errors; "
            "their pulls are lower bounds.",
        ),
        files=comparison.tables,
        citations=CITED,
        conditional="every study's intervals hold the spread over its own seeds",
    )


_TEMPERATURES_CAPTION = (
    "Critical temperature T_lazy(c) against P at each study's headline c (in the legend). Error "
    "bars are bootstrap standard errors over seeds, where larger than the symbol; lines: weighted "
    "fits of ln T_c = ln C − a ln P, shaded: 95 % of the fit. Sizes without a valid T_c are "
    "left out."
)
_EXPONENTS_CAPTION = (
    "The exponent a of T_lazy(c) at each study's headline c, and the predicted γ/δ (hollow). "
    "Thick bars: standard error, thin: 95 % interval. Line: weighted mean of the filled markers."
)


def plot_critical_temperatures(comparison: ScalingComparison) -> Figure:
    """T_c against P of all laws, with fits and bands."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    handles: list[Line2D] = []
    sizes: set[int] = set()
    for k, each in enumerate(comparison.laws):
        colour, marker = look_of_study(k)
        law = each.law
        for point in law.lazy[law.headline].located:
            sizes.add(point.n_train)
            y, error = float(point.value or np.nan), point.stderr or 0.0
            axes.errorbar(point.n_train, y, yerr=error, fmt=marker, color=colour, lw=1.0)
        _draw_fit(axes, each, colour)
        exponent = law.fit.quoted
        a = "a not determined" if exponent is None else f"a = {exponent}"
        text = f"{_escaped(each.label)}: c = {law.headline:g}, {a}"
        handles.append(Line2D([], [], color=colour, marker=marker, label=text))
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"training points  $P$",
        ylabel=r"critical temperature  $T_\mathrm{lazy}(c)$",
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=1)
    label_decades(axes)
    if sizes:
        label_sizes(axes, np.array(sorted(sizes), dtype=float))
    return figure


def _draw_fit(axes: Axes, each: ComparedLaw, colour: str) -> None:
    fit = each.law.fit
    if not fit.determined:
        return
    grid = np.geomspace(fit.x[0] / 1.15, fit.x[-1] * 1.15, 40)
    y, error = fit.evaluate(grid), fit.log_stderr_at(grid)
    axes.plot(grid, y, color=colour, lw=1.2, zorder=1)
    if np.isfinite(error).all():
        half = student_factor(each.law.n_seeds) * error
        axes.fill_between(
            grid, y * np.exp(-half), y * np.exp(half), color=colour, alpha=0.15, lw=0
        )


def exponent_forest(comparison: ScalingComparison) -> Forest:
    """Return a and gamma/delta by study."""
    rows = []
    for k, each in enumerate(comparison.laws):
        law = each.law
        predicted = law.companions.predicted_exponent if isinstance(law, GridLaw) else None
        name = _escaped(each.label)
        if each.label in comparison.exponents():
            rows.append(ForestRow(name, comparison.exponents()[each.label], study=k))
        if predicted is not None:
            name = _escaped(f"{each.label}  γ/δ")
            rows.append(ForestRow(name, predicted, study=k, is_predicted=True))
    mean = None if comparison.mean is None else comparison.mean.value
    return Forest(r"exponent  $a$", tuple(rows), mean=mean)


def _escaped(text: str) -> str:
    """Return a name that matplotlib does not take for mathematics, short enough for a figure."""
    short = text if len(text) <= 48 else f"{text[:47]}…"
    return short.replace("$", r"\$")


def _law_line(each: ComparedLaw) -> str:
    fit = each.law.fit
    if not fit.determined:
        return f"{each.label}: {fit.remarks[0]}."
    return (
        f"{each.label}: {fit.symbol} = {fit.prefactor} P^−a, a = {fit.exponent}, {fit.fit_range}, "
        f"{each.law.n_seeds} seeds, χ²/dof = {fit.chi2:.1f}/{fit.dof}."
    )


def _exponent_table(comparison: ScalingComparison) -> ReportTable:
    columns = ("quantity", "study", "value (68 %)", "95 % interval", "difference and pull", "n")
    rows = tuple(
        (
            each.quantity,
            each.label,
            str(each.estimate),
            interval_text(each.estimate),
            pull_text(each),
            str(each.estimate.n),
        )
        for each in comparison.departures
    )
    title = "Each study against the first one that has the number"
    return ReportTable(title, columns, rows, keys=True)


def _settings_table(comparison: ScalingComparison) -> ReportTable:
    frames = [_settings(each.law.curves.frame) for each in comparison.laws]
    names = list(dict.fromkeys(name for frame in frames for name in frame))
    rows = []
    for name in names:
        values = [frame.get(name, "") for frame in frames]
        if name in ("n_train", "seeds") or len(set(values)) > 1:
            rows.append((name, *values))
    columns = ("setting", *(each.label for each in comparison.laws))
    return ReportTable("Sizes, seeds, and settings in which studies differ", columns, tuple(rows))


def _settings(frame: pd.DataFrame) -> dict[str, str]:
    found = {
        name: ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in own)
        for name in ("n_train", *SETTINGS)
        if name in frame and len(own := sorted(frame[name].dropna().unique())) <= 12
    }
    if "seed" in frame:
        found["seeds"] = str(frame["seed"].nunique())
    return found
