"""Companion laws: the weight change divided by P^gamma, and presentations against P."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.arrays import BoolArray, FloatArray
from analysis.critical_temperature.companion_laws import PlaneFit
from analysis.critical_temperature.figures import (
    SIZE_LABEL,
    bars,
    cells_frame,
    fixed,
)
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.report.style import (
    add_size_legend,
    label_decades,
    label_sizes,
    size_colours,
    styled,
    with_minus,
)


def companion_caption(law: GridLaw) -> str:
    """Caption of the companion laws."""
    fit = law.companions.weight_change
    where = fit.size_exponent.fit_range if fit is not None else ""
    return (
        f"Companion laws, {fixed(law)}. Left: weight change divided by P^γ; filled markers are "
        f"in the fit Δw ~ T^δ P^γ (line), shaded: its temperatures, 6 to 60 T_noise. Right: "
        f"geometric mean of the sample presentations t*/T against P, one marker per temperature "
        f"of the fit (displaced sideways), with t*/T ~ T^x P^b (line); x = 0 if t* ~ T P^b. Least "
        f"squares on mean logarithms over {where}; {bars(law)}."
    )


def companion_data(law: GridLaw) -> pd.DataFrame:
    """Weight change and presentations t*/T at every (P, T), and what entered the fits."""
    change, time = law.companions.weight_change, law.companions.training_time
    columns: dict[str, FloatArray | BoolArray] = {
        "relative_weight_change": np.exp(law.curves.log_mean("relative_weight_change")),
    }
    if change is not None:
        columns["weight_change_in_fit"] = change.cells
    if time is not None:
        logs = law.curves.log_mean("training_time") - np.log(law.curves.temperatures)
        columns["presentations"] = np.exp(logs)
        columns["presentations_stderr"] = np.exp(logs) * law.curves.log_stderr("training_time")
        columns["presentations_in_fit"] = time.cells
    return cells_frame(law, **columns)


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
    axes.set(xscale="log", yscale="log", xlabel=SIZE_LABEL, ylabel=r"presentations  $t^*/T$")
    b, x = with_minus(fit.size_exponent), with_minus(fit.temperature_exponent)
    axes.set_title(f"$b$ = {b},  $x$ = {x}", fontsize=9)
    label_decades(axes)
    label_sizes(axes, sizes)
