"""One function per figure of the report: each draws results and computes nothing.

Colour is the size P on one sequential map, the same in all figures. Filled markers are data in
the fits, hollow ones are not; error bars are standard errors over seeds; lines are fits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.arrays import FloatArray
from analysis.critical_temperature.adaptive_location import measured_curve
from analysis.critical_temperature.collapse_figure import plot_collapse
from analysis.critical_temperature.companion_laws import PlaneFit
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.estimates import mean_over_runs, stderr_over_runs, student_factor
from analysis.locating.located import CriticalTemperature
from analysis.report.style import (
    GREY,
    MARKERS,
    add_size_legend,
    draw_means,
    label_decades,
    label_sizes,
    size_colours,
    styled,
    with_minus,
)

_WEIGHT_CHANGE = r"relative weight change  $\|\Delta w\|/\|w_0\|$"
_TEMPERATURE = r"temperature  $T = \eta/B$"
_SIZE = r"training points  $P$"


@styled
def plot_weight_change(law: ScalingLaw) -> Figure:
    """Weight change against T, one curve per P; threshold, T_c with bracket, plateau fits."""
    figure, axes = _single()
    curves = law.curves
    means = np.exp(curves.log_mean("relative_weight_change"))
    errors = means * np.nan_to_num(curves.log_stderr("relative_weight_change"))
    colours = size_colours(curves.sizes)
    c = law.headline
    axes.axhline(c, color=GREY, lw=0.9)
    for p, size in enumerate(curves.sizes):
        colour = colours[int(size)]
        if law.is_adaptive:
            _draw_trainings(axes, law, p, colour)
        else:
            draw_means(axes, curves, p, means[p], errors[p], colour)
            _join(axes, law, p, colour)
        _mark_critical(axes, law.lazy[c].points[p], c, colour)
    axes.set(xscale="log", yscale="log", xlabel=_TEMPERATURE, ylabel=_WEIGHT_CHANGE)
    axes.annotate(
        f"c = {c:g}", (0.01, c), xycoords=("axes fraction", "data"), va="bottom", color=GREY
    )
    onset = law.noise_temperature
    if onset is not None:
        axes.axvline(onset, color=GREY, lw=0.8, ls=":")
        axes.annotate(
            r" $T_\mathrm{noise}$", (onset, 0.01), xycoords=("data", "axes fraction"), color=GREY
        )
    label_decades(axes)
    add_size_legend(axes, colours)
    return figure


@styled
def plot_critical_temperatures(law: ScalingLaw) -> Figure:
    """T_c against P with fit and band for every c; below, the local exponent."""
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes, slopes = figure.subplots(2, 1, sharex=True, height_ratios=[2.6, 1.0])
    colours = size_colours(law.curves.sizes)
    sizes = np.asarray(law.curves.sizes, dtype=float)
    handles = []
    for k, c in enumerate(sorted(law.thresholds, reverse=True)):
        marker, main = MARKERS[k % len(MARKERS)], c == law.headline
        for point in law.lazy[c].points:
            _mark_temperature(axes, point, marker, colours[point.n_train])
        fit = law.fits[c]
        if fit.determined:
            grid = np.geomspace(sizes[0] / 1.15, sizes[-1] * 1.15, 40)
            _band(axes, grid, fit.evaluate(grid), fit.log_stderr_at(grid), law.n_seeds, main)
        _draw_local_slopes(slopes, law, c, marker, main)
        handles.append(_law_handle(law, c, marker, main))
    axes.set(xscale="log", yscale="log", ylabel=r"critical temperature  $T_\mathrm{lazy}(c)$")
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=2)
    slopes.set(xlabel=_SIZE, ylabel="local\nexponent  $a$")
    label_decades(axes)
    label_sizes(slopes, sizes)
    return figure


@styled
def plot_law_collapse(law: GridLaw) -> Figure:
    """Weight change against T P^a, unscaled, and the quality S(a)."""
    assert law.collapse is not None
    return plot_collapse(law.collapse)


@styled
def plot_companion_laws(law: GridLaw) -> Figure:
    """Weight change over P^gamma against T; presentations t*/T against P."""
    change, time = law.companions.weight_change, law.companions.training_time
    assert change is not None
    figure = Figure(figsize=(6.8, 3.4), layout="constrained")
    panels = figure.subplots(1, 2 if time is not None else 1, squeeze=False)[0]
    _draw_weight_change_collapse(panels[0], law, change)
    if time is not None:
        _draw_training_time(panels[1], law, time)
    return figure


@styled
def plot_batch_comparison(law: ScalingLaw) -> Figure:
    """Ratio of weight changes at equal P and T for larger batches over the smallest one."""
    figure, axes = _single(height=3.6)
    colours = size_colours(law.curves.sizes)
    ratios = law.batches.ratios
    batches = sorted({ratio.batch_size for ratio in ratios})
    sizes = sorted({ratio.n_train for ratio in ratios})
    axes.axhspan(1 / 1.1, 1.1, color="0.92", lw=0)
    axes.axhline(1.0, color=GREY, lw=0.9)
    for ratio in ratios:
        shift = 1.035 ** (sizes.index(ratio.n_train) - (len(sizes) - 1) / 2)
        axes.errorbar(
            ratio.temperature * shift,
            ratio.ratio,
            yerr=ratio.ratio * (ratio.log_stderr or 0.0),
            fmt=MARKERS[batches.index(ratio.batch_size) % len(MARKERS)],
            color=colours.get(ratio.n_train, "black"),
            lw=1.0,
        )
    axes.set(xscale="log", xlabel=_TEMPERATURE, ylabel=r"$\Delta w(B)\,/\,\Delta w(B_0)$")
    axes.margins(y=0.08)
    handles = [
        Line2D(
            [],
            [],
            color="black",
            ls="",
            marker=MARKERS[k % len(MARKERS)],
            label=f"B = {b} over {ratios[0].reference}",
        )
        for k, b in enumerate(batches)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    label_decades(axes)
    add_size_legend(axes, {p: colours[p] for p in sizes if p in colours}, outside=True)
    return figure


def _single(height: float = 4.3) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, height), layout="constrained")
    return figure, figure.subplots()


def _join(axes: Axes, law: ScalingLaw, p: int, colour: Any) -> None:
    """Lines through the means, so that the eye can follow one size."""
    y = np.exp(law.curves.log_mean("relative_weight_change")[p])
    known = np.isfinite(y)
    axes.plot(law.curves.temperatures[known], y[known], color=colour, lw=0.7)


def _draw_trainings(axes: Axes, law: ScalingLaw, p: int, colour: Any) -> None:
    """Every training of one size: filled if it fitted, a downward mark at T if it did not."""
    measured = measured_curve(law.curves, p)
    fitted = measured.fitted
    t, y = np.exp(measured.log_t), np.exp(measured.log_y)
    axes.plot(t[fitted], y[fitted], "o", color=colour, ms=3.5)
    if not fitted.all():
        top = np.full(int((~fitted).sum()), law.headline)
        axes.plot(t[~fitted], top, "v", color=colour, mfc="white", ls="")


def _mark_critical(axes: Axes, point: CriticalTemperature, c: float, colour: Any) -> None:
    low, high = point.bracket
    if point.value is None or low is None or high is None:
        return
    axes.plot([point.value] * 2, [c / 1.5, c * 1.5], color=colour, lw=1.6)
    axes.plot([low, high], [c, c], color=colour, lw=2.6, alpha=0.35, solid_capstyle="butt")


def _mark_temperature(axes: Axes, point: CriticalTemperature, marker: str, colour: Any) -> None:
    if point.value is not None:
        error = point.stderr or 0.0
        axes.errorbar(point.n_train, point.value, yerr=error, fmt=marker, color=colour, lw=1.0)
        return
    low, high = point.bracket
    bound, arrow = (low, "$\\uparrow$") if low is not None else (high, "$\\downarrow$")
    if bound is not None:
        axes.plot(point.n_train, bound, marker=marker, mfc="white", color=colour, ls="")
        axes.annotate(
            arrow,
            (point.n_train, bound),
            xytext=(0, 4 if low is not None else -13),
            textcoords="offset points",
            ha="center",
            color=colour,
        )


def _band(
    axes: Axes, grid: FloatArray, y: FloatArray, error: FloatArray, n_seeds: int, main: bool
) -> None:
    axes.plot(grid, y, color="C3" if main else GREY, lw=1.4 if main else 0.9, zorder=1)
    if np.isfinite(error).all():
        half = student_factor(n_seeds) * error
        axes.fill_between(
            grid,
            y * np.exp(-half),
            y * np.exp(half),
            color="C3" if main else GREY,
            alpha=0.15,
            lw=0,
        )


def _draw_local_slopes(axes: Axes, law: ScalingLaw, c: float, marker: str, main: bool) -> None:
    slopes = law.fits[c].local_slopes
    colour = "C3" if main else GREY
    shift = 1 + 0.04 * (sorted(law.thresholds).index(c) - (len(law.thresholds) - 1) / 2)
    for slope in slopes:
        axes.errorbar(
            math.sqrt(slope.low * slope.high) * shift,
            slope.value,
            yerr=slope.stderr or 0.0,
            fmt=marker,
            color=colour,
            ms=3.5,
            lw=0.9,
        )
    exponent = law.fits[c].exponent
    if main and exponent is not None and law.fits[c].determined:
        axes.axhline(exponent.value, color=colour, lw=0.9)


def _law_handle(law: ScalingLaw, c: float, marker: str, main: bool) -> Line2D:
    fit = law.fits[c]
    text = f"c = {c:g}: exponent not determined"
    if fit.determined and fit.exponent is not None:
        text = f"c = {c:g}: a = {fit.exponent}"
    return Line2D([], [], color="C3" if main else GREY, marker=marker, label=text)


def _draw_weight_change_collapse(axes: Axes, law: ScalingLaw, fit: PlaneFit) -> None:
    curves, colours = law.curves, size_colours(law.curves.sizes)
    means = np.exp(curves.log_mean("relative_weight_change"))
    gamma, delta = fit.size_exponent, fit.temperature_exponent
    for p, size in enumerate(curves.sizes):
        scaled = means[p] / float(size) ** gamma.value
        for cells, face in ((fit.cells[p], colours[int(size)]), (~fit.cells[p], "white")):
            axes.plot(
                curves.temperatures[cells],
                scaled[cells],
                "o",
                color=colours[int(size)],
                mfc=face,
                ms=3.5,
            )
    used = curves.temperatures[fit.cells.any(axis=0)]
    line = np.array([used[0], used[-1]])
    axes.plot(line, fit.evaluate(np.ones(2), line), color="black", lw=1.0)
    axes.axvspan(used[0] / 1.1, used[-1] * 1.1, color="0.92", lw=0, zorder=0)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"$T$",
        ylabel=r"$P^{-\gamma}\,\|\Delta w\|/\|w_0\|$",
    )
    axes.set_title(rf"$\gamma$ = {gamma},  $\delta$ = {delta}", fontsize=9)
    label_decades(axes)
    add_size_legend(axes, colours)


def _draw_training_time(axes: Axes, law: ScalingLaw, fit: PlaneFit) -> None:
    curves, colours = law.curves, size_colours(law.curves.sizes)
    logs = curves.log_mean("training_time") - np.log(curves.temperatures)
    errors = np.nan_to_num(curves.log_stderr("training_time"))
    n = curves.temperatures.size
    for p, size in enumerate(curves.sizes):
        for t in np.flatnonzero(fit.cells[p]):
            y = math.exp(logs[p, t])
            shift = 1 + 0.02 * (t - n / 2)
            axes.errorbar(
                size * shift,
                y,
                yerr=y * errors[p, t],
                fmt="o",
                color=colours[int(size)],
                ms=3.5,
                lw=0.9,
            )
    sizes = np.asarray(curves.sizes, dtype=float)
    used = curves.temperatures[fit.cells.any(axis=0)]
    middle = np.full(sizes.shape, math.sqrt(used[0] * used[-1]))
    axes.plot(sizes, fit.evaluate(sizes, middle), color="black", lw=1.0, zorder=0)
    axes.set(xscale="log", yscale="log", xlabel=_SIZE, ylabel=r"presentations  $t^*/T$")
    b, x = with_minus(fit.size_exponent), with_minus(fit.temperature_exponent)
    axes.set_title(f"$b$ = {b},  $x$ = {x}", fontsize=9)
    label_decades(axes)
    label_sizes(axes, sizes)


def plot_test_error(law: GridLaw) -> Figure:
    """Mean test error against T, one curve per P."""
    figure = Figure(figsize=(6.4, 4.3), layout="constrained")
    axes = figure.subplots()
    curves = law.curves
    values = curves.values("test_error")
    means, errors = mean_over_runs(values), np.nan_to_num(stderr_over_runs(values))
    colours = size_colours(curves.sizes)
    for p, size in enumerate(curves.sizes):
        known = np.isfinite(means[p])
        axes.plot(curves.temperatures[known], means[p][known], color=colours[int(size)], lw=0.7)
        draw_means(axes, curves, p, means[p], errors[p], colours[int(size)])
        for onsets, marker in ((law.onsets.up, "^"), (law.onsets.down, "v")):
            _mark_onset(axes, law, p, onsets.points[p], marker, colours[int(size)])
    axes.set(xscale="log", xlabel=r"temperature  $T = \eta/B$", ylabel="test error")
    if np.nanmin(means) > 0:
        axes.set_yscale("log")
    label_decades(axes)
    add_size_legend(axes, colours, outside=True)
    return figure


def _mark_onset(
    axes: Axes, law: ScalingLaw, p: int, point: CriticalTemperature, marker: str, colour: Any
) -> None:
    """T_test as a large open triangle on the curve, interpolated as it was located."""
    if point.value is None:
        return
    means = mean_over_runs(law.curves.values("test_error"))[p]
    known = np.isfinite(means)
    y = np.interp(math.log(point.value), np.log(law.curves.temperatures[known]), means[known])
    axes.plot(point.value, y, marker, color=colour, mfc="none", ms=10, mew=1.2)
