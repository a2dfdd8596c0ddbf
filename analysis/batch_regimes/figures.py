"""Figures of the (B, eta) plane: each draws results and computes nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.batch_regimes.critical_batch import EXCESS, STABLE_SHARE, CriticalBatchLaw
from analysis.batch_regimes.plane import (
    BEYOND,
    FIRST_STEP,
    GRADIENT_DESCENT,
    NOISE_DOMINATED,
    UNKNOWN,
    BatchCell,
    BatchPlane,
)
from analysis.estimates import Estimate
from analysis.report.style import (
    GREY,
    MARKERS,
    add_size_legend,
    label_decades,
    label_sizes,
    size_colours,
)

_BATCH = r"batch size  $B$"
_PHASES = {
    NOISE_DOMINATED: ("o", "C0", "noise-dominated"),
    FIRST_STEP: ("s", "C3", "first-step-dominated"),
    GRADIENT_DESCENT: ("v", "C2", "gradient descent"),
    BEYOND: ("x", "0.5", "beyond the stable step"),
    UNKNOWN: (".", "0.7", "not comparable"),
}
MOST_PANELS = 3


def plot_plane(plane: BatchPlane) -> Figure:
    """The phases of the measured cells in the (B, eta) plane of up to three sizes."""
    sizes = [int(size) for size in plane.grid.sizes]
    if len(sizes) > MOST_PANELS:
        sizes = [sizes[0], sizes[len(sizes) // 2], sizes[-1]]
    figure = Figure(figsize=(2.45 * len(sizes) + 0.6, 3.9), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharex=True, sharey=True, squeeze=False)[0]
    for axes, size in zip(panels, sizes, strict=True):
        cells = [cell for cell in plane.cells if cell.n_train == size]
        for phase, (marker, colour, _) in _PHASES.items():
            chosen = [(c.batch_size, c.learning_rate) for c in cells if c.phase == phase]
            if chosen:
                axes.plot(*np.array(chosen).T, marker, color=colour, ms=4.5, zorder=3)
        _draw_critical_line(axes, plane, size)
        axes.set(xscale="log", yscale="log", xlabel=_BATCH)
        axes.set_title(f"P = {size}", fontsize=9)
    _frame(plane, panels)
    panels[0].set_ylabel(r"learning rate  $\eta$")
    present = {cell.phase for cell in plane.cells}
    handles = [
        Line2D([], [], ls="", marker=marker, color=colour, label=label)
        for phase, (marker, colour, label) in _PHASES.items()
        if phase in present
    ]
    handles.append(Line2D([], [], color="black", marker="D", ms=4, mfc="white", label="$B^*$"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _draw_critical_line(axes: Axes, plane: BatchPlane, size: int) -> None:
    found = [
        (batch.value, batch.temperature, batch.log_stderr or 0.0)
        for law in plane.laws
        for batch in law.located
        if batch.n_train == size and batch.value is not None
    ]
    if not found:
        return
    value, temperature, error = np.array(found, dtype=float).T
    bars = value * np.stack([1 - np.exp(-error), np.exp(error) - 1])
    rate = value * temperature
    axes.plot(value, rate, color="black", lw=1.0, zorder=2)
    axes.errorbar(
        value, rate, xerr=bars, fmt="D", ms=4, color="black", mfc="white", lw=1.0, zorder=4
    )


def _frame(plane: BatchPlane, panels: np.ndarray) -> None:
    """Iso-T diagonals with their temperature, and the largest rate that is compared."""
    batches = np.array([plane.grid.batch_sizes[0] / 1.5, plane.grid.batch_sizes[-1] * 1.5])
    rates = [cell.learning_rate for cell in plane.cells]
    low, high = min(rates) / 2, max(rates) * 2
    for axes in panels:
        for t in plane.grid.temperatures:
            axes.plot(batches, t * batches, color="0.85", lw=0.8, zorder=0)
        if plane.window is not None:
            axes.axhline(STABLE_SHARE * plane.window.stable, color=GREY, lw=0.9, ls="--", zorder=1)
        axes.set_xlim(*batches)
        axes.set_ylim(low, high)
        label_decades(axes)
    for t in plane.grid.temperatures:
        panels[-1].annotate(
            f" T = {t:.3g}",
            (batches[1], min(t * batches[1], high)),
            fontsize=7,
            color=GREY,
            va="center",
            annotation_clip=False,
        )
    if plane.window is not None:
        panels[0].annotate(
            r"$\eta_\mathrm{max}/2$",
            (batches[0] * 1.1, STABLE_SHARE * plane.window.stable * 1.12),
            fontsize=8,
            color=GREY,
        )


def plot_ratios(plane: BatchPlane) -> Figure:
    """dw(B)/dw(1) against B, one panel per temperature, one colour per size."""
    temperatures = [float(t) for t in plane.grid.temperatures]
    columns = min(len(temperatures), 2)
    rows = math.ceil(len(temperatures) / columns)
    figure = Figure(figsize=(3.1 * columns + 0.9, 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    colours = size_colours(plane.grid.sizes)
    for axes, t in zip(panels, temperatures, strict=False):
        axes.axhspan(1 / EXCESS, EXCESS, color="0.92", lw=0)
        axes.axhline(1.0, color=GREY, lw=0.9)
        for size, colour in colours.items():
            cells = [c for c in plane.cells if c.n_train == size and c.temperature == t]
            _draw_ratio(axes, cells, colour)
        axes.set(xscale="log", yscale="log")
        axes.set_title(f"T = {t:.3g}", fontsize=9)
    for axes in panels[len(temperatures) :]:
        axes.set_axis_off()
    for axes in panels[: len(temperatures)]:
        label_sizes(axes, plane.grid.batch_sizes.astype(float))
        axes.set_yticks([1, 2, 4], ["1", "2", "4"])
        axes.minorticks_off()
    for axes in panels[-columns:]:
        axes.set_xlabel(_BATCH)
    for axes in panels[::columns]:
        axes.set_ylabel(r"$\Delta w(B)\,/\,\Delta w(1)$")
    add_size_legend(panels[columns - 1], colours, outside=True)
    return figure


def _draw_ratio(axes: Axes, cells: list[BatchCell], colour: Any) -> None:
    points = [
        (c.batch_size, math.exp(e.value), math.exp(e.value) * (e.stderr or 0.0), c.is_calm)
        for c in cells
        if (e := c.weight_change) is not None
    ]
    if not points:
        return
    b, ratio, error, calm = np.array(points, dtype=float).T
    axes.plot(b, ratio, color=colour, lw=0.7)
    for chosen, face in ((calm == 1, colour), (calm == 0, "white")):
        if chosen.any():
            axes.errorbar(
                b[chosen],
                ratio[chosen],
                yerr=error[chosen],
                fmt="o",
                ms=3.5,
                color=colour,
                mfc=face,
                lw=1.0,
            )


def plot_critical_batch(plane: BatchPlane) -> Figure:
    """B* against P at every temperature with its fit; beside it the gradient noise scale."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    laws = [law for law in plane.laws if law.located]
    handles = []
    for k, law in enumerate(laws):
        colour, marker = f"C{k}", MARKERS[k % len(MARKERS)]
        for batch in law.located:
            value, error = float(batch.value or 0.0), batch.log_stderr or 0.0
            bars = [[value * (1 - math.exp(-error))], [value * (math.exp(error) - 1)]]
            axes.errorbar(batch.n_train, value, yerr=bars, fmt=marker, color=colour, lw=1.0)
        for batch in law.batches:
            low = batch.bracket[0]
            if batch.value is None and low is not None:
                axes.plot(batch.n_train, low, marker, mfc="white", color=colour)
                axes.annotate(
                    "↑",
                    (batch.n_train, low),
                    xytext=(0, 4),
                    textcoords="offset points",
                    ha="center",
                    color=colour,
                )
        handles.append(_fit_line(axes, law, colour, marker))
    handles += _draw_noise_scale(axes, plane)
    axes.set(xscale="log", yscale="log", xlabel=r"training points  $P$", ylabel=_BATCH)
    label_decades(axes)
    label_sizes(axes, plane.grid.sizes.astype(float))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _fit_line(axes: Axes, law: CriticalBatchLaw, colour: str, marker: str) -> Line2D:
    label = f"$B^*$, T = {law.temperature:.3g}"
    if law.exponent is not None:
        sizes = np.array([law.fit.x[0] / 1.15, law.fit.x[-1] * 1.15], dtype=float)
        axes.plot(sizes, law.fit.evaluate(sizes), color=colour, lw=1.2, zorder=1)
        label += f"\n$\\sim P^{{{law.exponent}}}$"
    return Line2D([], [], color=colour, marker=marker, label=label)


def _draw_noise_scale(axes: Axes, plane: BatchPlane) -> list[Line2D]:
    """tr(Sigma)/|G|^2 at the start and, by temperature, at the end of training."""
    handles = []
    for when, t in dict.fromkeys((scale.when, scale.temperature) for scale in plane.noise_scale):
        scales = [s for s in plane.noise_scale if (s.when, s.temperature) == (when, t)]
        style, colour = ("--", "black") if t is None else (":", GREY)
        label = rf"$\mathrm{{tr}}\,\Sigma/|G|^2$, {when}" + ("" if t is None else f", T = {t:.3g}")
        axes.errorbar(
            [scale.n_train for scale in scales],
            [scale.estimate.value for scale in scales],
            yerr=[scale.estimate.stderr or 0.0 for scale in scales],
            ls=style,
            marker="+",
            color=colour,
            lw=1.0,
        )
        handles.append(Line2D([], [], color=colour, ls=style, marker="+", label=label))
    return handles


def plot_time_and_error(plane: BatchPlane) -> Figure:
    """Training time and test error against B, relative to the smallest B."""
    law = plane.headline_law
    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
    panels = figure.subplots(1, 2)
    colours = size_colours(plane.grid.sizes)
    for axes in panels:
        axes.axhline(0.0, color=GREY, lw=0.9)
    for k, (size, colour) in enumerate(colours.items()):
        shift = 1 + 0.03 * (k - (len(colours) - 1) / 2)
        for axes, name in zip(panels, ("training_time", "test_error"), strict=True):
            points: list[tuple[BatchCell, Estimate]] = [
                (cell, estimate)
                for cell in plane.cells
                if cell.n_train == size
                and cell.temperature == law.temperature
                and (estimate := getattr(cell, name)) is not None
            ]
            for cell, estimate in points:
                axes.errorbar(
                    cell.batch_size * shift,
                    estimate.value,
                    yerr=estimate.stderr or 0.0,
                    fmt="o",
                    ms=3.5,
                    color=colour,
                    mfc=colour if cell.is_calm else "white",
                    lw=1.0,
                )
    for axes in panels:
        axes.set(xscale="log", xlabel=_BATCH)
        label_sizes(axes, plane.grid.batch_sizes.astype(float))
    panels[0].set_ylabel(r"$\ln\,t^*(B)/t^*(1)$")
    panels[1].set_ylabel("test error, difference from B = 1")
    add_size_legend(panels[1], colours, outside=True)
    return figure
