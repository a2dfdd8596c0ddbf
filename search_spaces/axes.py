"""What an axis of a search can be: a value, a list of values, or a range on a logarithmic scale.

Written in YAML or on a command line as ``64``, ``[64, 128]``, ``log(64, 1024)`` or
``{low: 64, high: 1024, per_decade: 4}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search_spaces.choices import InvalidSettingError, check_name
from search_spaces.numbers import number_from_text, positive_integer, positive_number
from search_spaces.point import boundary_exponent
from search_spaces.selection import read_fraction

INTEGER_AXES = ("n_train", "batch_size", "width", "depth", "input_dim")
LOG_AXES = (
    *INTEGER_AXES, "temperature", "learning_rate", "alpha", "cluster_distance",
    "persistence_time",
)  # fmt: skip
NUMBER_AXES = (*LOG_AXES, "chi", "active_fraction")
NAME_AXES = ("data", "model", "loss", "activation")
AXES = (*NUMBER_AXES, *NAME_AXES)

LARGEST_GRID = 10_000
_LOG_CALL = re.compile(r"^log\(([^,()]+),([^,()]+)(?:,([^,()]+))?\)$")


@dataclass(frozen=True)
class ListAxis:
    """The values themselves, in the order in which they were given."""

    name: str
    choices: tuple[Any, ...]

    def values(self) -> tuple[Any, ...]:
        """Return the values to scan."""
        return self.choices

    def to_plain(self) -> Any:
        """Return what YAML holds: a scalar for one value, a list for several."""
        return self.choices[0] if len(self.choices) == 1 else list(self.choices)


@dataclass(frozen=True)
class LogAxis:
    """A range [low, high] on a logarithmic scale.

    A grid takes `per_decade` values per factor of ten, from low to high inclusive (for whole
    numbers the default is factors of two); a sampler draws from the whole range.
    """

    low: float
    high: float
    per_decade: float | None = None
    name: str = "temperature"

    def __post_init__(self) -> None:
        low = positive_number(f"{self.name} low", self.low)
        high = positive_number(f"{self.name} high", self.high)
        if low >= high:
            raise InvalidSettingError(
                f"{self.name}=log({self.low:g}, {self.high:g}) is empty; it needs low < high"
            )
        if self.per_decade is not None:
            positive_number(f"{self.name} per_decade", self.per_decade)
        if self._decades() * (self.per_decade or 1) > LARGEST_GRID:
            raise InvalidSettingError(
                f"{self.name} per_decade={self.per_decade:g} gives more than {LARGEST_GRID} "
                "values; give a smaller one"
            )
        if self.is_integer:
            positive_integer(f"{self.name} low", self.low)
            positive_integer(f"{self.name} high", self.high)

    def _decades(self) -> float:
        return math.log10(self.high / self.low)

    @property
    def is_integer(self) -> bool:
        """Whether the axis takes whole numbers only."""
        return self.name in INTEGER_AXES

    def values(self) -> tuple[Any, ...]:
        """Return the grid: equal steps in the logarithm, ends included."""
        default = 1 / math.log10(2) if self.is_integer else 4.0
        per_decade = self.per_decade or default
        steps = max(1, round(self._decades() * per_decade))
        ratio = math.log(self.high / self.low) / steps
        grid = [self.low * math.exp(k * ratio) for k in range(steps + 1)]
        if self.is_integer:
            return tuple(sorted({round(value) for value in grid}))
        return tuple(float(f"{value:.6g}") for value in grid)

    def to_plain(self) -> dict[str, float]:
        """Return the mapping that YAML holds."""
        plain = {"low": self.low, "high": self.high}
        if self.per_decade is not None:
            plain["per_decade"] = self.per_decade
        return plain


Axis = ListAxis | LogAxis


def parse_axis(name: str, raw: object) -> Axis:
    """Read an axis from what YAML or the command line gave.

    >>> parse_axis("n_train", "log(64, 1024)").values()
    (64, 128, 256, 512, 1024)
    >>> parse_axis("alpha", [10, 100]).values()
    (10.0, 100.0)

    Raises
    ------
    InvalidSettingError
        For an unknown axis, an empty or repeated list, a value of the wrong kind.
    """
    check_name("axis", name, AXES)
    if isinstance(raw, ListAxis | LogAxis):
        return raw if raw.name == name else parse_axis(name, raw.to_plain())
    if isinstance(raw, str):
        call = _LOG_CALL.match(raw.replace(" ", ""))
        if call is not None:
            return _log_axis_from_text(name, raw, call.groups())
    if isinstance(raw, Mapping):
        return _log_axis_from_mapping(name, raw)
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        return _list_axis(name, raw)
    return _list_axis(name, [raw])


def parse_log_range(name: str, raw: object) -> tuple[float, ...] | None:
    """Return the grid of ``log(LOW, HIGH[, PER_DECADE])`` or of its mapping, None for others.

    >>> parse_log_range("noise_scale", "log(0.1, 10, 1)")
    (0.1, 1.0, 10.0)
    """
    if isinstance(raw, str):
        call = _LOG_CALL.match(raw.replace(" ", ""))
        if call is None:
            return None
        axis = _range(name, raw, call.groups())
    elif isinstance(raw, Mapping):
        axis = _range_from_mapping(name, raw)
    else:
        return None
    return tuple(axis.values())


def _list_axis(name: str, raw: Sequence[object]) -> ListAxis:
    if not raw:
        raise InvalidSettingError(f"{name}=[] is empty; give at least one value")
    values = tuple(_checked_value(name, value) for value in raw)
    if len(set(values)) < len(values):
        raise InvalidSettingError(f"{name}={list(raw)!r} repeats a value; give each one once")
    return ListAxis(name, values)


def _checked_value(name: str, value: object) -> Any:
    if name in INTEGER_AXES:
        return positive_integer(name, number_from_text(value))
    if name == "chi":
        return boundary_exponent(name, number_from_text(value))
    if name == "active_fraction":
        return read_fraction(name, number_from_text(value))
    if name in NUMBER_AXES:
        return positive_number(name, number_from_text(value))
    if not isinstance(value, str):
        raise InvalidSettingError(f"{name}={value!r} is not a name")
    return value


def _log_axis_from_text(name: str, raw: str, parts: tuple[str | None, ...]) -> LogAxis:
    _check_takes_range(name)
    return _range(name, raw, parts)


def _log_axis_from_mapping(name: str, raw: Mapping[Any, Any]) -> LogAxis:
    _check_takes_range(name)
    return _range_from_mapping(name, raw)


def _check_takes_range(name: str) -> None:
    if name not in LOG_AXES:
        kind = "single numbers" if name in NUMBER_AXES else "names"
        raise InvalidSettingError(f"{name} takes {kind}, not a range")


def _range(name: str, raw: str, parts: tuple[str | None, ...]) -> LogAxis:
    try:
        numbers = [float(part) for part in parts if part is not None]
    except ValueError:
        raise InvalidSettingError(
            f"{name}={raw!r} is not log(LOW, HIGH) or log(LOW, HIGH, PER_DECADE)"
        ) from None
    return _log_axis(name, *numbers)


def _range_from_mapping(name: str, raw: Mapping[Any, Any]) -> LogAxis:
    for key in raw:
        check_name(f"{name} key", key, ("low", "high", "per_decade"))
    if "low" not in raw or "high" not in raw:
        raise InvalidSettingError(f"{name}={dict(raw)!r} needs both low and high")
    return _log_axis(name, raw["low"], raw["high"], raw.get("per_decade"))


def _log_axis(name: str, low: Any, high: Any, per_decade: Any = None) -> LogAxis:
    low, high, per_decade = map(number_from_text, (low, high, per_decade))
    if name in INTEGER_AXES:
        low, high = positive_integer(f"{name} low", low), positive_integer(f"{name} high", high)
    return LogAxis(low=low, high=high, per_decade=per_decade, name=name)
