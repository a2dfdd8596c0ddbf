"""Figures of the study of effective temperatures: fluctuation against response, laws, widths."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.effective_temperature.claims import stationary
from analysis.effective_temperature.study import TemperatureResult
from analysis.effective_temperature.table import Control, ReplicaCell, TemperatureCell
from analysis.report.style import GREY, label_decades

SLOPES = {"long": ("C0", "v"), "secant": ("C3", "o"), "short": ("C1", "^")}
"""Colour and marker of each slope."""
_NOISE = r"$\eta\,(1-b)/b$"


def plot_fluctuation_response(result: TemperatureResult) -> Figure:
    """B against chi, both in units of their last value, for SGD and for persistent SGD."""
    figure = Figure(figsize=(6.8, 3.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    groups = {
        "SGD": lambda c: c.is_plain,
        "persistent SGD": lambda c: c.persistence_gain > 1.0,
    }
    load = _commonest_load(result)
    for axes, (title, belongs) in zip(panels, groups.items(), strict=True):
        chosen = [c for c in _cells(result, "simulation") if _is_in(c, belongs, load)]
        theory = {c.control: c for c in _cells(result, "mean_field")}
        for k, cell in enumerate(chosen):
            colour = colormaps["viridis"](0.85 * k / max(1, len(chosen) - 1))
            _draw_curve(axes, cell, colour, "o", "")
            if cell.control in theory:
                _draw_curve(axes, theory[cell.control], colour, "", "-")
            axes.plot([], [], "o", color=colour, label=_short_label(cell.control))
        axes.plot([0, 1], [0, 1], color=GREY, ls="--", lw=0.9)
        axes.set(xlabel=r"$\chi(k)/\chi(L)$", title=title)
        if chosen:
            axes.legend(loc="upper left")
    panels[0].set_ylabel(r"$B(k)/B(L)$")
    return figure


def _is_in(cell: TemperatureCell, belongs: Any, load: float) -> bool:
    return cell.control.load == load and bool(belongs(cell.control))


def _cells(result: TemperatureResult, method: str) -> list[TemperatureCell]:
    return stationary(result.temperatures[method])


def _commonest_load(result: TemperatureResult) -> float:
    cells = result.temperatures["simulation"] or result.temperatures["mean_field"]
    loads = [cell.control.load for cell in cells]
    return max(set(loads), key=loads.count, default=0.0)


def _draw_curve(axes: Axes, cell: TemperatureCell, colour: Any, marker: str, line: str) -> None:
    found = cell.found
    x, y = found.response / found.response[-1], found.displacement / found.displacement[-1]
    if marker:
        # Points at even distances of the response, which saturates.
        shown = np.unique(np.searchsorted(np.maximum.accumulate(x), np.linspace(0, 1, 12)))
        x, y = x[shown], y[shown]
    axes.plot(x, y, marker=marker or None, ls=line or "none", color=colour, lw=1.0)


def _short_label(control: Control) -> str:
    rate = f"η = {control.learning_rate:g}"
    if control.persistence_time:
        return f"{rate}, τ = {control.persistence_time:g}"
    return f"{rate}, b = {control.active_fraction:g}"


def plot_temperatures(result: TemperatureResult) -> Figure:
    """The three slopes against eta (1-b)/b, and the distance of replicas against the same."""
    figure = Figure(figsize=(6.8, 3.7), layout="constrained")
    hot, apart = figure.subplots(1, 2)
    load = _commonest_load(result)
    for name, (colour, marker) in SLOPES.items():
        _draw_slope(hot, result, load, name, colour, marker)
    law = result.laws.get("T_sec,noise")
    if law is not None:
        x = np.array([law.x.min(), law.x.max()])
        hot.plot(x, law.evaluate(x), color="C3", lw=0.8, ls=":")
        hot.set_title(rf"$T_\mathrm{{sec}} \sim x^{{{law.slope}}}$, load {load:g}", fontsize=9)
    hot.set(xlabel=_NOISE, ylabel=r"$T_\mathrm{eff}$")
    hot.legend(handles=_slope_handles(), loc="upper left")
    for method in ("simulation", "mean_field"):
        _draw_distances(apart, result.replicas[method], method)
    apart.set(xlabel=_NOISE, ylabel=r"replica distance  $D = |w_1 - w_2|^2/N$")
    if apart.get_legend_handles_labels()[0]:
        apart.legend(loc="upper left")
    for axes in (hot, apart):
        # An empty panel has no logarithms.
        if np.isfinite(axes.dataLim.get_points()).all():
            axes.set(xscale="log", yscale="log")
    label_decades(hot, apart)
    return figure


def _draw_slope(
    axes: Axes, result: TemperatureResult, load: float, name: str, colour: str, marker: str
) -> None:
    for method in ("simulation", "mean_field"):
        cells = [c for c in _cells(result, method) if c.control.load == load]
        plain = sorted(
            (c for c in cells if c.control.is_plain), key=lambda c: c.control.noise_strength
        )
        x = [c.control.noise_strength for c in plain]
        found = [getattr(c.found, name) for c in plain]
        if method == "mean_field":
            axes.plot(x, [e.value for e in found], color=colour, lw=1.0)
            continue
        errors = [e.stderr or 0.0 for e in found]
        axes.errorbar(x, [e.value for e in found], errors, fmt=marker, color=colour, lw=1.0)
        if name == "secant":
            slow = [c for c in cells if c.control.persistence_gain > 1.0]
            axes.plot(
                [c.control.noise_strength for c in slow],
                [c.found.slopes["secant"] for c in slow],
                marker,
                color=colour,
                mfc="white",
            )


def _slope_handles() -> list[Line2D]:
    names = {"long": r"$T_\mathrm{long}$", "secant": r"$T_\mathrm{sec}$"}
    names["short"] = r"$T_\mathrm{short}$"
    handles = [
        Line2D([], [], color=colour, marker=marker, lw=1.0, label=names[name])
        for name, (colour, marker) in SLOPES.items()
    ]
    hollow = Line2D([], [], color="C3", marker="o", mfc="white", ls="", label="persistent")
    return [*handles, hollow]


def _draw_distances(axes: Axes, cells: list[ReplicaCell], method: str) -> None:
    rates = sorted({c.control.learning_rate for c in cells})
    for k, rate in enumerate(rates):
        plain = [c for c in cells if c.control.is_plain and c.control.learning_rate == rate]
        plain.sort(key=lambda c: c.control.noise_strength)
        x = [c.control.noise_strength for c in plain]
        found = [c.estimate("replica_distance") for c in plain]
        y, errors = [e.value for e in found], [e.stderr or 0.0 for e in found]
        if method == "mean_field":
            axes.plot(x, y, color="black", lw=1.0)
        else:
            label = f"η = {rate:g}"
            axes.errorbar(x, y, errors, fmt="os^D"[k % 4], color=f"C{k}", lw=1.0, label=label)
    slow = [c for c in cells if c.control.persistence_gain > 1.0]
    if slow and method == "simulation":
        axes.plot(
            [c.control.noise_strength for c in slow],
            [c.columns["replica_distance"].mean() for c in slow],
            "o",
            color="C3",
            mfc="white",
            label="persistent",
        )


def plot_width(result: TemperatureResult) -> Figure:
    """The four widths against the distance of replicas."""
    names = {
        "width_mean": "normalised margin,\nmean",
        "width_hard": "normalised margin,\n5 % quantile",
        "width_spread": "normalised margin,\nspread",
        "width_contact": "fraction in contact",
    }
    figure = Figure(figsize=(6.8, 4.6), layout="constrained")
    groups = _width_groups(result.replicas["simulation"])
    for axes, (name, label) in zip(figure.subplots(2, 2).flat, names.items(), strict=True):
        for k, cells in enumerate(groups):
            _draw_width(axes, cells, name, f"C{k}", "o")
        for cells in _width_groups(result.replicas["mean_field"]):
            _draw_width(axes, cells, name, "black", "")
        axes.set(xscale="log", xlabel=r"replica distance  $D$", ylabel=label)
        label_decades(axes)
    return figure


def has_widths(cells: list[ReplicaCell]) -> bool:
    """Whether there is a noise strength to draw widths against."""
    return bool(_width_groups(cells))


def _width_groups(cells: list[ReplicaCell]) -> list[list[ReplicaCell]]:
    groups: dict[tuple[float, float], list[ReplicaCell]] = {}
    for cell in cells:
        if cell.columns["replica_distance"].mean() > 1e-12 and cell.control.is_plain:
            key = (cell.control.load, cell.control.learning_rate)
            groups.setdefault(key, []).append(cell)
    return list(groups.values())


def _draw_width(axes: Axes, cells: list[ReplicaCell], name: str, colour: str, marker: str) -> None:
    cells = sorted(cells, key=lambda c: float(c.columns["replica_distance"].mean()))
    x = [float(c.columns["replica_distance"].mean()) for c in cells]
    found = [c.estimate(name) for c in cells]
    y = [e.value for e in found]
    if marker:
        errors = [e.stderr or 0.0 for e in found]
        axes.errorbar(x, y, errors, fmt=marker, color=colour, lw=0.8)
    else:
        axes.plot(x, y, color=colour, lw=1.0)
