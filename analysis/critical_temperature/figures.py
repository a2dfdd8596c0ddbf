"""One function per figure of the report: each draws results and computes nothing.

Colour is the size P on one sequential map, the same in all figures. Filled markers are data in
the fits, hollow ones are not; error bars are standard errors over seeds; lines are fits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.arrays import BoolArray, FloatArray
from analysis.critical_temperature.adaptive_location import measured_curve
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.study import COLUMNS
from analysis.estimates import student_factor
from analysis.frame import printed
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
)

_ERRORS = "error bars are standard errors over {n} seeds, where larger than the symbol"

_WEIGHT_CHANGE = r"relative weight change  $\|\Delta w\|/\|w_0\|$"
_TEMPERATURE = r"temperature  $T = \eta/B$"
SIZE_LABEL = r"training points  $P$"


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
    onset = law.noise.geometric_mean if isinstance(law, GridLaw) else None
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
    slopes.set(xlabel=SIZE_LABEL, ylabel="local\nexponent  $a$")
    label_decades(axes)
    label_sizes(slopes, sizes)
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
    exponent = law.fits[c].quoted
    if main and exponent is not None:
        axes.axhline(exponent.value, color=colour, lw=0.9)


def _law_handle(law: ScalingLaw, c: float, marker: str, main: bool) -> Line2D:
    fit = law.fits[c]
    text = f"c = {c:g}: exponent not determined"
    if fit.quoted is not None:
        text = f"c = {c:g}: a = {fit.exponent}"
    return Line2D([], [], color="C3" if main else GREY, marker=marker, label=text)


def weight_change_caption(law: ScalingLaw) -> str:
    """Caption of the raw curves."""
    if law.is_adaptive:
        return (
            f"Relative weight change of every training against T = η/B, {fixed(law)}; colour is "
            f"P, each point has a seed of its own. Horizontal line: threshold c = "
            f"{law.headline:g}; ticks on it: T_lazy({law.headline:g}) from the posterior, bars: "
            f"the nearest trainings on both sides. Open triangles: trainings that did not fit."
        )
    return (
        f"Geometric mean of the relative weight change over fitted runs against T = η/B, "
        f"{fixed(law)}; one curve per P, thin lines join neighbours; {bars(law)}. Horizontal "
        f"line: threshold c = {law.headline:g}; ticks on it: T_lazy({law.headline:g}) by linear "
        f"interpolation in (ln T, ln Δw), bars: its bracket. Dotted: T_noise, geometric mean over "
        f"P. Hollow: fewer than 80 % of the runs fitted the data; such points enter no fit."
    )


def critical_temperature_caption(law: ScalingLaw) -> str:
    """Caption of T_c against P."""
    return (
        f"T_lazy(c) against P for every threshold c, {fixed(law)}; error bars are "
        f"{_temperature_errors(law)}. Lines: weighted fits of ln T_c = ln C - a ln "
        f"P (weights 1/s², s ≥ 0.02), shaded: 95 % of the fit, red: the headline c = "
        f"{law.headline:g}. Hollow with an arrow: one-sided bound, not in the fit. Below: the "
        f"exponent between neighbouring sizes; points of different c are displaced sideways."
    )


def batch_caption(law: ScalingLaw) -> str:
    """Caption of the comparison of batch sizes."""
    paired = "paired by seed" if law.curves.shared_seeds else "of independent runs"
    return (
        f"Weight change at batch size B over that at the smallest batch size, at equal P and T, "
        f"ratio of geometric means {paired}; error bars are standard errors. Points of different "
        f"P are displaced sideways. Shaded: departures up to 10 %, within which only T = η/B "
        f"matters."
    )


def _temperature_errors(law: ScalingLaw) -> str:
    if law.is_adaptive:
        return "standard deviations of the posteriors"
    return f"bootstrap standard errors over {law.n_seeds} seeds"


def bars(law: ScalingLaw) -> str:
    """Return what error bars are, in words for a caption."""
    return _ERRORS.format(n=law.n_seeds)


def fixed(law: ScalingLaw) -> str:
    """Return the settings that a figure's runs share, in words for a caption."""
    parts = [law.label] if law.label else []
    if law.batch_size is not None and "batch_size" not in law.settings:
        parts.append(f"B = {law.batch_size}")
    return ", ".join(parts) or "all other settings fixed"


def weight_change_data(law: ScalingLaw) -> pd.DataFrame:
    """Geometric mean of the weight change and its standard error at every (P, T)."""
    means = np.exp(law.curves.log_mean("relative_weight_change"))
    errors = means * law.curves.log_stderr("relative_weight_change")
    return cells_frame(law, relative_weight_change=means, stderr=errors)


def critical_temperature_data(law: ScalingLaw) -> pd.DataFrame:
    """T_lazy(c) at every size and threshold, with the fitted value."""
    lazy = law.located[law.located["definition"] == "lazy"]
    return printed(lazy, (*COLUMNS, "fitted", "in_fit"))


def batch_data(law: ScalingLaw) -> pd.DataFrame:
    """Ratios of weight changes at equal (P, T)."""
    frame = law.batches.frame()
    frame["stderr"] = frame["ratio"] * frame["log_stderr"].astype(float)
    return frame


def cells_frame(law: ScalingLaw, **columns: FloatArray | BoolArray) -> pd.DataFrame:
    """One row per measured cell (P, T): the columns, numbers of runs, whether fits may use it."""
    curves = law.curves
    p, t = np.nonzero(curves.n_runs > 0)
    return pd.DataFrame(
        {
            "n_train": curves.sizes[p],
            "temperature": curves.temperatures[t],
            **{name: values[p, t] for name, values in columns.items()},
            "n_runs": curves.n_runs[p, t],
            "n_fitted": curves.n_fitted[p, t],
            "stable": curves.stable[p, t],
        }
    )
