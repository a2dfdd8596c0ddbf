"""The names one may write, and the nearest one to a mistyped name.

Every layer checks the names it is given with :func:`check_name`, so that all of them refuse in
the same words.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

IMAGES = ("digits", "glyphs", "mnist", "fashion-mnist", "cifar10")
SYNTHETIC = ("perceptron", "mixture", "teacher")
"""Vectors drawn from a law; their dimension is the setting `input_dim`."""
DATA = (*IMAGES, *SYNTHETIC)
MODELS = ("mlp", "perceptron", "cnn")
ACTIVATIONS = ("relu", "tanh", "gelu", "linear")
LOSSES = ("hinge", "quadratic_hinge", "logistic")
FIXED_SIZES = ("without_replacement", "with_replacement", "full_batch")
SELECTIONS = ("bernoulli", "persistent")
"""Samplings whose batches vary in size: :mod:`search_spaces.selection`."""
SAMPLINGS = (*FIXED_SIZES, *SELECTIONS)
SCHEMES = ("sequential", "jump")
"""`sequential` looks at every batch; `jump` draws the idle time between updates, exact in law."""
OBSERVABLES = (
    "curves",
    "feature_change",
    "gradient_noise",
    "hessian",
    "kernel_change",
    "kernel_spectrum",
    "noise_alignment",
)
"""What is measured beside the columns that every training has, only on request."""
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
