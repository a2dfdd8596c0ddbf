"""The convolutional network: what defines a replica of it before the first step.

Layers of 3x3 convolutions with zero padding, strides 1, 2, 1, 2, ..., h channels each, no
biases; then the average over all positions and a linear read-out. NTK parametrization as for
the perceptron: z = W * a / sqrt(fan-in) with the 9 c entries of a patch as fan-in, a = sqrt(2)
relu(z), f = w . mean(a) / sqrt(h), all entries N(0, 1) at initialization.
"""

from __future__ import annotations

import math

import numpy as np

from search_spaces import InvalidSettingError, Point
from search_spaces.choices import IMAGES, SELECTIONS
from trainers.batches.streams import Purpose, generator
from trainers.known import check_settings

_PATCH = 9
_KNOWN: dict[str, tuple[object, ...]] = {
    "activation": ("relu",),
    "loss": ("hinge", "quadratic_hinge"),
    "sampling": ("without_replacement", "with_replacement", *SELECTIONS),
    "scheme": ("sequential",),
    "bias": (False,),
    "observables": ((),),
}


def check_known(point: Point, who: str) -> None:
    """Raise InvalidSettingError unless the replica backend knows every setting of a point.

    Parameters
    ----------
    who
        What is named in the message, such as ``model=cnn``.
    """
    check_settings(point, _KNOWN, f"with {who}")


def check_cnn(point: Point) -> None:
    """Raise InvalidSettingError unless a convolutional network can be trained so."""
    check_known(point, "model=cnn")
    if point.data not in IMAGES:
        raise InvalidSettingError(
            f"model=cnn needs images, and data={point.data} are vectors; "
            f"allowed: {', '.join(IMAGES)}"
        )


def initial_filters(channels: int, width: int, depth: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return N(0, 1) weights: (9 c, h), then depth - 1 times (9 h, h), then (h,).

    The first index of a matrix runs over row, column and channel of a patch.

    >>> [w.shape for w in initial_filters(1, 32, 3, seed=0)]
    [(9, 32), (288, 32), (288, 32), (32,)]
    """
    first, others = (_PATCH * channels, width), [(_PATCH * width, width)] * (depth - 1)
    shapes = [first, *others, (width,)]
    sizes = [math.prod(shape) for shape in shapes]
    flat = generator(seed, Purpose.INIT).standard_normal(sum(sizes))
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
