"""Convolutional networks on the numba backend: a replica in, its measurement out.

Data and weights are brought into the layout of the compiled kernel
(:mod:`trainers.images.layout`), the dynamics is compiled (:mod:`trainers.images.sgd`), and the
final weights are measured here. Replicas are trained one after the other, so that a result does
not depend on its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from search_spaces import Point
from trainers.batches.ahead import batch_draw
from trainers.compiled.activations import RELU
from trainers.compiled.alignment import aligned_empty
from trainers.images.cnn import image_outputs
from trainers.images.layout import Layout, layout_of, padded_width
from trainers.images.sgd import ImageSample, run_images
from trainers.kernels.arrays import Law, Limits, Network
from trainers.kernels.sgd import squared_changes_by_layer
from trainers.losses import LOSS_CODES
from trainers.measurement import Measurement, error_fraction
from trainers.models.cnn import check_known, initial_filters
from trainers.models.replica import Replica, layer_scales
from trainers.stopping import STOP_REASONS, divergence_limit, settled_reason, step_limit


@dataclass(frozen=True)
class Images:
    """Images and labels in the layout of the kernel."""

    pixels: np.ndarray
    """All images with their borders, (n * rows, c)."""
    labels: np.ndarray
    f0: np.ndarray
    """f(w0, x), shape (n,)."""


@dataclass(frozen=True)
class Start:
    """A network before its first step, and how the kernel sees it."""

    shape: tuple[int, int, int]
    """Channels, height and width of an image."""
    layout: Layout
    network: Network
    """Scaled parameters with padded channels, as in :mod:`trainers.images.cnn`."""
    squares: np.ndarray
    """Squared scales, as in :class:`trainers.kernels.preparation.Start`."""
    trace: np.ndarray
    """Work space: the activations of one image."""

    def images(self, x: np.ndarray, y: np.ndarray) -> Images:
        """Surround images (n, c * height * width) with zeros, channels last; evaluate f0."""
        channels, height, columns = self.shape
        padded = np.zeros((len(x), height + 2, columns + 2, channels), self.trace.dtype)
        padded[:, 1:-1, 1:-1] = x.reshape(-1, *self.shape).transpose(0, 2, 3, 1)
        pixels, labels = padded.reshape(-1, channels), y.astype(self.trace.dtype)
        return Images(pixels, labels, self.outputs(pixels, self.network))

    def outputs(self, pixels: np.ndarray, network: Network) -> np.ndarray:
        """Return f of all images at other weights."""
        values = np.empty(len(pixels) // self.layout.image_rows, pixels.dtype)
        image_outputs(pixels, network, self.layout, self.trace, values)
        return values

    def predictor(self, images: Images, network: Network) -> np.ndarray:
        """Return f - f0."""
        return np.asarray(self.outputs(images.pixels, network) - images.f0)

    def squared_changes(self, network: Network) -> np.ndarray:
        """Return ||w - w0||^2 of each layer, the output last; shape (L+1,)."""
        return np.asarray(squared_changes_by_layer(network, self.network, self.squares))

    def squared_norms(self, network: Network) -> np.ndarray:
        """Return ||w||^2 of each layer, the output last; shape (L+1,)."""
        zero = Network(*(np.zeros_like(matrix) for matrix in network))
        return np.asarray(squared_changes_by_layer(network, zero, self.squares))


def train_images(replica: Replica) -> Measurement:
    """Train one replica of a convolutional network with the compiled kernel.

    Parameters
    ----------
    replica
        From :func:`trainers.models.replica.prepare_replica`, with an input shape.

    Raises
    ------
    InvalidSettingError
        If the point has a setting that convolutional networks do not know.
    """
    point = replica.point
    check_known(point, "backend=numba")
    start = _start(replica)
    train = start.images(replica.x_train, replica.y_train)
    test = start.images(replica.x_test, replica.y_test)
    network = Network(*(matrix.copy() for matrix in start.network))
    norms = start.squared_norms(network)
    code, *counts = _run(replica, start, train, network, norms.sum())
    changes, predictor = start.squared_changes(network), start.predictor(train, network)
    relative = float(np.sqrt(changes.sum() / norms.sum()))
    with np.errstate(over="ignore", invalid="ignore"):
        margins = train.labels * train.labels.dtype.type(point.alpha) * predictor
    return Measurement.of(
        point,
        "numba",
        settled_reason(STOP_REASONS[code], point.alpha, relative),
        counts,
        margins,
        relative_weight_change=relative,
        weight_norm=float(np.sqrt(start.squared_norms(network).sum())),
        test_error=error_fraction(test.labels, start.predictor(test, network)),
        train_error=error_fraction(train.labels, predictor),
        layer_weight_change=tuple(np.sqrt(changes / norms).tolist()),
    )


def compile_image_kernels(dtype: str, sampling: str = "without_replacement") -> None:
    """Compile the kernel for a dtype into the disk cache; takes about twenty seconds once."""
    point = Point.create(
        model="cnn", n_train=2, n_test=1, width=2, depth=2, temperature=0.1, batch_size=1,
        alpha=1.0, max_presentations=4, dtype=dtype, sampling=sampling,
    )  # fmt: skip
    x, y = np.eye(3, 4), np.array([1.0, -1.0, 1.0])
    filters = initial_filters(1, 2, 2, seed=0)
    train_images(Replica(point, x[:2], y[:2], x[2:], y[2:], filters, 0, input_shape=(1, 2, 2)))


def _start(replica: Replica) -> Start:
    point, dtype = replica.point, np.dtype(replica.point.dtype)
    assert replica.input_shape is not None
    width = padded_width(point.width, dtype)
    layout = layout_of(replica.input_shape, point.depth, width)
    scales, _ = layer_scales(replica.weights, "relu")
    squares = np.array([scales[0], scales[-2], scales[-1], 0, 0]) ** 2
    network = _network([s * w for s, w in zip(scales, replica.weights, strict=True)], width, dtype)
    trace = aligned_empty((int(layout.ends[-1]), width), dtype)
    trace[...] = 0
    return Start(replica.input_shape, layout, network, squares.astype(dtype), trace)


def _network(weights: list[np.ndarray], width: int, dtype: np.dtype) -> Network:
    """Return the parameters with `width` channels, those beyond h with weights of zero."""
    first, *hidden, out = weights
    n = out.size
    network = Network(
        aligned_empty((first.shape[0], width), dtype),
        aligned_empty((len(hidden), 9 * width, width), dtype),
        aligned_empty((width,), dtype),
        aligned_empty((0, width), dtype),
    )
    for array in network:
        array[...] = 0
    network.first[:, :n] = first
    network.out[:n] = out
    for layer, matrix in enumerate(hidden):
        network.hidden[layer].reshape(9, width, width)[:, :n, :n] = matrix.reshape(9, n, n)
    return network


def _run(
    replica: Replica, start: Start, train: Images, network: Network, norm_square: float
) -> tuple[int, int, int, int]:
    """Train `network` in place; results as :func:`trainers.images.sgd.run_images`."""
    point, number = replica.point, start.trace.dtype.type
    law = Law(number(point.alpha), number(point.temperature), LOSS_CODES[point.loss], RELU, 1.0)
    limits = Limits(0, step_limit(point), 0, divergence_limit(point.alpha) ** 2 * norm_square)
    sample = ImageSample(train.pixels, train.labels, train.f0, start.trace)
    common = (sample, network, start.network, start.squares, start.layout, law)
    draw = batch_draw(point, replica.batch_seed)
    result: tuple[int, int, int, int] = run_images(*common, draw, limits)
    return result
