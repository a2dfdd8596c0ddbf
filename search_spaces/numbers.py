"""Numbers as users write them: checked, converted and rounded in one place."""

from __future__ import annotations

import math

from search_spaces.choices import InvalidSettingError

SMALLEST, LARGEST = 1e-12, 1e30
LARGEST_INTEGER = 10**15


def significant(value: float, digits: int = 12) -> float:
    """Round to `digits` significant decimal digits, so that 3 * 0.1 and 0.3 are one number."""
    return float(f"{value:.{digits}g}")


def positive_number(name: str, value: object) -> float:
    """Return `value` as a float if it is a positive number of a size that can be computed with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidSettingError(f"{name}={value!r} is not a number; it must be positive")
    if not value > 0 or value == math.inf:
        raise InvalidSettingError(f"{name}={value!r} must be a positive finite number")
    if not SMALLEST <= value <= LARGEST:
        raise InvalidSettingError(
            f"{name}={_short(value)} is out of range; allowed: {SMALLEST:g} to {LARGEST:g}"
        )
    return float(value)


def positive_integer(name: str, value: object) -> int:
    """Return `value` as an int if it is a whole number of at least 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidSettingError(f"{name}={value!r} must be a whole number of at least 1")
    if value > LARGEST_INTEGER:
        raise InvalidSettingError(
            f"{name}={_short(value)} is out of range; allowed: 1 to {LARGEST_INTEGER:g}"
        )
    return value


def number_from_text(value: object) -> object:
    """Return the number that a string spells; YAML 1.1 reads 1e-3, without a point, as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _short(value: float) -> str:
    text = str(value)
    return text if len(text) < 30 else f"{text[:10]}... ({len(text)} digits)"
