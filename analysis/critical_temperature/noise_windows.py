"""Ranges of temperatures in units of T_noise, whose ends the error of T_noise does not move."""

from __future__ import annotations

import numpy as np

from analysis.arrays import FloatArray

_EDGE = 1.35
"""Factor between an end of a window and a temperature that is as good: a half grid step."""

Window = tuple[float, float]


def noise_window(
    temperatures: FloatArray, noise_temperature: float, factors: tuple[float, float]
) -> Window:
    """Return `factors` times T_noise with the ends moved to the nearest measured temperatures.

    The error of T_noise must not decide whether a temperature at the edge is in.

    >>> noise_window(np.array([0.01, 0.0316, 0.1, 0.178, 0.316]), 0.0047, (6.0, 35.0))
    (0.0316, 0.178)
    """

    def nearest(edge: float) -> float:
        found = float(temperatures[np.argmin(np.abs(np.log(temperatures / edge)))])
        return found if 1 / _EDGE <= found / edge <= _EDGE else edge

    low, high = (factor * noise_temperature for factor in factors)
    return nearest(low), nearest(high)


def moved_windows(temperatures: FloatArray, window: Window) -> tuple[Window, ...]:
    """Return what a window could as well have been: an end moved by one measured temperature.

    Inwards where two are left, outwards only within a half grid step, where the error of T_noise
    decides.

    >>> t = np.array([0.01, 0.0316, 0.0562, 0.1, 0.178, 0.316])
    >>> moved_windows(t, (0.0282, 0.164))
    ((0.0562, 0.1), (0.0316, 0.0562), (0.0316, 0.178))
    """
    inside = np.flatnonzero((temperatures >= window[0]) & (temperatures <= window[1]))
    if inside.size < 2:
        return ()
    first, last = int(inside[0]), int(inside[-1])
    ends = [(first + 1, last), (first, last - 1)] if inside.size > 2 else []
    if first > 0 and window[0] / temperatures[first - 1] <= _EDGE:
        ends.append((first - 1, last))
    if last + 1 < temperatures.size and temperatures[last + 1] / window[1] <= _EDGE:
        ends.append((first, last + 1))
    return tuple((float(temperatures[low]), float(temperatures[high])) for low, high in ends)
