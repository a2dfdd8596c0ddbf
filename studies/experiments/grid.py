"""What experiments on a planned grid have in common; they import these names as their own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.table import read_frame
from search_spaces.configuration import Configuration


def read(plain: dict[str, Any]) -> Configuration:
    """Return the configuration of a record."""
    settings = dict(plain)
    return Configuration.create(settings.pop("experiment"), settings)


def grows(key: str, old: Any, new: Any) -> bool:
    """Whether a list of values kept all of them."""
    before, after = (value if isinstance(value, list) else [value] for value in (old, new))
    return all(value in after for value in before)


def seed_columns(seed: int) -> dict[str, int]:
    """Return no further columns: the seed says it all."""
    return {}


def average_numbers(
    rows: Sequence[Mapping[str, Any]], settings: Sequence[str]
) -> dict[str, float]:
    """Return the mean over the replicas of every measured number, and its standard error.

    >>> average_numbers([{"seed": 0, "a": 1, "x": 2.0}, {"seed": 1, "a": 1, "x": 4.0}], ["a"])
    {'x': 3.0, 'x_stderr': 1.0}
    """
    result: dict[str, float] = {}
    for name in rows[0]:
        if name in settings or name == "seed":
            continue
        values = [row[name] for row in rows if _is_number(row.get(name))]
        if not values:
            continue
        mean = sum(values) / len(values)
        result[name] = mean
        if len(values) > 1:
            square = sum((value - mean) ** 2 for value in values)
            result[f"{name}_stderr"] = math.sqrt(square / (len(values) - 1) / len(values))
    return result


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_table(path: Path) -> pd.DataFrame:
    """Read the table as it is.

    Raises
    ------
    ReadTableError
        If the file cannot be read.
    """
    return read_frame(path)


def plain_number(value: Any) -> float | None:
    """Return a number for a row; None where it is not finite."""
    number = float(value)
    return number if math.isfinite(number) else None


def as_text(values: Any, digits: int = 5) -> str:
    """Return numbers as one cell, separated by blanks.

    >>> as_text([1.0, float("nan"), 2.5])
    '1 nan 2.5'
    """
    return " ".join(f"{value:.{digits}g}" for value in values)
