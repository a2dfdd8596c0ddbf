"""The planned grid of an experiment that is not a training: a product of declared settings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search_spaces.axes import LARGEST_GRID, parse_log_range
from search_spaces.choices import InvalidSettingError, check_name
from search_spaces.configuration import Configuration
from search_spaces.numbers import number_from_text, positive_integer


@dataclass(frozen=True)
class Setting:
    """One control parameter of an experiment."""

    name: str
    default: Any
    """A value, or a list of values to scan."""
    reader: Callable[[str, Any], Any] | None = None
    """Checks a value: takes the name and what was given, returns the value or raises
    :class:`InvalidSettingError`. None: it must be one of `choices`, if there are any."""
    meaning: str = ""
    """What it is, in one line."""
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    """The names it may be, or those that are offered where it may be more."""

    def allowed(self) -> tuple[str, ...]:
        """Return the names that are offered; empty for a number."""
        return self.choices() if callable(self.choices) else self.choices

    def read(self, raw: Any) -> Any:
        """Return the value of what was given, or raise :class:`InvalidSettingError`."""
        if self.reader is not None:
            return self.reader(self.name, raw)
        return check_name(self.name, raw, self.allowed()) if self.choices else raw


def named(name: str, default: Any, choices: tuple[str, ...], meaning: str) -> Setting:
    """Return a setting that is one of some names."""
    return Setting(name, default, meaning=meaning, choices=choices)


SEEDS = Setting("n_seeds", None, meaning="Replicas of every configuration")
FIRST_SEED = Setting("first_seed", 0, meaning="Label of the first replica")


class GridSpace:
    """Product of the values of every setting, times seeds.

    Parameters
    ----------
    experiment
        Name of the experiment, part of every configuration.
    settings
        What can be set, in the order in which the grid runs (the last one fastest).
    build
        Turns one value per setting into a complete mapping of values, or raises
        :class:`InvalidSettingError` for a combination that has no meaning; it may drop or derive
        settings.
    n_seeds, first_seed
        Every configuration is run with seeds first_seed .. first_seed + n_seeds - 1.
    **given
        Values, lists of values, or ranges ``log(LOW, HIGH[, PER_DECADE])``, by setting.
    """

    def __init__(
        self,
        experiment: str,
        settings: Sequence[Setting],
        build: Callable[[dict[str, Any]], Mapping[str, Any]] = dict,
        *,
        n_seeds: int = 1,
        first_seed: int = 0,
        **given: Any,
    ) -> None:
        self.experiment = experiment
        self._build = build
        known = [setting.name for setting in settings]
        for name in given:
            check_name("setting", name, known)
        self.n_seeds = positive_integer("n_seeds", n_seeds)
        if isinstance(first_seed, bool) or not isinstance(first_seed, int) or first_seed < 0:
            raise InvalidSettingError(f"first_seed={first_seed!r} must be a whole number >= 0")
        self.first_seed = first_seed
        self.values: dict[str, tuple[Any, ...]] = {
            setting.name: _read_values(setting, given.get(setting.name)) for setting in settings
        }
        size = math.prod(len(values) for values in self.values.values())
        if size > LARGEST_GRID:
            raise InvalidSettingError(
                f"the grid has {size} configurations; at most {LARGEST_GRID} are allowed"
            )

    @property
    def seeds(self) -> range:
        """Labels of the replicas."""
        return range(self.first_seed, self.first_seed + self.n_seeds)

    def points(self) -> tuple[Configuration, ...]:
        """Return the planned configurations, each once.

        Raises
        ------
        InvalidSettingError
            If a combination of values has no meaning.
        """
        return self._grid

    @cached_property
    def _grid(self) -> tuple[Configuration, ...]:
        unique: dict[str, Configuration] = {}
        for combination in itertools.product(*self.values.values()):
            values = dict(zip(self.values, combination, strict=True))
            configuration = Configuration.create(self.experiment, self._build(values))
            unique.setdefault(configuration.identity, configuration)
        return tuple(unique.values())

    def to_plain(self) -> dict[str, Any]:
        """Return every setting with its default written out, as YAML holds it."""
        plain = {
            name: values[0] if len(values) == 1 else list(values)
            for name, values in self.values.items()
        }
        return {**plain, "n_seeds": self.n_seeds, "first_seed": self.first_seed}


def _read_values(setting: Setting, given: Any) -> tuple[Any, ...]:
    raw = setting.default if given is None else given
    grid = parse_log_range(setting.name, raw)
    if grid is not None:
        raw = list(grid)
    items = list(raw) if isinstance(raw, list | tuple) else [raw]
    if not items:
        raise InvalidSettingError(f"{setting.name}=[] is empty; give at least one value")
    values = tuple(setting.read(number_from_text(item)) for item in items)
    if len(set(values)) < len(values):
        raise InvalidSettingError(f"{setting.name}={items!r} repeats a value; give each one once")
    return values
