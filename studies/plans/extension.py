"""A range that does not bracket T_c is extended once, as far as the stability limit allows.

When the planned grid is complete, curves whose headline T_c lies beyond an end of their range get
up to two more temperatures on that side, in the steps of the range and inside the stable window
of the network. Where any run of the bracket of T_c used up its budget, or T_c is refused because
runs did, up to two temperatures are trained again with four times the budget, as points of their
own: the analysis takes, of a replica trained twice, the run with the larger budget, and says
`Tc upper side censored` if that was used up as well. What was added is written into
the spec: a second run does not add again, and a resumed run gives the same table. Listed
temperatures and a given budget are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.locating.located import (
    ABOVE_WINDOW,
    BELOW_WINDOW,
    CENSORED,
    LOCATED,
    CriticalTemperature,
)
from analysis.locating.threshold import locate_critical_temperatures
from analysis.table import MeasurementTable
from search_spaces import LogAxis, SearchSpace
from search_spaces.axes import Axis
from search_spaces.curves import Curve, curves_of, stable_window, window_temperatures
from search_spaces.numbers import significant
from search_spaces.windows import lattice_temperature
from studies.specs.extension_entries import BUDGET, Extension

MOST_STEPS = 2
"""Temperatures added at one end, or trained again."""
LARGER_BUDGET = 4
"""By how much the budget of a censored bracket is raised."""


def propose_extension(
    space: SearchSpace, threshold: float, rows: Iterable[Mapping[str, Any]]
) -> Extension:
    """Return what the measured curves of a range still need; empty for nothing.

    Parameters
    ----------
    rows
        Rows of the study's table, with the column `point`.
    """
    axis = space.axes.get("temperature")
    frame = pd.DataFrame(list(rows))
    entries = []
    for curve in curves_of(space):
        temperatures = axis.values() if axis else window_temperatures(space, curve.settings)
        identities = {curve.point(temperature).identity for temperature in temperatures}
        scan = frame[frame["point"].isin(identities)]
        if scan.empty:
            continue
        table = MeasurementTable.from_frame(scan)
        found = locate_critical_temperatures(table, threshold=threshold, n_bootstrap=2).points[0]
        names = [n for n in curve.settings if len(space.axes[n].values()) > 1]
        own = {name: curve.settings[name] for name in ("n_train", *names)}
        if added := _beyond(curve, axis, found.status):
            entries.append({**own, "temperature": added})
        elif space.max_presentations is None and (again := _censored_at(scan, found)):
            entries.append({**own, "temperature": again, BUDGET: LARGER_BUDGET})
    return tuple(entries)


def _censored_at(scan: pd.DataFrame, found: CriticalTemperature) -> list[float]:
    """Of a bracket's ends, or of all temperatures if it has none, those that cut runs short."""
    if found.status not in (CENSORED, LOCATED):
        return []
    low, _ = found.bracket
    cut = scan[scan["stop_reason"].isin(["step_budget", "wall_budget"])]["temperature"].unique()
    if low is not None:
        ends = sorted(t for t in scan["temperature"].unique() if t >= low * (1 - 1e-9))
        cut = np.intersect1d(cut, ends[:MOST_STEPS])
    return [float(t) for t in np.sort(cut)[:MOST_STEPS]]


def _beyond(curve: Curve, axis: Axis | None, status: str) -> list[float]:
    """The next temperatures beyond an end of the range, inside the stable window."""
    if not isinstance(axis, LogAxis) or status not in (ABOVE_WINDOW, BELOW_WINDOW):
        return []
    # Only of a perceptron of layers is the stable window known without a measurement.
    if curve.settings["model"] != "mlp":
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
