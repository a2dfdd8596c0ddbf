"""The curves of a space: combinations of all settings but the temperature, each with its range."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from search_spaces import Point, SearchSpace
from search_spaces.defaults import MODEL_DEFAULTS


@dataclass(frozen=True)
class Curve:
    """One combination of all settings but the temperature."""

    space: SearchSpace
    """What it is part of."""
    settings: dict[str, Any]
    """One value of every axis but the temperature."""
    window: tuple[float, float]
    """Lowest and highest temperature it may ask for."""

    @property
    def log_window(self) -> tuple[float, float]:
        """The window in ln T."""
        return math.log(self.window[0]), math.log(self.window[1])

    def point(self, temperature: float) -> Point:
        """Return the configuration at a temperature."""
        return self.space.point({**self.settings, "temperature": temperature})

    def ends(self) -> tuple[Point, Point]:
        """Return the configurations at both ends of the window."""
        return self.point(self.window[0]), self.point(self.window[1])


def curves_of(space: SearchSpace) -> list[Curve]:
    """Return the curves of a space."""
    names = [name for name in space.axes if name != "temperature"]
    values = (space.axes[name].values() for name in names)
    combinations = (dict(zip(names, each, strict=True)) for each in itertools.product(*values))
    return [
        Curve(space, settings, temperature_range(space, settings)) for settings in combinations
    ]


def temperature_range(space: SearchSpace, settings: dict[str, Any]) -> tuple[float, float]:
    """Return lowest and highest temperature that the space gives a curve."""
    if space.uses_window:
        return stable_window(space, settings)
    values = space.axes["temperature"].values()
    return min(values), max(values)


def stable_window(space: SearchSpace, settings: dict[str, Any]) -> tuple[float, float]:
    """Return the ends of the window of a network, which it can be expected to survive."""
    window = window_temperatures(space, settings)
    return window[0], window[-1]


def window_temperatures(space: SearchSpace, settings: dict[str, Any]) -> tuple[float, ...]:
    """Return the lattice of the window of a network."""
    known = {**MODEL_DEFAULTS[settings["model"]], **settings}
    return space.window_temperatures(known["alpha"], known["depth"], space.batch_size_of(known))
