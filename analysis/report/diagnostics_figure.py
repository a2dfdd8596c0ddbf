"""Draws the diagnostics: one panel per part that was measured, two beside each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from analysis.report.diagnostics import Diagnostics
from analysis.report.style import GREY, MARKERS, label_decades, ordered_colours

SYMBOLS = {
    "n_train": "$P$",
    "temperature": r"temperature  $T = \eta/B$",
    "learning_rate": r"learning rate  $\eta$",
    "alpha": r"$\alpha$",
    "batch_size": "$B$",
    "relative_weight_change": r"$\|\Delta w\|/\|w_0\|$",
    "weight_norm": r"$\|w\|$",
    "training_time": "$t^*$",
    "noise_strength": r"$\eta\,(1-b)/b$",
}
_MOST_CURVES = 9


def plot_diagnostics(found: Diagnostics) -> Figure:
    """Draw every part that has something to show."""
    names = found.drawn
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(
        figsize=(3.7 * columns, 2.9 * rows + 0.4), layout=ConstrainedLayoutEngine(w_pad=0.09)
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _PANELS[name](axes, found)
        axes.set_title(_TITLES[name], fontsize=9, loc="left")
    label_decades(*panels[: len(names)])
    colours = _colours(found)
    handles = _curve_handles(found, colours) if colours else []
    if len(panels) > len(names):
        panels[-1].axis("off")
        panels[-1].legend(handles=handles, loc="center left")
    elif handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=5)
    return figure


def _colours(found: Diagnostics) -> dict[float, Any]:
    parts = [getattr(found, name) for name in found.drawn]
    values = sorted({float(v) for part in parts if "curve" in part for v in part["curve"]})
    return ordered_colours(values) if values else {}


def _at(colours: dict[float, Any], value: Any) -> Any:
    return colours[float(value)]


def _curve_handles(found: Diagnostics, colours: dict[float, Any]) -> list[Line2D]:
    chosen = list(colours)
    if len(chosen) > _MOST_CURVES:
        chosen = [chosen[round(k)] for k in np.linspace(0, len(chosen) - 1, _MOST_CURVES)]
    symbol = SYMBOLS.get(found.curve, found.curve)
    return [
        Line2D([], [], color=colours[v], marker="o", ls="", label=f"{symbol} = {v:.4g}")
        for v in chosen
    ]


def _draw_pulls(axes: Axes, found: Diagnostics) -> None:
    axes.axhspan(-2, 2, color="0.93", lw=0, zorder=0)
    axes.axhline(0, color=GREY, lw=0.8, zorder=0)
    for k, (fit, rows) in enumerate(found.pulls.groupby("fit", sort=False)):
        x = rows["position"] * 1.04 ** (k - (found.pulls["fit"].nunique() - 1) / 2)
        axes.plot(x, rows["pull"], MARKERS[k % 7], color=f"C{k % 7}", label=str(fit))
    axes.set(xscale="log", xlabel=_of(found.pull_position))
    axes.set_ylabel("residual / error")
    axes.margins(y=0.15)
    axes.legend(loc="best", ncols=2, fontsize=7, handletextpad=0.2, columnspacing=0.8)


def _draw_spread(axes: Axes, found: Diagnostics) -> None:
    colours = _colours(found)
    for curve, rows in found.spread.groupby("curve"):
        axes.errorbar(
            rows["position"],
            rows["spread"],
            yerr=rows["stderr"],
            fmt="o",
            color=_at(colours, curve),
            ms=3,
            lw=0.7,
        )
    axes.set(xscale="log", xlabel=_of(found.position))
    axes.set_ylabel(f"spread of ln {_of(found.observable)}")
    axes.set_ylim(bottom=0)


def _draw_ends(axes: Axes, found: Diagnostics) -> None:
    colours = _colours(found)
    for curve, rows in found.ends.groupby("curve"):
        colour = _at(colours, curve)
        for name, marker in (("diverged", "X"), ("censored", "o")):
            lost = rows[rows[name] > 0]
            share = lost[name] / lost["n_runs"]
            axes.plot(lost["position"], share, marker, color=colour, mfc=_face(name, colour))
    handles = [
        Line2D([], [], color="black", marker="X", ls="", label="diverged"),
        Line2D([], [], color="black", marker="o", mfc="white", ls="", label="budget used up"),
    ]
    axes.legend(handles=handles, loc="best")
    low, high = found.ends["position"].min(), found.ends["position"].max()
    axes.set(xscale="log", xlim=(low / 1.2, high * 1.2), ylim=(0, 1.04))
    axes.set(xlabel=_of(found.position), ylabel="share of the runs")


def _face(name: str, colour: Any) -> Any:
    return colour if name == "diverged" else "white"


def _draw_ratios(axes: Axes, found: Diagnostics, rows: pd.DataFrame) -> None:
    colours = _colours(found)
    axes.axhline(0, color=GREY, lw=0.8, zorder=0)
    middle = (len(colours) - 1) / 2
    for (curve, observable), part in rows.groupby(["curve", "observable"]):
        colour = _at(colours, curve)
        axes.errorbar(
            part["position"] * 1.05 ** (list(colours.values()).index(colour) - middle),
            100 * part["log_ratio"],
            yerr=100 * part["log_stderr"].fillna(0.0),
            fmt="s" if observable == "training_time" else "o",
            color=colour,
            mfc="white" if observable == "training_time" else colour,
            ms=3.5,
            lw=0.8,
        )
    observables = [name for name in ("relative_weight_change", "training_time")
                   if (rows["observable"] == name).any()]  # fmt: skip
    handles = [
        Line2D([], [], color="black", ls="", label=_of(name),
               marker="s" if name == "training_time" else "o",
               mfc="white" if name == "training_time" else "black")
        for name in observables
    ]  # fmt: skip
    axes.legend(handles=handles, loc="best")
    axes.set(xscale="log", xlabel=_of("temperature"), ylabel="100 ln ratio")
    axes.margins(y=0.12)


def _draw_steps(axes: Axes, found: Diagnostics) -> None:
    _draw_ratios(axes, found, found.steps)


def _draw_precision(axes: Axes, found: Diagnostics) -> None:
    _draw_ratios(axes, found, found.precision)


def _draw_correlation(axes: Axes, found: Diagnostics) -> None:
    colours = _colours(found)
    for (curve, _), rows in found.correlation.groupby(["curve", "configuration"]):
        axes.plot(rows["position"], rows["correlation"], color=_at(colours, curve), lw=1.0)
    axes.axhline(0, color=GREY, lw=0.8, zorder=0)
    axes.set(xlabel=r"time lag  $\eta k$", ylabel="$1 - B(k)/B(L)$")


def _of(name: str) -> str:
    return SYMBOLS.get(name, name)


_PANELS: dict[str, Callable[[Axes, Diagnostics], None]] = {
    "pulls": _draw_pulls,
    "spread": _draw_spread,
    "ends": _draw_ends,
    "steps": _draw_steps,
    "precision": _draw_precision,
    "correlation": _draw_correlation,
}
_TITLES = {
    "pulls": "pulls of the fits",
    "spread": "spread over seeds",
    "ends": "runs that did not fit",
    "steps": r"$(\eta, B)$ over smaller steps, equal $T$",
    "precision": "float64 over float32",
    "correlation": "autocorrelation",
}
