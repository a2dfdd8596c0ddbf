"""An exponent by every choice: without each point in turn, over parts of its range, by definition.

A forest plot has one row per choice. It shows at a glance whether a single point carries a result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.estimates import Estimate
from analysis.fits.power_law import PowerLaw

SMALLEST_PART = 3
"""Fewest points of a part of the range."""


@dataclass(frozen=True)
class ForestRow:
    """One choice."""

    choice: str
    """What was chosen, in symbols."""
    estimate: Estimate
    """The exponent under this choice."""
    is_headline: bool = False
    """Whether it is the exponent that the study quotes."""
    study: int | None = None
    """Which of several compared studies it is of; each has a colour and a marker."""
    is_predicted: bool = False
    """Whether it follows from other exponents and was not measured; drawn hollow."""


@dataclass(frozen=True)
class Forest:
    """Rows that share an axis."""

    symbol: str
    """The exponent on the axis."""
    rows: tuple[ForestRow, ...]
    """From top to bottom."""
    theory: float | None = None
    """The exponent of theory, drawn as a dashed line."""
    label: str = ""
    """Which of several laws it is about."""
    systematic: float | None = None
    """Half the spread over definitions, if the study gives one."""
    mean: float | None = None
    """Common value of several studies, drawn as a line."""

    @property
    def headline(self) -> Estimate | None:
        """The exponent that the study quotes."""
        return next((row.estimate for row in self.rows if row.is_headline), None)


def rows_of_subsets(
    symbol: str, law: PowerLaw, prefix: str = "", fewest: int = SMALLEST_PART + 1
) -> tuple[ForestRow, ...]:
    """Return the exponent without each point in turn, then that of the points from each on.

    Parameters
    ----------
    symbol
        What the positions are, e.g. ``P``.
    prefix
        What stands before each choice.
    fewest
        Fewest points of a law that has parts.
    """
    if len(law.x) < fewest:
        return ()
    without = [
        ForestRow(f"{prefix}without ${symbol} = {_number(value)}$", estimate)
        for value, estimate in law.leave_one_out.items()
    ]
    comma = prefix.strip() and f"{prefix.strip()}, "
    # All points and all but the smallest are among the rows above.
    return (
        *without,
        *(
            ForestRow(rf"{comma}${symbol} \geq {_number(value)}$", estimate)
            for value, estimate in law.from_each.items()
            if value in law.x[2:]
        ),
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.3g}"


def forest_data(forests: Sequence[Forest]) -> pd.DataFrame:
    """Return one row per choice, for a CSV file."""
    return pd.DataFrame(
        {
            "law": forest.label,
            "exponent": _plain(forest.symbol),
            "choice": _plain(row.choice),
            "value": row.estimate.value,
            "stderr": row.estimate.stderr,
            "low95": (row.estimate.interval95 or (math.nan, math.nan))[0],
            "high95": (row.estimate.interval95 or (math.nan, math.nan))[1],
            "n": row.estimate.n,
            "fit_range": row.estimate.fit_range,
            "theory": forest.theory,
        }
        for forest in forests
        for row in forest.rows
    )


def _plain(text: str) -> str:
    """Return a label without the marks of mathematical text."""
    for mark, plain in (("$", ""), (r"\geq", ">="), (r"\mathrm", ""), ("\\", ""), ("  ", " ")):
        text = text.replace(mark, plain)
    return text.replace("{", "").replace("}", "").strip()


def rows_of_law(name: str, symbol: str, law: PowerLaw) -> tuple[ForestRow, ...]:
    """Return the quoted exponent, called `name`, and those of :func:`rows_of_subsets`."""
    if law.exponent is None:
        return ()
    return (ForestRow(name, law.exponent, is_headline=True), *rows_of_subsets(symbol, law))
