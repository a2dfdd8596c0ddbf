"""The two figures that doubt a result, for any study: the forest of choices, and diagnostics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from analysis.fits.forest import Forest, forest_data
from analysis.report.content import PlannedFigure
from analysis.report.diagnostics import Diagnostics
from analysis.report.diagnostics_figure import plot_diagnostics
from analysis.report.forest_figure import plot_forests

RESIDUALS = (
    "Pulls: residuals of the fits in units of the errors that weigh them, displaced sideways; "
    "shaded: two errors."
)
_SENTENCES = {
    "spread": "Spread: standard deviation over seeds of the logarithm in every cell, with its "
    "error.",
    "ends": "Runs that did not fit: crosses diverged, open circles used up their budget.",
    "steps": "Step size: runs at (η, B) over runs at the next smaller B at equal T, P and seed, "
    "so that η and B shrink together; means of logarithms with standard errors.",
    "precision": "Precision: runs in float64 over the same runs in float32, paired by seed.",
    "correlation": "Autocorrelation: 1 − B(k)/B(L) of every stationary configuration against the "
    "time lag η k.",
}


def forest_figures(
    forests: Sequence[Forest], sentence: str, suffix: str = ""
) -> tuple[PlannedFigure, ...]:
    """Return the forest plot, or nothing where no exponent can be had in two ways.

    Parameters
    ----------
    sentence
        Which choices the rows are and where their errors come from.
    """
    if not forests:
        return ()
    theory = " Dashed: theory." if any(each.theory is not None for each in forests) else ""
    spread = (
        " Grey shade: the systematic." if any(f.systematic is not None for f in forests) else ""
    )
    caption = (
        f"{sentence} Thick bars: standard error, thin: 95 % interval. Red line and shade: the "
        f"quoted exponent with its 95 % interval.{spread}{theory}"
    )
    return (
        PlannedFigure(
            f"forest{suffix}",
            partial(plot_forests, forests),
            caption,
            partial(forest_data, forests),
        ),
    )


def diagnostics_figures(
    found: Diagnostics, suffix: str = "", pulls: str = RESIDUALS
) -> tuple[PlannedFigure, ...]:
    """Return the figure of diagnostics, or nothing where nothing was measured.

    Parameters
    ----------
    pulls
        What the pulls are.
    """
    if not found.drawn:
        return ()
    sentences = [{"pulls": pulls, **_SENTENCES}[name] for name in found.drawn]
    if not found.ends.empty and "ends" not in found.drawn:
        sentences.append(f"All {int(found.ends['n_runs'].sum())} runs fitted their data.")
    return (
        PlannedFigure(
            f"diagnostics{suffix}",
            partial(plot_diagnostics, found),
            f"Diagnostics. {' '.join(sentences)}",
            found.frame,
        ),
    )
