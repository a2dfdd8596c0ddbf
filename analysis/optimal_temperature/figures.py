"""Figures of T_opt: each draws results and computes nothing."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.locating.minimum import OptimalTemperature
from analysis.optimal_temperature.study import OptimalLaw
from analysis.report.style import GREY, label_decades
from analysis.table import setting_text

_TEMPERATURE = r"temperature  $T = \eta/B$"


def measured_optima(law: OptimalLaw) -> list[OptimalTemperature]:
    """Return what can be drawn: every alpha with differences and errors, fitted or not."""
    return [o for o in law.optima if o.temperatures.size and np.isfinite(o.stderr).all()]


def plot_minima(law: OptimalLaw) -> Figure:
    """Test error against T, one panel per alpha, with the cubic and its minimum."""
    shown = measured_optima(law)
    columns = min(len(shown), 3)
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(2.5 * columns + 0.4, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, optimum in zip(panels, shown, strict=False):
        _draw_minimum(axes, optimum)
        axes.set(xscale="log", xlabel=_TEMPERATURE)
        label_decades(axes)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes in panels[::columns]:
        axes.set_ylabel("test error\nminus its mean over T")
    return figure


def _draw_minimum(axes: Axes, optimum: OptimalTemperature) -> None:
    located = optimum.value is not None
    axes.axhline(0.0, color="0.85", lw=0.8, zorder=0)
    if located and optimum.interval68 is not None:
        axes.axvspan(*optimum.interval68, color="C3", alpha=0.13, lw=0)
    if located and optimum.value is not None:
        axes.axvline(optimum.value, color="C3", lw=1.0)
    axes.plot(*optimum.curve, color="C3" if located else GREY, lw=1.2)
    axes.errorbar(
        optimum.temperatures, optimum.differences, optimum.stderr, fmt="o", color="black", lw=1.0
    )
    estimate = optimum.estimate()
    shown = optimum.status if estimate is None else rf"$T_\mathrm{{opt}}$ = {estimate}"
    axes.set_title(rf"$\alpha$ = {setting_text(optimum.alpha)}:  {shown}", fontsize=9)


def plot_law(law: OptimalLaw) -> Figure:
    """T_opt against alpha with its power law and the predicted slope."""
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    axes = figure.subplots()
    for optimum in law.optima:
        if optimum.value is None or optimum.interval68 is None:
            continue
        low, high = optimum.interval68
        bars = [[max(optimum.value - low, 0.0)], [max(high - optimum.value, 0.0)]]
        axes.errorbar(optimum.alpha, optimum.value, yerr=bars, fmt="o", color="black", lw=1.1)
    alphas = law.law.x
    if law.law.exponent is not None:
        ends = np.array([alphas[0] / 1.6, alphas[-1] * 1.6])
        label = rf"$T_\mathrm{{opt}} \sim \alpha^{{{law.law.exponent}}}$"
        axes.plot(ends, law.law.evaluate(ends), color="C3", lw=1.3, label=label, zorder=0)
        centre = float(np.exp(np.mean(np.log(alphas))))
        level = float(law.law.evaluate(np.array([centre]))[0])
        guide = level * (ends / centre) ** law.predicted
        axes.plot(ends, guide, color=GREY, ls="--", lw=1.0, label=f"slope {law.predicted:g}")
        axes.legend(loc="best")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"initialization scale  $\alpha$",
        ylabel=r"$T_\mathrm{opt}$",
    )
    label_decades(axes)
    return figure
