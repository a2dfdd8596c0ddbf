"""How much memory a training needs, and the budget that no pack of trainings exceeds.

A pack trains one replica after the other, so that it needs as much as its largest training, plus
what is kept between trainings (:mod:`trainers.kernels.preparation`), which gets the rest of the
budget. Neither changes a result. The data set itself, shared by all trainings of a process, and
the libraries come on top.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from search_spaces import InvalidSettingError, Point
from search_spaces.choices import SELECTIONS
from trainers.batches.ahead import BUFFERED_DRAWS
from trainers.kernels.mlp import block_rows
from trainers.perceptron.events import PRODUCT_BYTES

DEFAULT_BUDGET = 512 * 10**6
_PROBE_CHUNK = 2**26

_budget = DEFAULT_BUDGET


def set_budget(size: int | None) -> None:
    """Set the bytes that a pack of this process may need; None for the default."""
    global _budget
    _budget = DEFAULT_BUDGET if size is None else size


def budget() -> int:
    """Return the bytes that a pack of this process may need."""
    return _budget


def training_bytes(point: Point, input_dim: int) -> int:
    """Return about how many bytes the training of one replica needs.

    Parameters
    ----------
    input_dim
        d of the data.
    """
    size = np.dtype(point.dtype).itemsize
    if point.model == "perceptron":
        return 3 * (point.n_train + point.n_test) * (input_dim * size + 16) + PRODUCT_BYTES
    width, depth = point.width, point.depth
    batch = point.n_train if point.sampling in SELECTIONS else point.batch_size
    if point.model == "cnn":
        # The inputs are kept twice, as rows and with borders that are wide for small images.
        filters = 9 * width * (3 + (depth - 1) * width)
        images = (point.n_train + point.n_test) * (input_dim * (8 + 2 * size) + 8)
        # Activations of one image and their derivatives; channels in whole vectors.
        return images + 6 * input_dim * max(width, 16) * size + 56 * filters
    n_weights = input_dim * width + (depth - 1) * width**2 + width * (2 + depth * point.bias)
    data = (point.n_train + point.n_test) * (input_dim * size + 8)
    # w0, w and a zero, and while they are drawn two copies in double precision.
    weights = n_weights * (3 * size + 16)
    points = point.n_train * (3 * size + 40)
    traces = 1 if point.activation == "relu" else 2
    step = batch * (depth * width * (traces + 1) * size + 32)
    draws = max(BUFFERED_DRAWS, batch) * 12
    block = block_rows(width) * (input_dim + 2 * width + 1) * size
    return data + weights + points + step + draws + block + _probe_bytes(point, n_weights)


def _probe_bytes(point: Point, n_weights: int) -> int:
    """Return what autograd needs for the point's observables, in double precision."""
    wanted = set(point.observables) - {"curves"}
    if not wanted:
        return 0
    n_points = 2 * min(64, point.n_test)
    gradients = 0
    if wanted & {"gradient_noise", "hessian", "noise_alignment"}:
        n_points = point.n_train
        gradients = max(n_weights, min(_PROBE_CHUNK // 8, point.n_train * n_weights))
    if "noise_alignment" in wanted:
        gradients = max(gradients, min(64, point.n_train) * n_weights)
    return 8 * (16 * n_weights + 6 * n_points * point.depth * point.width + 2 * gradients)


def check_memory(tasks: Iterable[tuple[Point, int]], limit: int | None = None) -> int:
    """Return the bytes that a pack of trainings, given as points and their d, needs.

    Raises
    ------
    InvalidSettingError
        If one of them does not fit into `limit`, the budget of this process by default.
    """
    limit = _budget if limit is None else limit
    largest = 0
    for point, input_dim in tasks:
        need = training_bytes(point, input_dim)
        if need > limit:
            raise InvalidSettingError(
                f"a training with n_train={point.n_train}, batch_size={point.batch_size}, "
                f"width={point.width}, depth={point.depth} and dtype={point.dtype} needs about "
                f"{show_bytes(need)}, but a worker may use {show_bytes(limit)}; raise --memory "
                "or make it smaller"
            )
        largest = max(largest, need)
    return largest


def show_bytes(size: int) -> str:
    """Return a size in the largest unit that leaves at least 1.

    >>> show_bytes(1_500_000_000)
    '1.5 GB'
    """
    power = min(4, max(0, math.floor(math.log10(max(1, size)) / 3)))
    return f"{size / 1000**power:.3g} {('B', 'KB', 'MB', 'GB', 'TB')[power]}"
