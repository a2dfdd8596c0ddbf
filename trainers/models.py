"""The network and everything that defines one replica before the first step.

Multilayer perceptron without biases in NTK parametrization (Jacot et al., 2018): layer l maps
a to z = W a / sqrt(fan-in), a = sqrt(2) relu(z), the output is w.a / sqrt(h), and all entries
of W and w are N(0, 1) at initialization.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from search_spaces import Point, Seeds
from trainers.cnn import check_cnn, initial_filters
from trainers.data import dataset_of, split
from trainers.streams import Purpose, generator


@dataclass(frozen=True)
class Replica:
    """One training before its first step: control parameters, data, w0 and batch stream."""

    point: Point
    x_train: np.ndarray
    """Shape (P, d), float64."""
    y_train: np.ndarray
    """Shape (P,), +1 or -1."""
    x_test: np.ndarray
    """Shape (n_test, d)."""
    y_test: np.ndarray
    """Shape (n_test,)."""
    weights: tuple[np.ndarray, ...]
    """Unnormalized w0: one (fan_in, fan_out) matrix per hidden layer, then (h,); float64."""
    batch_seed: int
    input_shape: tuple[int, int, int] | None = None
    """Channels, height and width of images, whose rows are flattened in this order."""


def prepare_replica(point: Point, seeds: Seeds) -> Replica:
    """Draw the split and the initial weights of one replica.

    Raises
    ------
    InvalidSettingError
        If P + n_test exceeds the size of the data set, or a convolutional network is to learn
        data that are no images.
    """
    dataset = dataset_of(point)
    data = split(dataset, point, seeds)
    if point.model == "cnn":
        check_cnn(point)
        shape = dataset.input_shape
        assert shape is not None
        weights = initial_filters(shape[0], point.width, point.depth, seeds.init)
        return Replica(point, *data, weights, seeds.batch, input_shape=shape)
    weights = initial_weights(dataset.input_dim, point.width, point.depth, seeds.init)
    return Replica(point, *data, weights, seeds.batch)


def initial_weights(input_dim: int, width: int, depth: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return N(0, 1) weights: (d, h), then depth - 1 times (h, h), then (h,).

    >>> [w.shape for w in initial_weights(64, 8, 2, seed=0)]
    [(64, 8), (8, 8), (8,)]
    """
    shapes = [(input_dim, width), *[(width, width)] * (depth - 1), (width,)]
    sizes = [math.prod(shape) for shape in shapes]
    flat = generator(seed, Purpose.INIT).standard_normal(sum(sizes))
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def layer_scales(weights: tuple[np.ndarray, ...]) -> tuple[float, ...]:
    """Return the factor s of each layer that turns w into the weights s w of a plain network.

    With s = sqrt(2 / fan-in) for hidden layers and 1/sqrt(h) for the output, the same function
    is f = (s w) . relu(... relu(x (s W))): the factor sqrt(2) after each relu is in s. A step of
    w by -eta grad_w f is a step of s w by -eta s^2 grad_{s w} f.
    """
    hidden = tuple(math.sqrt(2 / matrix.shape[0]) for matrix in weights[:-1])
    return (*hidden, 1 / math.sqrt(weights[-1].shape[0]))
