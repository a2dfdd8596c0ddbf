"""A range that does not bracket T_c is extended once, as far as the stability limit allows.

When the planned grid is complete, curves whose headline T_c lies beyond an end of their range get
up to two more temperatures on that side, in the steps of the range and inside the stable window
of the network. What was added is written into the spec: a second run does not add again, and a
resumed run gives the same table. Listed temperatures are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis import MeasurementTable, locate_critical_temperatures
from analysis.located_temperature import ABOVE_WINDOW, BELOW_WINDOW
from search_spaces import InvalidSettingError, ListAxis, LogAxis, Point, SearchSpace
from search_spaces.numbers import positive_number, significant
from search_spaces.windows import lattice_temperature
from studies.curves import Curve, curves_of, stable_window
from studies.design import GRID

MOST_STEPS = 2
"""Temperatures added at one end."""

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
        space.point({**fixed, **entry, "temperature": temperature})
        for entry in extension
        for temperature in entry["temperature"]
    ]


def propose_extension(
    space: SearchSpace, threshold: float, rows: Sequence[Mapping[str, Any]]
) -> Extension:
    """Return which temperatures the measured curves of a range still need; empty for none.

    Parameters
    ----------
    rows
        Rows of the study's table, with the column `point`.
    """
    axis = space.axes.get("temperature")
    if not isinstance(axis, LogAxis):
        return ()
    frame = pd.DataFrame(list(rows))
    entries = []
    for curve in curves_of(space):
        added = _beyond(curve, axis, _status(curve, axis, threshold, frame))
        if added:
            names = [n for n in curve.settings if len(space.axes[n].values()) > 1]
            own = {name: curve.settings[name] for name in ("n_train", *names)}
            entries.append({**own, "temperature": added})
    return tuple(entries)


def _status(curve: Curve, axis: LogAxis, threshold: float, frame: pd.DataFrame) -> str:
    identities = {curve.point(temperature).identity for temperature in axis.values()}
    rows = frame[frame["point"].isin(identities)]
    if rows.empty:
        return ""
    table = MeasurementTable.from_frame(rows)
    return locate_critical_temperatures(table, threshold=threshold, n_bootstrap=2).points[0].status


def _beyond(curve: Curve, axis: LogAxis, status: str) -> list[float]:
    """The next temperatures beyond an end of the range, inside the stable window."""
    # Only of a perceptron of layers is the stable window known without a measurement.
    if status not in (ABOVE_WINDOW, BELOW_WINDOW) or curve.settings["model"] != "mlp":
        return []
    low, high = stable_window(curve.space, curve.settings)
    values = axis.values()
    ratio = values[1] / values[0]
    steps = range(1, MOST_STEPS + 1)
    if status == ABOVE_WINDOW:
        proposed = [values[-1] * ratio**k for k in steps]
    else:
        proposed = [values[0] / ratio**k for k in steps]
    # The window's own ends are lattice temperatures, rounded.
    inside = [t for t in proposed if low * (1 - 1e-4) <= t <= high * (1 + 1e-4)]
    return [_on_lattice(t, 1 / math.log10(ratio)) for t in inside]


def _on_lattice(temperature: float, per_decade: float) -> float:
    """Round to six digits, and to 10^(k/per_decade) if the range follows that lattice."""
    k = math.log10(temperature) * per_decade
    steps = round(per_decade)
    if abs(k - round(k)) < 1e-3 and abs(per_decade - steps) < 1e-3:
        return lattice_temperature(round(k), steps)
    return significant(temperature, 6)
