"""What the compiled kernel needs before the first step, in its dtype and layout.

A sweep trains every replica at many temperatures and sizes: w0 and the outputs f(w0, x) of a
replica are kept for the next one. They are pure functions of what identifies them, so that a
result does not depend on what is kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from search_spaces import Point, Seeds
from trainers.alignment import aligned_copy, aligned_empty
from trainers.data import dataset_of, settings_of
from trainers.mlp_kernel import block_rows, evaluate_all
from trainers.models import Replica, initial_weights, layer_scales

_KEPT_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Start:
    """Initial weights w0."""

    network: tuple[np.ndarray, np.ndarray, np.ndarray]
    """Scaled weights: first (d, h), hidden (L-1, h, h) and out (h,)."""
    squares: np.ndarray
    """Squared scales of the first, the other hidden and the output layer, shape (3,)."""
    norm_square: float
    """||w0||^2 of the unnormalized weights."""

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
    train: tuple[np.ndarray, np.ndarray, np.ndarray]
    """x (P, d), y (P,) and f0 (P,) = f(w0, x)."""
    test: tuple[np.ndarray, np.ndarray, np.ndarray]
    largest: float
    """Largest |a_L|^2 of the training points at w0."""
    batch_seed: int


def problem_of_replica(replica: Replica) -> Problem:
    """Bring the arrays of a replica into the dtype and layout of the kernel."""
    dtype = np.dtype(replica.point.dtype)
    start = _start(replica.weights, dtype)
    x_train, x_test = aligned_copy(replica.x_train, dtype), aligned_copy(replica.x_test, dtype)
    f0_train, f0_test = outputs(x_train, start.network), outputs(x_test, start.network)
    return Problem(
        replica.point,
        start,
        (x_train, replica.y_train.astype(dtype), f0_train.values),
        (x_test, replica.y_test.astype(dtype), f0_test.values),
        f0_train.largest,
        replica.batch_seed,
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
    network_key = (dataset.input_dim, point.width, point.depth, point.dtype, seeds.init)
    split_key = (data_key, point.n_train, point.n_test, seeds.trainset, seeds.testset)
    train, test = _kept.get(split_key, lambda: dataset.split(point, seeds, dtype))
    (x_train, y_train), (x_test, y_test) = train.arrays(), test.arrays()

    def draw() -> Start:
        shape = (dataset.input_dim, point.width, point.depth)
        return _start(initial_weights(*shape, seeds.init), dtype)

    start = _kept.get(network_key, draw)
    f0_train, f0_test = _kept.get(
        (network_key, split_key),
        lambda: (outputs(x_train, start.network), outputs(x_test, start.network)),
    )
    return Problem(
        point,
        start,
        (x_train, y_train, f0_train.values),
        (x_test, y_test, f0_test.values),
        f0_train.largest,
        seeds.batch,
    )


def outputs(x: np.ndarray, network: tuple[np.ndarray, ...]) -> Outputs:
    """Evaluate f at the rows of `x`.

    Blocks have a fixed shape, so that f is a function of the weights and the rows alone.
    """
    values = np.empty(x.shape[0], x.dtype)
    return Outputs(values, evaluate_all(x, network, workspace(network), values))


def workspace(network: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return buffers of the block path: input rows, two hidden layers and outputs."""
    first, _, out = network
    block = block_rows(out.shape[0])
    return (
        aligned_empty((block, first.shape[0]), out.dtype),
        aligned_empty((2, block, out.shape[0]), out.dtype),
        np.empty(block, out.dtype),
    )


def _start(weights: tuple[np.ndarray, ...], dtype: np.dtype) -> Start:
    scales = layer_scales(weights)
    scaled = [scale * matrix for scale, matrix in zip(scales, weights, strict=True)]
    depth, width = len(weights) - 1, weights[-1].shape[0]
    hidden = aligned_empty((depth - 1, width, width), dtype)
    for layer in range(depth - 1):
        hidden[layer] = scaled[layer + 1]
    network = aligned_copy(scaled[0], dtype), hidden, aligned_copy(scaled[-1], dtype)
    squares = np.array([scales[0], scales[-2], scales[-1]]) ** 2
    norm_square = sum(float(np.vdot(matrix, matrix)) for matrix in weights)
    return Start(network, squares.astype(dtype), norm_square)


class _Kept:
    """Values by key; those used longest ago are forgotten beyond a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.size = 0
        """Bytes kept now."""
        self._lock = threading.RLock()
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value of `key`, made now unless it is kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            value = make()
            size = sum(part.nbytes for part in value) if isinstance(value, tuple) else value.nbytes
            self._values[key] = value, size
            self.size += size
            while self.size > self._limit:
                _, (_, freed) = self._values.popitem(last=False)
                self.size -= freed
            return value


_kept = _Kept(_KEPT_BYTES)
