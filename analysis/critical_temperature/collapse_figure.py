"""The figure of a data collapse: scaled curves, the same unscaled, and the minimum of S."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.arrays import FloatArray
from analysis.critical_temperature.figures import fixed
from analysis.critical_temperature.grid_law import GridLaw
from analysis.fits.collapse import CollapseFit
from analysis.report.style import add_size_legend, label_decades, size_colours, styled

_LABELS = {"relative_weight_change": r"\|\Delta w\|/\|w_0\|", "training_time": "t^*"}


def plot_collapse(fit: CollapseFit) -> Figure:
    """Observable against T P^a, one colour per P; beside it the unscaled curves and S(a).

    The second one shades the interval S <= S_min + 1 and draws the histogram of the bootstrap.

    Raises
    ------
    ValueError
        If the fit has fewer than two curves.
    """
    if fit.a is None or fit.g is None:
        raise ValueError(f"nothing to draw: {fit.remarks[0]}")
    figure = Figure(figsize=(6.8, 4.6), layout="constrained")
    axes, side = figure.subplots(1, 2, width_ratios=[1.75, 1.0])
    side.remove()
    grid = axes.get_subplotspec().get_gridspec()
    panels = grid[0, 1].subgridspec(2, 1)
    unscaled, scan = figure.add_subplot(panels[0]), figure.add_subplot(panels[1])
    _draw_curves(axes, fit, fit.a.value, fit.g.value)
    axes.set(xlabel=_scaled(r"T\,P^{\,a}"), ylabel=_scaled_observable(fit))
    _draw_curves(unscaled, fit, 0.0, 0.0)
    unscaled.set(xlabel=r"$T = \eta/B$", ylabel=_scaled(_name(fit)))
    unscaled.set_title(f"unscaled: S = {_short(fit.unscaled)}", fontsize=8)
    _draw_scan(scan, fit)
    label_decades(axes, unscaled, scan)
    axes.set_title(_headline(fit), fontsize=9)
    add_size_legend(axes, _colours(fit))
    return figure


def _headline(fit: CollapseFit) -> str:
    exponents = rf"$a$ = {fit.a}" + (rf",  $g$ = {fit.g}" if fit.free_g else "")
    text = f"{exponents},  S = {_short(fit.quality)}"
    return text if fit.determined else f"no collapse (best: {text})"


def _short(quality: Any) -> str:
    return f"{quality.value:.3g}"


def _name(fit: CollapseFit) -> str:
    return _LABELS.get(fit.observable, rf"\mathrm{{{fit.observable.replace('_', chr(92) + ' ')}}}")


def _scaled(text: str) -> str:
    return f"${text}$"


def _scaled_observable(fit: CollapseFit) -> str:
    assert fit.g is not None
    return _scaled(_name(fit) if fit.g.value == 0 else rf"P^{{-g}}\,{_name(fit)}")


def _colours(fit: CollapseFit) -> dict[int, Any]:
    return size_colours(np.rint(np.exp(fit.data.log_sizes)).astype(int))


def _draw_curves(axes: Axes, fit: CollapseFit, a: float, g: float) -> None:
    data = fit.data
    for p, (colour, log_size) in enumerate(
        zip(_colours(fit).values(), data.log_sizes, strict=True)
    ):
        known = data.known[p]
        x = np.exp(data.log_temperatures[known] + a * log_size)
        y = np.exp(data.y[p, known] - g * log_size)
        axes.plot(x, y, color=colour, lw=0.6)
        axes.errorbar(x, y, yerr=y * data.s[p, known], fmt="o", color=colour, ms=3.2, lw=0.9)
    axes.set(xscale="log", yscale="log")


def _draw_scan(axes: Axes, fit: CollapseFit) -> None:
    """S(a) on a logarithmic axis, the S + 1 interval, the bootstrap and the second opinion."""
    assert fit.a is not None
    assert fit.quality is not None
    low, high = fit.a_interval
    axes.axvspan(
        fit.scan_a[0] if low is None else low,
        fit.scan_a[-1] if high is None else high,
        color="0.90",
        lw=0,
    )
    axes.plot(fit.scan_a, fit.scan_quality, color="black", lw=1.0)
    axes.axvline(fit.a.value, color="C3", lw=0.9)
    axes.set(yscale="log", xlabel=r"exponent  $a$", ylabel=r"quality  $S(a)$")
    left, right = _view(fit)
    shown = fit.scan_quality[(fit.scan_a >= left) & (fit.scan_a <= right)]
    axes.set_xlim(left, right)
    axes.set_ylim(np.nanmin(shown) / 1.5, np.nanmax(shown) * 1.2)
    _draw_bootstrap(axes, fit.replicates[:, 0])
    axes.set_title("grey: S + 1;  red: bootstrap", fontsize=8)


def _view(fit: CollapseFit) -> tuple[float, float]:
    """A range of a around the minimum, wide enough for the interval S + 1."""
    assert fit.a is not None
    ends = [fit.a.value - 0.15, fit.a.value + 0.15]
    for end, side in zip(fit.a_interval, (-1, 1), strict=True):
        if end is not None:
            ends.append(fit.a.value + side * 2.2 * abs(end - fit.a.value))
    return max(min(ends), float(fit.scan_a[0])), min(max(ends), float(fit.scan_a[-1]))


def _draw_bootstrap(axes: Axes, replicates: FloatArray) -> None:
    finite = replicates[np.isfinite(replicates)]
    if finite.size < 2 or np.ptp(finite) == 0:
        return
    counts = axes.twinx()
    counts.hist(finite, bins=16, color="C3", alpha=0.35, lw=0)
    counts.set_ylim(0, counts.get_ylim()[1] * 3)
    counts.set_yticks([])
    counts.spines["right"].set_visible(False)


def collapse_caption(law: GridLaw) -> str:
    """Caption of the data collapse."""
    fit = law.collapse
    where = fit.a.fit_range if fit is not None and fit.a is not None else ""
    remarks = "" if fit is None or not fit.remarks else f" {'; '.join(fit.remarks)}."
    return (
        f"Relative weight change against T P^a for T ≥ 20 T_noise, {fixed(law)}, {where}; bars "
        f"are standard errors with 0.01 for interpolation. Right: the same unscaled, and the "
        f"quality S(a) (mean squared distance from the other curves in units of the errors; 1 if "
        f"they agree, above 3 no collapse), shaded S ≤ S_min + 1, red: bootstrap over seeds."
        f"{remarks}"
    )


def collapse_data(law: GridLaw) -> pd.DataFrame:
    """Weight change of the collapse against T and against T P^a."""
    assert law.collapse is not None
    data, a = law.collapse.data, law.collapse.a
    p, t = np.nonzero(data.known)
    sizes, temperatures = np.exp(data.log_sizes[p]), np.exp(data.log_temperatures[t])
    values = np.exp(data.y[p, t])
    return pd.DataFrame(
        {
            "n_train": np.rint(sizes).astype(int),
            "temperature": temperatures,
            "scaled_temperature": math.nan if a is None else temperatures * sizes**a.value,
            "relative_weight_change": values,
            "stderr": values * data.s[p, t],
        }
    )


@styled
def plot_law_collapse(law: GridLaw) -> Figure:
    """Weight change against T P^a, unscaled, and the quality S(a)."""
    assert law.collapse is not None
    return plot_collapse(law.collapse)
