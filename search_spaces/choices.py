"""The names one may write, and the nearest one to a mistyped name.

Every layer checks the names it is given with :func:`check_name`, so that all of them refuse in
the same words.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

DATA = ("digits",)
MODELS = ("mlp",)
ACTIVATIONS = ("relu",)
LOSSES = ("hinge", "quadratic_hinge")
SAMPLINGS = ("without_replacement", "with_replacement")
DTYPES = ("float32", "float64")


class InvalidSettingError(ValueError):
    """A setting no study accepts; the message is one sentence meant for the user."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the allowed name nearest to `name`, or ``""``.

    >>> nearest("temprature", ["temperature", "alpha"])
    "; did you mean 'temperature'?"
    """
    match = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def check_name(what: str, name: object, allowed: Iterable[str]) -> str:
    """Return `name` if it is one of `allowed`.

    Raises
    ------
    InvalidSettingError
        Naming the value received, the allowed ones and the nearest of them.
    """
    names = tuple(allowed)
    if isinstance(name, str) and name in names:
        return name
    hint = nearest(name, names) if isinstance(name, str) else ""
    raise InvalidSettingError(f"{what}={name!r} is unknown; allowed: {', '.join(names)}{hint}")
