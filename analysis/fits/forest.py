"""An exponent by every choice: without each point in turn, over parts of its range, by definition.

A forest plot has one row per choice. It shows at a glance whether a single point carries a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from analysis.arrays import BoolArray, FloatArray
from analysis.estimates import Estimate
from analysis.fits.alpha_law import AlphaLaw

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

    @property
    def headline(self) -> Estimate | None:
        """The exponent that the study quotes."""
        return next((row.estimate for row in self.rows if row.is_headline), None)


def rows_of_subsets(
    symbol: str, positions: Sequence[float], fit: Callable[[BoolArray], Estimate | None]
) -> Iterator[ForestRow]:
    """Yield the exponent without each position in turn, then that of the larger positions alone.

    Parameters
    ----------
    symbol
        What the positions are, e.g. ``P``.
    positions : shape (n,)
        In increasing order; fewer than four yield nothing.
    fit
        Returns the exponent of the positions where an array of shape (n,) is true.
    """
    x = np.asarray(positions, dtype=float)
    if len(x) <= SMALLEST_PART:
        return
    subsets: list[tuple[str, BoolArray]] = [
        (f"without ${symbol} = {_number(value)}$", np.asarray(x != value)) for value in x
    ]
    # All but the smallest is the first of the rows above.
    subsets += [
        (rf"${symbol} \geq {_number(value)}$", np.asarray(x >= value))
        for value in x[2 : len(x) - SMALLEST_PART + 1]
    ]
    for choice, keep in subsets:
        estimate = fit(keep)
        if estimate is not None:
            yield ForestRow(choice, estimate)


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.3g}"


def negated(estimate: Estimate) -> Estimate:
    """Return -x, e.g. the exponent g of P^g from the a of P^-a."""
    ends = estimate.interval95
    return Estimate(
        -estimate.value,
        estimate.stderr,
        None if ends is None else (-ends[1], -ends[0]),
        estimate.n,
        estimate.definition,
        estimate.fit_range,
    )


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


def slope_rows(
    symbol: str,
    positions: FloatArray,
    estimate: Estimate,
    fit: Callable[[BoolArray], Estimate | None],
    name: str,
) -> tuple[ForestRow, ...]:
    """Return the quoted exponent, called `name`, and those of :func:`rows_of_subsets`."""
    return (
        ForestRow(name, estimate, is_headline=True),
        *rows_of_subsets(symbol, list(positions), fit),
    )


def alpha_rows(name: str, law: AlphaLaw) -> tuple[ForestRow, ...]:
    if law.exponent is None:
        return ()
    rows = slope_rows(r"\alpha", law.alphas, law.exponent, partial(_part, law), name)
    return rows if len(rows) > 1 else ()


def _part(law: AlphaLaw, keep: BoolArray) -> Estimate | None:
    return law.part(keep).exponent
