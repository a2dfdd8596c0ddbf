"""Figures of the perceptron study: theory beside measurement; they draw and compute nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.perceptron_exponents.batches import BatchLaw
from analysis.perceptron_exponents.laws import PerceptronLaws, SizeLaws
from analysis.perceptron_exponents.seed_means import GrowthLaw, SeedMeans
from analysis.perceptron_exponents.temperatures import TemperatureLaw
from analysis.report.style import GREY, MARKERS, label_decades, label_sizes, size_colours

_SIZE = r"number of training points  $P$"
_PANEL = (3.1, 3.1)


def law_colours(laws: Sequence[PerceptronLaws]) -> dict[str, Any]:
    """Return the colour of every law by its label: plasma over chi, without its pale end."""
    n = max(len(laws) - 1, 1)
    ordered = sorted(laws, key=lambda law: law.chi)
    return {law.label: colormaps["plasma"](0.8 * k / n) for k, law in enumerate(ordered)}


def law_name(label: str) -> str:
    """Return the label of a law in symbols.

    >>> law_name("chi=1,input_dim=64")
    'χ = 1, d = 64'
    """
    return label.replace("chi=", "χ = ").replace(",input_dim=", ", d = ")


def plot_size_laws(laws: Sequence[PerceptronLaws]) -> Figure:
    """Draw w_1/w_perp, ||w||/T and t*/T against P with fits and the slopes of theory."""
    figure = Figure(figsize=(3 * _PANEL[0], 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    choices: list[tuple[Callable[[SizeLaws], GrowthLaw], str, Callable[[float, float], float]]] = [
        (lambda s: s.signal_to_noise, r"$w_1/w_\perp$", lambda gamma, _: gamma),
        (lambda s: s.weight_norm, r"$\Vert w\Vert/T$", lambda gamma, _: gamma),
        (lambda s: s.training_time, r"presentations  $t^*/T$", lambda _, b: b),
    ]
    colours = law_colours(laws)
    for axes, (choose, label, exponent) in zip(panels, choices, strict=True):
        for k, law in enumerate(laws):
            if law.sizes is not None:
                theory = exponent(law.theory.gamma, law.theory.b)
                _growth(axes, choose(law.sizes), theory, colours[law.label], MARKERS[k % 7])
        axes.set(xscale="log", yscale="log", xlabel=_SIZE, ylabel=label)
        label_decades(axes)
    handles = [
        Line2D(
            [],
            [],
            color=colours[law.label],
            marker=MARKERS[k % 7],
            ls="-",
            label=law_name(law.label),
        )
        for k, law in enumerate(laws)
    ]
    panels[0].legend(handles=handles, loc="lower right")
    return figure


def _growth(axes: Axes, law: GrowthLaw, theory: float, colour: Any, marker: str) -> None:
    x = law.means.positions
    _points(axes, law.means, colour, marker)
    axes.plot(x, law.evaluate(x), color=colour, lw=1.0)
    anchor = law.means.mean[-1] + theory * np.log(x / x[-1])
    axes.plot(x, np.exp(anchor), color=colour, lw=0.9, ls=":")


def _points(axes: Axes, means: SeedMeans, colour: Any, marker: str = "o") -> None:
    y = np.exp(means.mean)
    axes.errorbar(
        means.positions, y, yerr=y * means.stderr, fmt=marker, color=colour, ms=3.8, lw=0.9
    )


def plot_temperature_laws(laws: Sequence[PerceptronLaws]) -> Figure:
    """Draw ||w||/T against T/kappa for every chi and P, with c0 kappa + c1 T."""
    figure = Figure(figsize=(len(laws) * _PANEL[0], 3.4), layout="constrained")
    panels = figure.subplots(1, len(laws), squeeze=False)[0]
    for axes, law in zip(panels, laws, strict=True):
        colours = size_colours([one.n_train for one in law.temperatures])
        for one in law.temperatures:
            _temperature_curve(axes, one, law.kappa, colours[one.n_train])
        axes.set(xscale="log", yscale="log", xlabel=r"$T/\kappa$", title=law_name(law.label))
        axes.legend(loc="upper right")
        label_decades(axes)
    panels[0].set_ylabel(r"$\Vert w\Vert/T$")
    return figure


def _temperature_curve(axes: Axes, law: TemperatureLaw, kappa: float, colour: Any) -> None:
    t, y = law.means.positions, np.exp(law.means.mean)
    ratio = y / t
    error = ratio * law.means.stderr
    label = f"P = {law.n_train}"
    axes.errorbar(t / kappa, ratio, yerr=error, fmt="o", color=colour, lw=0.9, label=label)
    if law.coefficients is not None:
        fine = np.geomspace(t[0], t[-1], 200)
        model = law.coefficients[0] / fine + law.coefficients[1]
        axes.plot(fine / kappa, model, color=colour, lw=1.0)


def plot_batch_laws(laws: Sequence[PerceptronLaws]) -> Figure:
    """Draw ||w||/T against B for every chi and P, and B* against P."""
    n = len(laws) + 1
    columns = n if n <= 3 else 2
    rows = -(-n // columns)
    figure = Figure(figsize=(columns * _PANEL[0], 3.0 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[n:]:
        axes.set_axis_off()
    for axes, law in zip(panels, laws, strict=False):
        if law.batches is not None:
            _batch_panel(axes, law.batches, law.theory.first_step(law.input_dim))
            axes.set_title(law_name(law.label))
    for axes in panels[: n - 1 : columns]:
        axes.set_ylabel(r"$\Vert w\Vert/T$")
    _crossovers(panels[n - 1], laws)
    return figure


def _crossovers(axes: Axes, laws: Sequence[PerceptronLaws]) -> None:
    """Draw B* against P with the fit and the exponent of theory."""
    colours, sizes = law_colours(laws), set()
    for k, law in enumerate(laws):
        if law.batches is not None and law.batches.crossover is not None:
            crossover = law.batches.crossover
            _growth(axes, crossover, law.theory.gamma, colours[law.label], MARKERS[k % 7])
            sizes |= set(crossover.means.positions)
    axes.set(xscale="log", yscale="log", xlabel=_SIZE, ylabel="crossover  $B^*$")
    label_decades(axes)
    label_sizes(axes, np.array(sorted(sizes)))


def _batch_panel(axes: Axes, law: BatchLaw, slope: float) -> None:
    colours = size_colours(list(law.means))
    for size, means in law.means.items():
        _points(axes, means, colours[size])
        axes.plot([], [], color=colours[size], marker="o", ls="", label=f"P = {size}")
    batches = np.unique(np.concatenate([means.positions for means in law.means.values()]))
    lowest = min(float(means.mean.min()) for means in law.means.values())
    shown = batches[slope * batches > np.exp(lowest) / 2]
    axes.plot(shown, slope * shown, color=GREY, lw=1.0, ls=":")
    axes.set(xscale="log", yscale="log", xlabel=r"batch size  $B$")
    axes.legend(loc="best")
    label_decades(axes)


def plot_trajectories(laws: Sequence[PerceptronLaws]) -> Figure:
    """Draw w_1/T against t/T during training, and its local slope against theory."""
    figure = Figure(figsize=(2.4 * _PANEL[0], 3.6), layout="constrained")
    curve, slopes = figure.subplots(1, 2)
    colours = law_colours(laws)
    for law in laws:
        path = law.trajectory
        if path is None:
            continue
        colour = colours[law.label]
        t, signal = np.exp(path.log_time), np.exp(path.log_signal)
        inside = (path.updates >= path.window[0]) & (path.updates <= path.window[1])
        curve.plot(t, signal, color=colour, lw=0.8)
        curve.plot(t[inside], signal[inside], "o", color=colour)
        label = f"{law_name(law.label)}, P = {path.n_train}"
        middle = np.sqrt(path.updates[1:] * path.updates[:-1])
        slopes.plot(middle, path.local, "o-", color=colour, lw=0.8, label=label)
        slopes.axhline(law.theory.trajectory, color=colour, lw=0.9, ls=":")
    curve.set(xscale="log", yscale="log", xlabel=r"time  $t/T$", ylabel=r"signal  $w_1/T$")
    slopes.set(xscale="log", xlabel="updates", ylabel=r"$d\ln w_1/d\ln t$", ylim=(0, 0.6))
    slopes.legend(loc="best")
    label_decades(curve, slopes)
    return figure
