"""How a power law is written, and how much it takes to quote its exponent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

MINIMUM_SIZES = 4
MINIMUM_RANGE = 8.0


def range_text(
    name: str, x: Sequence[float] | npt.NDArray[Any], number: Callable[[float], str], none: str
) -> str:
    """Return ``name = first..last``, ``name = first`` or `none`, for x in increasing order."""
    if len(x) == 0:
        return none
    return f"{name} = {number(x[0])}" + (f"..{number(x[-1])}" if len(x) > 1 else "")


def size_range(sizes: npt.NDArray[Any]) -> str:
    """Return ``P = 64..1024``, or ``P = 64``, or ``no sizes``.

    >>> import numpy as np
    >>> size_range(np.array([64, 1024]))
    'P = 64..1024'
    """
    return range_text("P", sizes, "{:.0f}".format, "no sizes")


@dataclass(frozen=True)
class Form:
    """How a law y = C x^g is written, and how much it takes to quote its exponent."""

    equation: str = "C P^-a"
    """What y equals."""
    falling: bool = True
    """Whether the exponent quoted is -g."""
    axis: str = "P"
    """What x is."""
    points: str = "sizes"
    """What values of x are called."""
    range_of: Callable[[npt.NDArray[Any]], str] = size_range
    """The range of x in words."""
    needed: tuple[int, float] = (MINIMUM_SIZES, MINIMUM_RANGE)
    """Fewest points, and least ratio of their ends, of an exponent to quote."""
    fewest: tuple[int, float] = (2, 1.0)
    """The same of a fit; below, there is not even a best estimate."""
    from_residuals: bool = False
    """Whether errors come from the residuals where no seeds can be resampled."""

    @property
    def sign(self) -> float:
        """What g is multiplied by to give the exponent quoted."""
        return -1.0 if self.falling else 1.0


DECAY = Form(from_residuals=True)
"""y = C P^-a."""
