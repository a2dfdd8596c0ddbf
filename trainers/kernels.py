"""The numba backend: arrays of one replica in, its measurement out.

The dynamics itself is compiled (:mod:`trainers.sgd_kernel`); here the data and weights take the
layout that it wants, and the final weights are measured.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from search_spaces import Point
from search_spaces.choices import DTYPES
from trainers.look_ahead import smallest_margin
from trainers.measurement import Measurement
from trainers.mlp_kernel import BLOCK, evaluate_all
from trainers.models import Replica, initial_weights, layer_scales
from trainers.sgd_kernel import (
    ADAPTIVE,
    DIVERGED,
    FITTED,
    FULL_CHECK,
    STEP_BUDGET,
    rounding_unit,
    run_sgd,
    squared_weight_change,
)
from trainers.stopping import StopReason, divergence_limit, step_limit
from trainers.streams import WORD_MASK

_STOP_REASONS = {
    FITTED: StopReason.FITTED,
    STEP_BUDGET: StopReason.STEP_BUDGET,
    DIVERGED: StopReason.DIVERGED,
}


def train_replica(
    replica: Replica, look_ahead: int = ADAPTIVE, full_check: float = FULL_CHECK
) -> Measurement:
    """Train one replica with the compiled kernel.

    BLAS should be limited to one thread by the caller, once for many trainings.

    Parameters
    ----------
    replica
        From :func:`trainers.models.prepare_replica`.
    look_ahead
        Points per matrix product, or ADAPTIVE; no value changes the result.
    full_check
        Fraction of P known at the present weights beyond which the others are evaluated at
        once; above 1 never. No value changes the result.
    """
    return _KernelTraining(replica).run(look_ahead, full_check)


class _KernelTraining:
    """Arrays of one replica in the dtype and layout of the kernel."""

    def __init__(self, replica: Replica) -> None:
        point = replica.point
        self.point = point
        self.seed = np.uint64(replica.batch_seed & WORD_MASK)
        self.dtype = np.dtype(point.dtype)
        depth, width = len(replica.weights) - 1, replica.weights[-1].shape[0]
        input_dim = replica.x_train.shape[1]
        self.scales = layer_scales(replica.weights)
        self.start = self._scaled(replica.weights, depth, width)
        self.network = tuple(matrix.copy() for matrix in self.start)
        self.workspace = (
            np.empty((BLOCK, input_dim), self.dtype),
            np.empty((2, BLOCK, width), self.dtype),
            np.empty(BLOCK, self.dtype),
        )
        self.x_train, self.y_train, self.x_test, self.y_test = (
            np.ascontiguousarray(array, dtype=self.dtype)
            for array in (replica.x_train, replica.y_train, replica.x_test, replica.y_test)
        )
        self.f0_train, self.largest = self.outputs(self.x_train)
        self.f0_test, _ = self.outputs(self.x_test)
        scales = np.array([self.scales[0], self.scales[-2], self.scales[-1]])
        self.squares = (scales**2).astype(self.dtype)
        self.initial_square = sum(float(np.vdot(w, w)) for w in replica.weights)

    def _scaled(self, weights: tuple[np.ndarray, ...], depth: int, width: int) -> tuple:
        scaled = [
            (scale * matrix).astype(self.dtype)
            for scale, matrix in zip(self.scales, weights, strict=True)
        ]
        hidden = np.empty((depth - 1, width, width), self.dtype)
        for layer in range(depth - 1):
            hidden[layer] = scaled[layer + 1]
        return scaled[0], hidden, scaled[-1]

    def outputs(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """Return f of every row, and the largest squared norm of the last hidden layer.

        Blocks have a fixed shape, so that f is a function of the weights and the rows alone.
        """
        results = np.empty(x.shape[0], self.dtype)
        largest = evaluate_all(x, self.network, self.workspace, results)
        return results, largest

    def run(self, look_ahead: int, full_check: float) -> Measurement:
        """Train and measure."""
        point, number = self.point, self.dtype.type
        limit = divergence_limit(point.alpha)
        code, n_steps, n_updates, n_violators, self.n_evaluated = run_sgd(
            (self.x_train, self.y_train, self.f0_train),
            self.network,
            self.start,
            self.squares,
            self.workspace,
            number(point.alpha),
            number(point.temperature),
            point.loss == "quadratic_hinge",
            self.seed,
            point.batch_size,
            point.sampling == "with_replacement",
            step_limit(point),
            limit * limit * self.initial_square,
            self.largest,
            look_ahead,
            full_check,
        )
        change = squared_weight_change(self.network, self.start, self.squares)
        relative = float(np.sqrt(change / self.initial_square))
        diverged = code == DIVERGED or not relative <= limit
        return Measurement(
            backend="numba",
            stop_reason=StopReason.DIVERGED if diverged else _STOP_REASONS[code],
            relative_weight_change=relative,
            n_steps=n_steps,
            n_updates=n_updates,
            n_violators_used=n_violators,
            training_time=point.learning_rate * n_steps,
            n_presentations=point.batch_size * n_steps,
            **self._final(),
        )

    def _final(self) -> dict[str, float]:
        """Return weight norm, errors and smallest margin at the final weights."""
        zero = tuple(np.zeros_like(matrix) for matrix in self.start)
        f_train, largest = self.outputs(self.x_train)
        f_test, _ = self.outputs(self.x_test)
        alpha = self.dtype.type(self.point.alpha)
        slack = rounding_unit(self.network, alpha) * np.sqrt(max(largest, self.largest))
        sample = (self.x_train, self.y_train, self.f0_train)
        return {
            "weight_norm": float(np.sqrt(squared_weight_change(self.network, zero, self.squares))),
            "test_error": _error(self.y_test, f_test - self.f0_test),
            "train_error": _error(self.y_train, f_train - self.f0_train),
            "margin_min": smallest_margin(sample, f_train, alpha, slack, self.network),
        }


def _error(labels: np.ndarray, predictor: np.ndarray) -> float:
    """Return the fraction of points with y (f - f0) <= 0 or NaN."""
    n = labels.shape[0]
    return (n - int(np.count_nonzero(labels * predictor > 0))) / n


def compile_kernels(dtype: str | Iterable[str] = DTYPES) -> None:
    """Compile the kernels for one or several dtypes into the disk cache.

    Takes about half a minute per dtype the first time and a second afterwards. Several
    processes may do it at the same time: the cache replaces its files atomically.
    """
    for name in (dtype,) if isinstance(dtype, str) else dtype:
        train_replica(_smallest_replica(name))


def _smallest_replica(dtype: str) -> Replica:
    point = Point.create(
        n_train=2, n_test=1, width=2, depth=2, temperature=0.1, batch_size=1, alpha=1.0,
        max_presentations=4, dtype=dtype,
    )  # fmt: skip
    x, y = np.eye(3), np.array([1.0, -1.0, 1.0])
    return Replica(point, x[:2], y[:2], x[2:], y[2:], initial_weights(3, 2, 2, seed=0), 0)
