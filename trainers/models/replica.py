"""The network and everything that defines one replica before the first step.

Multilayer perceptron in NTK parametrization (Jacot et al., 2018): layer l maps a to
z = W a / sqrt(fan-in) + beta b and a = g phi(z), the output is w.a / sqrt(h) + beta b, and all
entries of W, w and b are N(0, 1) at initialization. The gain g keeps the mean square of the
activations at 1 for a unit Gaussian z; beta = 0 without biases. The perceptron is the read-out
alone, from w = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from search_spaces import InvalidSettingError, Point, Seeds
from trainers.batches.streams import Purpose, generator
from trainers.data import dataset_of, split
from trainers.models.cnn import check_cnn, initial_filters

GAINS = {"relu": math.sqrt(2), "tanh": 1.5925374197228315, "gelu": 1.533530441195535}
"""g by activation: 1 / sqrt(E phi(z)^2) for z ~ N(0, 1); gelu is z Phi(z), with the exact erf."""
BIAS_SCALE = 0.1
"""beta, as in Jacot et al. (2018): biases add 1 % per layer to the variance of z."""


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
    biases: tuple[np.ndarray, ...] = ()
    """Unnormalized b: (h,) per hidden layer, then (1,); empty for a network without biases."""
    input_shape: tuple[int, int, int] | None = None
    """Channels, height and width of images, whose rows are flattened in this order."""

    def __post_init__(self) -> None:
        check_labels(self.point.data, self.y_train, self.y_test)


def check_labels(data: str, *labels: np.ndarray) -> None:
    """Raise InvalidSettingError unless all labels are +1 or -1; one class alone is allowed."""
    for values in labels:
        others = values[np.abs(values) != 1]
        if others.size:
            raise InvalidSettingError(
                f"data={data} has the label {others[0]:g}; labels must be +1 or -1"
            )


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
    if point.model == "perceptron":
        return Replica(point, *data, (np.zeros(dataset.input_dim),), seeds.batch)
    sizes = (dataset.input_dim, point.width, point.depth)
    weights, biases = initial_parameters(*sizes, seeds.init, point.bias)
    return Replica(point, *data, weights, seeds.batch, biases)


def initial_weights(input_dim: int, width: int, depth: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return N(0, 1) weights: (d, h), then depth - 1 times (h, h), then (h,).

    >>> [w.shape for w in initial_weights(64, 8, 2, seed=0)]
    [(64, 8), (8, 8), (8,)]
    """
    return initial_parameters(input_dim, width, depth, seed)[0]


def initial_parameters(
    input_dim: int, width: int, depth: int, seed: int, bias: bool = False
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return N(0, 1) weights and biases; the weights are the same with and without biases.

    >>> [b.shape for b in initial_parameters(64, 8, 2, seed=0, bias=True)[1]]
    [(8,), (8,), (1,)]

    Raises
    ------
    InvalidSettingError
        If a layer has no neurons.
    """
    if min(input_dim, width, depth) < 1:
        raise InvalidSettingError(
            f"a network with input_dim={input_dim}, width={width} and depth={depth} has an empty "
            "layer; all three must be at least 1"
        )
    shapes = [(input_dim, width), *[(width, width)] * (depth - 1), (width,)]
    if bias:
        shapes += [*[(width,)] * depth, (1,)]
    sizes = [math.prod(shape) for shape in shapes]
    flat = generator(seed, Purpose.INIT).standard_normal(sum(sizes))
    split_flat = np.split(flat, np.cumsum(sizes)[:-1])
    parts = tuple(p.reshape(shape) for p, shape in zip(split_flat, shapes, strict=True))
    return parts[: depth + 1], parts[depth + 1 :]


def layer_scales(
    weights: tuple[np.ndarray, ...], activation: str = "relu"
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the factors of weights and of biases that make a plain network, phi(a @ U + c).

    The gain of relu moves in front of it, into the layer's own weights; that of the others
    moves into the weights of the next layer. A step of w by -eta grad_w f is a step of u = s w
    by -eta s^2 grad_u f.
    """
    gain, fans = GAINS[activation], [matrix.shape[0] for matrix in weights]
    if activation == "relu":
        hidden = tuple(math.sqrt(2 / fan) for fan in fans[:-1])
        biases = (gain * BIAS_SCALE,) * len(hidden)
        return (*hidden, 1 / math.sqrt(fans[-1])), (*biases, BIAS_SCALE)
    first = 1 / math.sqrt(fans[0])
    return (first, *(gain / math.sqrt(fan) for fan in fans[1:])), (BIAS_SCALE,) * len(fans)
