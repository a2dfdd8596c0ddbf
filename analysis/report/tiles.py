"""A map of measured cells: one tile per point that was measured, with a dot in it.

Nothing is interpolated: where there is no dot there is no colour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize

from analysis.arrays import FloatArray


def draw_tiles(
    axes: Axes, x: FloatArray, y: FloatArray, values: FloatArray, norm: Normalize, cmap: Any
) -> QuadMesh:
    """Draw a tile around every (x, y) on logarithmic axes; NaN is left white, its dot a cross.

    Tiles end half way to the neighbouring x of the map and to the neighbours y at the same x.
    """
    columns = np.unique(x)
    across, heights = _edges(columns), []
    for k, column in enumerate(columns):
        inside = np.flatnonzero(x == column)
        inside = inside[np.argsort(y[inside])]
        heights.append(_edges(y[inside]))
        cells = np.ma.masked_invalid(values[inside])[:, None]
        tiles = axes.pcolormesh(across[k : k + 2], heights[-1], cells, norm=norm, cmap=cmap)
    known = np.isfinite(values)
    axes.plot(x[known], y[known], ".", color="black", ms=1.6)
    axes.plot(x[~known], y[~known], "x", color="0.35", ms=3.0, mew=0.7)
    ends = min(each[0] for each in heights), max(each[-1] for each in heights)
    axes.set(xscale="log", yscale="log", xlim=(across[0], across[-1]), ylim=ends)
    return tiles


def _edges(values: FloatArray) -> FloatArray:
    """Half way to both neighbours, the outer ends mirrored; a lone value is given a third."""
    centres = np.log(values)
    if len(centres) == 1:
        return np.asarray(np.exp([centres[0] - 1 / 3, centres[0] + 1 / 3]))
    middles = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - middles[0], 2 * centres[-1] - middles[-1]
    return np.asarray(np.exp(np.concatenate([[first], middles, [last]])))
