"""A map of measured cells: one tile per point that was measured, with a dot in it.

Nothing is interpolated: where there is no dot there is no colour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize

from analysis.arrays import FloatArray


def draw_tiles(
    axes: Axes, x: FloatArray, y: FloatArray, values: FloatArray, norm: Normalize, cmap: Any
) -> PolyCollection:
    """Draw a tile around every (x, y) on logarithmic axes; NaN is left white, its dot a cross.

    Tiles end half way to the neighbouring x of the map and to the neighbours y at the same x.
    """
    log_x, log_y = np.log(x), np.log(y)
    across = _edges(np.unique(log_x))
    polygons = []
    for k in range(len(x)):
        column = np.unique(log_y[log_x == log_x[k]])
        low, high = _edges(column)[log_y[k]]
        left, right = across[log_x[k]]
        polygons.append(np.exp([(left, low), (right, low), (right, high), (left, high)]))
    known = np.isfinite(values)
    tiles = PolyCollection(
        [polygon for polygon, is_known in zip(polygons, known, strict=True) if is_known],
        array=values[known],
        norm=norm,
        cmap=cmap,
        linewidths=0.0,
        antialiaseds=False,
    )
    axes.add_collection(tiles)
    axes.plot(x[known], y[known], ".", color="black", ms=1.6)
    axes.plot(x[~known], y[~known], "x", color="0.35", ms=3.0, mew=0.7)
    corners = np.concatenate(polygons)
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(corners[:, 0].min(), corners[:, 0].max()),
        ylim=(corners[:, 1].min(), corners[:, 1].max()),
    )
    return tiles


def _edges(centres: FloatArray) -> dict[float, tuple[float, float]]:
    """Half way to both neighbours, the outer ends mirrored; a lone value is given a third."""
    if len(centres) == 1:
        only = float(centres[0])
        return {only: (only - 1 / 3, only + 1 / 3)}
    middles = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - middles[0], 2 * centres[-1] - middles[-1]
    ends = np.concatenate([[first], middles, [last]])
    return {float(c): (float(ends[k]), float(ends[k + 1])) for k, c in enumerate(centres)}
