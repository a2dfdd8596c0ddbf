"""Figures of the (alpha, T) plane: each draws results and computes nothing but tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.arrays import FloatArray
from analysis.estimates import mean_over_runs, stderr_over_runs
from analysis.phase_diagram.diagram import AlphaScan, PhaseDiagram
from analysis.report.style import GREY, label_decades, with_minus
from analysis.report.tiles import draw_tiles
from analysis.table import setting_text

_ALPHA = r"initialization scale  $\alpha$"
_TEMPERATURE = r"temperature  $T = \eta/B$"
_LINES = {
    "T_noise": ("C0", "o", "-", r"$T_\mathrm{noise}$"),
    "T_lazy": ("C3", "s", "-", r"$T_\mathrm{lazy}$"),
    "T_opt": ("C2", "D", "-", r"$T_\mathrm{opt}$"),
    "T_edge": ("black", "^", "--", r"$T_\mathrm{edge}$ (half diverge)"),
}


def plot_phase_diagram(diagram: PhaseDiagram) -> Figure:
    """Weight change and test error over (alpha, T), with the located lines."""
    has_error = any(scan.curves.has("test_error") for scan in diagram.scans)
    figure = Figure(figsize=(7.4 if has_error else 4.6, 4.7), layout="constrained")
    panels = figure.subplots(1, 2 if has_error else 1, sharey=True, squeeze=False)[0]
    alpha, t, change = _cells(diagram, "relative_weight_change")
    norm: Normalize = LogNorm(np.nanmin(change), np.nanmax(change))
    _map(figure, panels[0], (alpha, t, change), norm, r"$\|\Delta w\|/\|w_0\|$", "viridis")
    if has_error:
        error = _cells(diagram, "test_error")[2]
        norm = Normalize(*np.nanpercentile(error, [2, 98]))
        _map(figure, panels[1], (alpha, t, error), norm, "test error", "cividis")
    for axes in panels:
        drawn = _draw_lines(axes, diagram)
        axes.set_xlabel(_ALPHA)
        label_decades(axes)
    panels[0].set_ylabel(_TEMPERATURE)
    _name_regions(panels[0], diagram)
    figure.legend(handles=drawn, loc="outside upper center", ncols=4)
    return figure


def _cells(diagram: PhaseDiagram, observable: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Alpha, T and the mean of every measured cell; NaN where fewer than 80 % fitted."""
    rows = []
    for scan in diagram.scans:
        curves, p = scan.curves, scan.p
        logs = observable == "relative_weight_change"
        values = curves.log_values(observable) if logs else curves.values(observable)
        means = mean_over_runs(values)[p]
        means = np.where(curves.stable[p], np.exp(means) if logs else means, np.nan)
        rows += [
            (scan.alpha, t, mean)
            for t, mean, n in zip(curves.temperatures, means, curves.n_runs[p], strict=True)
            if n > 0
        ]
    alpha, t, value = np.array(rows).T
    return alpha, t, value


def _map(
    figure: Figure,
    axes: Axes,
    cells: tuple[FloatArray, FloatArray, FloatArray],
    norm: Normalize,
    label: str,
    cmap: str,
) -> None:
    tiles = draw_tiles(axes, *cells, norm, _pale(cmap))
    bar = figure.colorbar(tiles, ax=axes, location="bottom", shrink=0.9, aspect=30, label=label)
    bar.outline.set_visible(False)


def _pale(name: str) -> Any:
    """The colour map without its darkest part, on which lines and dots would vanish."""
    return ListedColormap(colormaps[name](np.linspace(0.25, 1.0, 256)))


def _draw_lines(axes: Axes, diagram: PhaseDiagram) -> list[Line2D]:
    handles = []
    for name, (colour, marker, style, label) in _LINES.items():
        found = [(scan.alpha, *_located(scan, name)) for scan in diagram.scans]
        located = [(a, value, error) for a, value, error in found if value is not None]
        if not located:
            continue
        alpha, value, error = np.array(located, dtype=float).T
        bars = value * np.stack([1 - np.exp(-error), np.exp(error) - 1])
        axes.plot(alpha, value, ls=style, color="white", lw=2.6)
        axes.plot(alpha, value, ls=style, color=colour, lw=1.3)
        axes.errorbar(
            alpha, value, yerr=bars, fmt=marker, color=colour, mec="white", mew=0.5, lw=1.0
        )
        shown = label.replace("lazy}$", f"lazy}}({diagram.threshold:g})$")
        handles.append(Line2D([], [], color=colour, marker=marker, ls=style, label=shown))
    return handles


def _located(scan: AlphaScan, name: str) -> tuple[float | None, float]:
    if name == "T_noise":
        return scan.noise.point.value, scan.noise.point.log_stderr or 0.0
    if name == "T_lazy":
        return scan.lazy_point.value, scan.lazy_point.log_stderr or 0.0
    if name == "T_edge":
        return scan.edge.half, scan.edge.log_stderr or 0.0
    optimum = scan.optimum
    return (None, 0.0) if optimum is None else (optimum.value, optimum.log_stderr or 0.0)


def _name_regions(axes: Axes, diagram: PhaseDiagram) -> None:
    """Write the names of the regimes beside the cells that belong to them."""
    box = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.75}
    feature = [scan.alpha for scan in diagram.scans if scan.is_feature_regime]
    lazy = [scan.alpha for scan in diagram.scans if not scan.is_feature_regime]
    bottom = min(float(scan.curves.temperatures[0]) for scan in diagram.scans)
    for name, alphas in (("feature regime", feature), ("lazy regime", lazy)):
        if not alphas:
            continue
        centre = float(np.exp(np.mean(np.log(alphas))))
        axes.annotate(name, (centre, bottom * 1.6), ha="center", va="bottom", fontsize=8, bbox=box)
        if name == "feature regime":
            continue
        tops = [s.edge.half or s.edge.temperatures[-1] for s in diagram.scans if s.alpha in lazy]
        level = float(np.exp(np.mean(np.log(tops)))) * 2
        axes.annotate("diverges", (centre, level), ha="center", va="center", fontsize=8, bbox=box)


def plot_error_steps(diagram: PhaseDiagram) -> Figure:
    """Test error against T of the alphas with two steps; shaded: the groups compared."""
    scans = [scan for scan in diagram.scans if scan.steps]
    figure = Figure(figsize=(3.6 * len(scans) + 0.4, 3.6), layout="constrained")
    panels = figure.subplots(1, len(scans), sharey=True, squeeze=False)[0]
    for axes, scan in zip(panels, scans, strict=True):
        curves, p = scan.curves, scan.p
        values = curves.values("test_error")[p]
        mean, error = mean_over_runs(values), np.nan_to_num(stderr_over_runs(values))
        good = curves.stable[p]
        axes.errorbar(
            curves.temperatures[good], mean[good], error[good], fmt="o-", color="C0", lw=1
        )
        groups = [scan.steps[0].lower, *(step.upper for step in scan.steps)]
        for group, name in zip(groups, ("cold", "noisy", "hot"), strict=False):
            axes.axvspan(group[0] / 1.15, group[-1] * 1.15, color="0.92", lw=0, zorder=0)
            axes.annotate(
                name,
                (float(np.sqrt(group[0] * group[-1])), 0.98),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="top",
                fontsize=8,
            )
        if scan.noise.point.value is not None:
            axes.axvline(scan.noise.point.value, color=GREY, ls=":", lw=0.9)
        axes.set(xscale="log", xlabel=_TEMPERATURE)
        axes.set_title(
            rf"$\alpha$ = {setting_text(scan.alpha)}: "
            + ", ".join(f"{step.name} {with_minus(step.difference)}" for step in scan.steps),
            fontsize=9,
        )
        label_decades(axes)
    panels[0].set_ylabel("test error")
    return figure


def plot_stability(diagram: PhaseDiagram) -> Figure:
    """Fraction of runs that did not fit against T over T_edge's scale, one curve per alpha."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    logs = np.log([scan.alpha for scan in diagram.scans])
    span = max(float(logs.max() - logs.min()), 1e-9)
    for scan, log_alpha in zip(diagram.scans, logs, strict=True):
        edge = scan.edge
        near = edge.temperatures >= (edge.last_whole or edge.temperatures[0]) / 4
        colour = colormaps["viridis"](0.88 * (log_alpha - logs.min()) / span)
        axes.plot(
            edge.temperatures[near],
            edge.fraction_lost[near],
            "o-",
            color=colour,
            lw=0.9,
            label=rf"$\alpha$ = {setting_text(scan.alpha)}",
        )
    axes.axhline(0.5, color=GREY, lw=0.8, ls="--")
    axes.set(xscale="log", xlabel=_TEMPERATURE, ylabel="fraction of runs that do not fit")
    axes.set_ylim(-0.04, 1.04)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    label_decades(axes)
    return figure
