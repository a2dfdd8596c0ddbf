"""What all figures share: settings, the colour of a size, markers, labels of logarithmic axes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from analysis.arrays import FloatArray
from analysis.curves import Curves

CATEGORIES = ("#0077BB", "#EE7733", "#009988", "#CC3311", "#EE3377", "#33BBEE", "#000000")
"""Colours C0, C1, ... of what has no order, for colour-blind readers too (Tol); markers
differ as well. What has an order, such as P, has a colour of a sequential map."""

STYLE: Any = {
    "axes.prop_cycle": cycler(color=CATEGORIES),
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.labelsize": 10.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.markersize": 4.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "sgd-thermometer",
    # Type 3 fonts: subsetting Type 42 ones takes two seconds per report.
    "pdf.fonttype": 3,
}
"""Settings of matplotlib under which figures are made and saved."""

_Arguments = ParamSpec("_Arguments")
_Drawn = TypeVar("_Drawn")


def styled(plot: Callable[_Arguments, _Drawn]) -> Callable[_Arguments, _Drawn]:
    """Make a function draw as in the report, whoever calls it."""

    @functools.wraps(plot)
    def drawn(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Drawn:
        with matplotlib.rc_context(STYLE):
            return plot(*args, **kwargs)

    return drawn


MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "0.45"


def size_colours(sizes: Any) -> dict[int, Any]:
    """Return the colour of every size: viridis over ln P, without its pale end."""
    return {int(p): colour for p, colour in ordered_colours(sizes).items()}


def ordered_colours(values: Any) -> dict[float, Any]:
    """Return the colour of every value of what has an order, such as P or alpha."""
    logs = np.log(np.asarray(values, dtype=float))
    span = max(float(logs.max() - logs.min()), 1e-9)
    return {
        float(value): colormaps["viridis"](0.88 * (x - logs.min()) / span)
        for value, x in zip(values, logs, strict=True)
    }


def draw_means(
    axes: Axes, curves: Curves, p: int, y: FloatArray, error: FloatArray, colour: Any
) -> None:
    """Means with error bars: filled where at least 80 % of the runs fitted, else hollow."""
    known = np.isfinite(y)
    for cells, face in ((known & curves.stable[p], colour), (known & ~curves.stable[p], "white")):
        if cells.any():
            axes.errorbar(
                curves.temperatures[cells],
                y[cells],
                yerr=error[cells],
                fmt="o",
                color=colour,
                mfc=face,
                lw=1.0,
            )


def add_size_legend(axes: Axes, colours: dict[int, Any], outside: bool = False) -> None:
    """Add the legend of colours, of nine sizes at most."""
    chosen = list(colours.items())
    if len(chosen) > 9:
        chosen = [chosen[round(k)] for k in np.linspace(0, len(chosen) - 1, 9)]
    handles = [
        Line2D([], [], color=colour, marker="o", ls="", label=f"P = {p}") for p, colour in chosen
    ]
    if outside:
        axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.legend(handles=handles, loc="best")


def label_sizes(axes: Axes, sizes: FloatArray) -> None:
    """Label the sizes themselves; every second one where there are many."""
    step = math.ceil(len(sizes) / 8)
    chosen = [int(p) for p in sizes[::step]]
    axes.set_xticks(chosen, [str(p) for p in chosen])
    axes.xaxis.set_minor_locator(NullLocator())


def look_of_study(k: int) -> tuple[str, str]:
    """Return colour and marker of the k-th of several studies."""
    return CATEGORIES[k % len(CATEGORIES)], MARKERS[k % len(MARKERS)]


def with_minus(text: object) -> str:
    """Return numbers in a label with the minus sign of the axes.

    >>> with_minus("fall -0.005(5)")
    'fall −0.005(5)'
    """
    return str(text).replace("-", "−")


def label_decades(*panels: Axes) -> None:
    """Label the logarithmic axes of the panels."""
    for axes in panels:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                _log_labels(axis)


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _log_labels(axis: Axis) -> None:
    """Label decades as 10⁻³ in plain text (mathematical text costs a second per report).

    An axis of about a decade is labelled with plain numbers at 1, 2 and 5 as well.
    """
    low, high = axis.get_view_interval()
    if high / low > 30:
        axis.set_major_locator(LogLocator(numticks=10))
        axis.set_major_formatter(FuncFormatter(_decade))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _decade(x: float, _: Any) -> str:
    if x <= 0:
        return ""
    return "10" + str(round(math.log10(x))).translate(_SUPERSCRIPTS)
