"""What experiments on a planned grid have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search_spaces.configuration import Configuration
from search_spaces.grid import FIRST_SEED, SEEDS, GridSpace, Setting
from studies.contracts import Experiment


class GridExperiment(Experiment):
    """An experiment on the grid of its declared settings; a subclass measures and checks."""

    name: str
    """As the registry of experiments has it."""
    axes: tuple[Setting, ...]
    """Control parameters in the order in which the grid runs, the last one fastest."""

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What a space takes: the control parameters, and the seeds."""
        return (*self.axes, SEEDS, FIRST_SEED)

    def space(self, **settings: Any) -> GridSpace:
        """Return the grid of these settings."""
        return GridSpace(self.name, self.axes, self.build, **settings)

    def build(self, values: dict[str, Any]) -> Mapping[str, Any]:
        """Return the settings of one configuration; raise for a combination without meaning."""
        return values

    def grows(self, key: str, old: Any, new: Any) -> bool:
        """Whether a list of values kept all of them."""
        before, after = (v if isinstance(v, list | tuple) else [v] for v in (old, new))
        return all(value in after for value in before)

    def read(self, plain: dict[str, Any]) -> Configuration:
        """Return the configuration of a record."""
        settings = {key: value for key, value in plain.items() if key != "experiment"}
        return Configuration.create(self.name, settings)

    def average(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return means of what was measured."""
        return average_numbers(rows, self.keys)

    def read_table(self, path: Path) -> Any:
        """Read the table as it is.

        Raises
        ------
        ReadTableError
            If the file cannot be read.
        """
        # Loads pandas, which a run with nothing to train need not.
        from analysis.table import read_frame

        return read_frame(path)


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
