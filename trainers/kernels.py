"""The numba backend: arrays of one replica in, its measurement out.

The dynamics itself is compiled (:mod:`trainers.sgd_kernel`), data and weights come in its layout
from :mod:`trainers.preparation`; here the final weights are measured.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from search_spaces import Point
from search_spaces.choices import DTYPES
from trainers.look_ahead import smallest_margin
from trainers.measurement import Measurement
from trainers.models import Replica, initial_weights
from trainers.preparation import Problem, aligned_copy, outputs, problem_of_replica, workspace
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
    return solve(problem_of_replica(replica), look_ahead, full_check)


def solve(
    problem: Problem, look_ahead: int = ADAPTIVE, full_check: float = FULL_CHECK
) -> Measurement:
    """Train and measure; parameters as in :func:`train_replica`."""
    point, start = problem.point, problem.start
    number = np.dtype(point.dtype).type
    limit = divergence_limit(point.alpha)
    network = tuple(aligned_copy(matrix, matrix.dtype) for matrix in start.network)
    code, n_steps, n_updates, n_violators, _ = run_sgd(
        problem.train,
        network,
        start.network,
        start.squares,
        workspace(network),
        number(point.alpha),
        number(point.temperature),
        point.loss == "quadratic_hinge",
        np.uint64(problem.batch_seed & WORD_MASK),
        point.batch_size,
        point.sampling == "with_replacement",
        step_limit(point),
        limit * limit * start.norm_square,
        problem.largest,
        look_ahead,
        full_check,
    )
    change = squared_weight_change(network, start.network, start.squares)
    relative = float(np.sqrt(change / start.norm_square))
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
        **_final(problem, network),
    )


def _final(problem: Problem, network: tuple[np.ndarray, ...]) -> dict[str, float]:
    """Return weight norm, errors and smallest margin at the final weights."""
    start, number = problem.start, network[2].dtype.type
    (x_train, y_train, f0_train), (x_test, y_test, f0_test) = problem.train, problem.test
    alpha = number(problem.point.alpha)
    zero = tuple(np.zeros_like(matrix) for matrix in network)
    f_train, f_test = outputs(x_train, network), outputs(x_test, network)
    slack = rounding_unit(network, alpha) * np.sqrt(max(f_train.largest, problem.largest))
    return {
        "weight_norm": float(np.sqrt(squared_weight_change(network, zero, start.squares))),
        "test_error": _error(y_test, f_test.values - f0_test),
        "train_error": _error(y_train, f_train.values - f0_train),
        "margin_min": smallest_margin(problem.train, f_train.values, alpha, slack, network),
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
