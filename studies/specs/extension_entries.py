"""What a spec holds of an extension: the curves and temperatures that were added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from search_spaces import InvalidSettingError, ListAxis, Point, SearchSpace
from search_spaces.numbers import positive_integer, positive_number
from studies.specs.design import GRID

BUDGET = "budget_factor"
"""The key of an entry whose temperatures are trained again with a larger budget."""
Extension = tuple[dict[str, Any], ...]


def read_extension(raw: Any, design: str) -> Extension | None:
    """Return what a spec holds: settings of a curve with a list of temperatures each.

    Raises
    ------
    InvalidSettingError
        If it is not a list of such mappings.
    """
    if raw is None or design != GRID:
        return None
    if not isinstance(raw, list | tuple) or not all(isinstance(each, Mapping) for each in raw):
        raise InvalidSettingError(
            f"extension={raw!r} must be a list of curves with temperatures, or [] for none"
        )
    for each in raw:
        temperatures = each.get("temperature")
        if not isinstance(temperatures, list) or not temperatures:
            raise InvalidSettingError(f"extension={raw!r} needs a list of temperatures per curve")
        for temperature in temperatures:
            positive_number("extension temperature", temperature)
        positive_integer(f"extension {BUDGET}", each.get(BUDGET, 1))
    return tuple(dict(each) for each in raw)


def extension_points(space: SearchSpace, extension: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Return the points that an extension adds to a space."""
    if not extension:
        return []
    fixed = {
        name: axis.values()[0]
        for name, axis in space.axes.items()
        if isinstance(axis, ListAxis) and len(axis.values()) == 1 and name != "temperature"
    }
    return [
        _added_point(space, {**fixed, **entry, "temperature": temperature})
        for entry in extension
        for temperature in entry["temperature"]
    ]


def _added_point(space: SearchSpace, values: dict[str, Any]) -> Point:
    factor = values.pop(BUDGET, 1)
    point = space.point(values)
    return replace(point, max_presentations=factor * point.max_presentations)


def repeated_by_size(extension: Sequence[Mapping[str, Any]], n_seeds: int) -> dict[int, int]:
    """Return by P how many trainings an extension repeats with a larger budget."""
    repeated: Counter[int] = Counter()
    for entry in extension:
        if BUDGET in entry:
            repeated[entry["n_train"]] += n_seeds * len(entry["temperature"])
    return dict(repeated)
