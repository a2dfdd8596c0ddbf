"""Whether the temperatures of a study are a grid or chosen by its curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces import InvalidSettingError, LogAxis, SearchSpace
from search_spaces.choices import check_name
from studies.kinds import KINDS

GRID, ADAPTIVE = "grid", "adaptive"


def read_design(values: Mapping[str, Any], space: SearchSpace) -> str:
    """Return `grid` or `adaptive`, by default what suits the cost of a training.

    Glyphs and convolutional networks cost seconds per training, so their curves are located with
    as few as possible, unless temperatures are listed, or scans or a sampler choose them.
    """
    asked = values["design"]
    if asked is not None:
        return check_name("design", asked, (GRID, ADAPTIVE))
    if "design" not in KINDS.load(values["kind"]).options:
        return GRID
    costly = "glyphs" in space.axes["data"].values() or "cnn" in space.axes["model"].values()
    chosen = values["scans"] is not None or values["sampler"] != "grid"
    return ADAPTIVE if costly and is_range(space) and not chosen else GRID


def check_adaptive(kind: str, space: SearchSpace, chosen_otherwise: bool) -> None:
    """Refuse an adaptive design of anything but T_lazy(c) over a range of temperatures.

    Raises
    ------
    InvalidSettingError
        Saying what it needs.
    """
    if "design" not in KINDS.load(kind).options:
        raise InvalidSettingError(
            f"design=adaptive locates T_lazy(c); kind={kind} needs design=grid"
        )
    if chosen_otherwise:
        raise InvalidSettingError(
            "design=adaptive chooses the temperatures itself; it takes neither scans nor a sampler"
        )
    if not is_range(space):
        raise InvalidSettingError(
            "design=adaptive needs a range of temperatures; give temperature=window or "
            "log(LOW, HIGH), or design=grid for the temperatures themselves"
        )


def is_range(space: SearchSpace) -> bool:
    """Whether the temperatures are a window or a range rather than listed."""
    return space.uses_window or isinstance(space.axes.get("temperature"), LogAxis)
