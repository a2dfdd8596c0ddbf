"""Draws forest plots: an exponent by every choice, the quoted one as a line with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.fits.forest import Forest
from analysis.report.style import GREY, look_of_study, with_minus

_ROW, _AXIS = 0.25, 0.62
"""Heights in inches."""


def plot_forests(forests: Sequence[Forest]) -> Figure:
    """Draw one panel per forest, below each other; the exponents differ, so do the axes."""
    rows = [len(forest.rows) for forest in forests]
    figure = Figure(
        figsize=(6.4, _ROW * sum(rows) + _AXIS * len(rows) + 0.1), layout="constrained"
    )
    panels = figure.subplots(len(rows), 1, height_ratios=rows, squeeze=False)[:, 0]
    for axes, forest in zip(panels, forests, strict=True):
        _draw(axes, forest)
        _reference(axes, forest)
        axes.set_xlabel(forest.symbol)
        if forest.label:
            axes.set_title(forest.label, fontsize=9, loc="left")
    return figure


def _draw(axes: Axes, forest: Forest) -> None:
    for y, row in enumerate(forest.rows):
        estimate, colour, marker = row.estimate, "C3" if row.is_headline else "black", "o"
        if row.study is not None:
            colour, marker = look_of_study(row.study)
        if estimate.interval95 is not None:
            axes.plot(estimate.interval95, [y, y], color=colour, lw=0.8)
        error, fill = estimate.stderr or 0.0, "white" if row.is_predicted else colour
        axes.errorbar(estimate.value, y, xerr=error, fmt=marker, color=colour, mfc=fill, lw=2.2)
        axes.annotate(
            with_minus(estimate),
            (1.01, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(forest.rows)), [row.choice for row in forest.rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(forest.rows) - 0.4, -0.6)


def _reference(axes: Axes, forest: Forest) -> None:
    """The quoted exponent with its interval and systematic; that of theory dashed."""
    headline = forest.headline
    if headline is not None:
        axes.axvline(headline.value, color="C3", lw=0.9, zorder=0)
        if headline.interval95 is not None:
            axes.axvspan(*headline.interval95, color="C3", alpha=0.10, lw=0, zorder=0)
        if forest.systematic is not None:
            ends = (headline.value - forest.systematic, headline.value + forest.systematic)
            axes.axvspan(*ends, color="0.93", lw=0, zorder=-1)
    if forest.mean is not None:
        axes.axvline(forest.mean, color=GREY, lw=0.9, zorder=0)
    if forest.theory is not None:
        axes.axvline(forest.theory, color=GREY, lw=0.9, ls="--", zorder=0)
