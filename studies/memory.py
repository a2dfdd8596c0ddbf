"""The memory that workers may use, as users write it and as trainers and solvers obey it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from search_spaces import InvalidSettingError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SMALLEST = 10**6


def read_memory(text: str) -> int:
    """Return the bytes that a text such as ``512MB`` or ``2GB`` means.

    >>> read_memory("1.5GB")
    1500000000

    Raises
    ------
    InvalidSettingError
        For anything else, and below 1MB.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d*)?) *([KMGT]?)B?", text.strip().upper())
    size = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if size < _SMALLEST:
        raise InvalidSettingError(
            f"memory={text[:30]!r} is not an amount of memory a worker could use; "
            "write it like 512MB or 2GB, at least 1MB"
        )
    return size


_bound: int | None = None


def allow_memory(size: int | None) -> None:
    """Let the trainings of this process use `size` bytes; None for the default."""
    # Loads numba, which commands that train nothing need not.
    from trainers.memory import set_budget

    set_budget(size)


@contextmanager
def bounded_memory(size: int | None) -> Iterator[None]:
    """Check a study for workers that may use `size` bytes; None for the defaults."""
    global _bound
    _bound = size
    try:
        yield
    finally:
        _bound = None


def memory_bound() -> int | None:
    """Return the bytes that the run being checked allows a worker; None if it does not say."""
    return _bound
