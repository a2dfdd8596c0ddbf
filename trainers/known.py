"""The refusal of a setting that a trainer does not know."""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces import InvalidSettingError, Point


def check_settings(point: Point, known: Mapping[str, tuple[object, ...]], how: str) -> None:
    """Raise InvalidSettingError unless every setting of a point has a known value.

    Parameters
    ----------
    known
        Values by the name of the setting.
    how
        What the message says after "cannot be trained".
    """
    for name, values in known.items():
        value = getattr(point, name)
        if value not in values:
            shown = ", ".join(str(choice) for choice in values)
            raise InvalidSettingError(f"{name}={value} cannot be trained {how}; allowed: {shown}")
