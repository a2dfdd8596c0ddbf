"""What the compiled kernel needs before the first step, in its dtype and layout.

A sweep trains every replica at many temperatures and sizes: w0 and the outputs f(w0, x) of a
replica are kept for the next one. They are pure functions of what identifies them, so that a
result does not depend on what is kept.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from cachetools import LRUCache

from search_spaces import Point, Seeds
from trainers.compiled.activations import CODES, RELU
from trainers.compiled.alignment import aligned_copy, aligned_empty
from trainers.compiled.tiles import ROWS
from trainers.data import dataset_of, settings_of
from trainers.kernels.arrays import Network, Sample, Workspace
from trainers.kernels.mlp import block_rows, evaluate_all
from trainers.models.replica import Replica, check_labels, initial_parameters, layer_scales

_KEPT_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Start:
    """Initial weights w0."""

    network: Network
    squares: np.ndarray
    """Squared scales of the first, the other hidden and the output layer, and of the biases of
    hidden layers and of the output; shape (5,)."""
    norm_square: float
    """||w0||^2 of the unnormalized parameters."""
    layer_squares: np.ndarray
    """The same of each layer, the output last; shape (L+1,)."""

    @property
    def nbytes(self) -> int:
        """Memory of the weights."""
        return sum(matrix.nbytes for matrix in self.network)


@dataclass(frozen=True)
class Outputs:
    """Outputs f at the rows of a matrix."""

    values: np.ndarray
    """Shape (n,)."""
    largest: float
    """Largest squared norm of the last hidden layer, the scale of rounding errors."""

    @property
    def nbytes(self) -> int:
        """Memory of the values."""
        return self.values.nbytes


@dataclass(frozen=True)
class Problem:
    """One training before its first step."""

    point: Point
    start: Start
    train: Sample
    test: Sample
    largest: float
    """Largest |a_L|^2 of the training points at w0."""
    batch_seed: int
    amplification: float
    """Factor by which long inputs amplify rounding errors, 1 for relu."""


def problem_of_replica(replica: Replica) -> Problem:
    """Bring the arrays of a replica into the dtype and layout of the kernel."""
    dtype = np.dtype(replica.point.dtype)
    activation = replica.point.activation
    start = _start(replica.weights, replica.biases, activation, dtype)
    x_train, x_test = aligned_copy(replica.x_train, dtype), aligned_copy(replica.x_test, dtype)
    f0_train = outputs(x_train, start.network, activation)
    f0_test = outputs(x_test, start.network, activation)
    return Problem(
        replica.point,
        start,
        Sample(x_train, replica.y_train.astype(dtype), f0_train.values),
        Sample(x_test, replica.y_test.astype(dtype), f0_test.values),
        f0_train.largest,
        replica.batch_seed,
        _amplification(activation, x_train),
    )


def prepare_problem(point: Point, seeds: Seeds) -> Problem:
    """Return the same, bit for bit, as for the replica of `seeds`, from what is kept.

    Raises
    ------
    InvalidSettingError
        If P + n_test exceeds the size of the data set.
    """
    dataset, dtype = dataset_of(point), np.dtype(point.dtype)
    data_key = (settings_of(point), point.dtype)
    shape = (dataset.input_dim, point.width, point.depth)
    network_key = (shape, point.activation, point.bias, point.dtype, seeds.init)
    split_key = (data_key, point.n_train, point.n_test, seeds.trainset, seeds.testset)
    train, test = _kept.get(split_key, lambda: dataset.split(point, seeds, dtype))
    (x_train, y_train), (x_test, y_test) = train.arrays(), test.arrays()
    check_labels(point.data, y_train, y_test)

    def draw() -> Start:
        parameters = initial_parameters(*shape, seeds.init, point.bias)
        return _start(*parameters, point.activation, dtype)

    start = _kept.get(network_key, draw)
    f0_train, f0_test = _kept.get(
        (network_key, split_key),
        lambda: tuple(outputs(x, start.network, point.activation) for x in (x_train, x_test)),
    )
    return Problem(
        point,
        start,
        Sample(x_train, y_train, f0_train.values),
        Sample(x_test, y_test, f0_test.values),
        f0_train.largest,
        seeds.batch,
        _amplification(point.activation, x_train),
    )


def outputs(x: np.ndarray, network: Network, activation: str) -> Outputs:
    """Evaluate f at the rows of `x`.

    Blocks have a fixed shape, so that f is a function of the weights and the rows alone.
    """
    values = np.empty(x.shape[0], x.dtype)
    largest = evaluate_all(x, network, CODES[activation], workspace(network), values)
    return Outputs(values, largest)


def workspace(network: Network) -> Workspace:
    """Return buffers of the block path.

    Those of the last network of the same shape in this thread, since fresh memory is slow.
    """
    first, _, out, _ = network
    key = first.shape, out.dtype
    if getattr(_buffers, "key", None) != key:
        block = block_rows(out.shape[0])
        _buffers.key = key
        _buffers.arrays = Workspace(
            aligned_empty((block, first.shape[0]), out.dtype),
            aligned_empty((2, block, out.shape[0]), out.dtype),
            np.empty(block, out.dtype),
            np.tile(np.arange(block + ROWS), (2, 1)),
        )
    arrays: Workspace = _buffers.arrays
    return arrays


_buffers = threading.local()


def _start(
    weights: tuple[np.ndarray, ...],
    biases: tuple[np.ndarray, ...],
    activation: str,
    dtype: np.dtype,
) -> Start:
    scales, bias_scales = layer_scales(weights, activation)
    scaled = [scale * matrix for scale, matrix in zip(scales, weights, strict=True)]
    depth, width = len(weights) - 1, weights[-1].shape[0]
    hidden = aligned_empty((depth - 1, width, width), dtype)
    for layer in range(depth - 1):
        hidden[layer] = scaled[layer + 1]
    shifts = np.zeros((depth + 1 if biases else 0, width), dtype)
    for layer, bias in enumerate(biases):
        shifts[layer, : bias.size] = bias_scales[layer] * bias
    network = Network(
        aligned_copy(scaled[0], dtype), hidden, aligned_copy(scaled[-1], dtype), shifts
    )
    squares = np.array([scales[0], scales[-2], scales[-1], bias_scales[0], bias_scales[-1]]) ** 2
    layers = np.array([float(np.vdot(matrix, matrix)) for matrix in weights])
    for layer, bias in enumerate(biases):
        layers[layer] += float(np.vdot(bias, bias))
    return Start(network, squares.astype(dtype), sum(layers.tolist()), layers)


def _amplification(activation: str, x: np.ndarray) -> float:
    """Return by how much inputs longer than sqrt(d) amplify rounding, where phi saturates."""
    if CODES[activation] == RELU:
        return 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        largest = float(np.square(x).sum(axis=1).max() / x.shape[1])
    return max(1.0, float(np.sqrt(largest)))


class _Kept:
    """Values by key; those used longest ago are forgotten beyond a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._lock = limit, threading.RLock()
        self._values: Any = LRUCache(limit, getsizeof=_bytes_of)

    @property
    def size(self) -> int:
        """Bytes kept now."""
        return int(self._values.currsize)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value of `key`, made now unless it is kept."""
        with self._lock:
            if key in self._values:
                return self._values[key]
            value = make()
            with contextlib.suppress(ValueError):  # it is larger than all that may be kept
                self._values[key] = value
            return value

    def leave(self, room: int) -> None:
        """Keep no more than `room` bytes from now on, nor more than at first."""
        room = min(room, self._limit)
        with self._lock:
            before = self._values
            if room == before.maxsize:
                return
            self._values = LRUCache(room, getsizeof=_bytes_of)
            while before:
                key, value = before.popitem()
                with contextlib.suppress(ValueError):
                    self._values[key] = value


def _bytes_of(value: Any) -> int:
    parts = value if isinstance(value, tuple) else (value,)
    return sum(int(part.nbytes) for part in parts)


_kept = _Kept(_KEPT_BYTES)


def keep_at_most(size: int) -> None:
    """Forget what was used longest ago until `size` bytes hold the rest, now and later."""
    _kept.leave(size)
