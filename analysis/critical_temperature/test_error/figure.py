"""The test error against T, with the temperatures at which it rises and falls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.critical_temperature.figures import bars, cells_frame, fixed
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.estimates import mean_over_runs, stderr_over_runs
from analysis.locating.located import CriticalTemperature
from analysis.report.style import add_size_legend, draw_means, label_decades, size_colours


def test_error_caption(law: ScalingLaw) -> str:
    """Caption of the test error."""
    return (
        f"Mean test error of fitted runs against T, {fixed(law)}; {bars(law)}. Seeds share "
        f"their test points at all T, so differences along a curve are better known than the "
        f"bars say. Hollow: fewer than 80 % of the runs fitted the data. Large open triangles: "
        f"T_test,up (upward), where the error paired by seed has risen by 10 % above the two "
        f"lowest T, and T_test,down (downward), where it has fallen by 10 % below T = 6..35 "
        f"T_noise."
    )


def test_error_data(law: ScalingLaw) -> pd.DataFrame:
    """Mean test error and its standard error at every (P, T)."""
    values = law.curves.values("test_error")
    return cells_frame(law, test_error=mean_over_runs(values), stderr=stderr_over_runs(values))


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
