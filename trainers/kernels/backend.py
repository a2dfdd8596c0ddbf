"""The numba backend: arrays of one replica in, its measurement out.

The dynamics itself is compiled (:mod:`trainers.kernels.sgd` and its siblings for a loss that
never vanishes and for the scheme ``jump``), data and weights come in its layout from
:mod:`trainers.kernels.preparation`; here the final weights are measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from search_spaces import Point
from search_spaces.choices import DTYPES
from trainers.batches.ahead import batch_draw
from trainers.batches.events import open_stream
from trainers.compiled.activations import CODES
from trainers.compiled.alignment import aligned_copy
from trainers.kernels.arrays import Law, Limits, Network, Record
from trainers.kernels.every_step import run_every_step
from trainers.kernels.jump import run_jump
from trainers.kernels.look_ahead import smallest_margin
from trainers.kernels.mlp import fits_tiles
from trainers.kernels.preparation import (
    Outputs,
    Problem,
    outputs,
    problem_of_replica,
    workspace,
)
from trainers.kernels.sgd import (
    ADAPTIVE,
    FULL_CHECK,
    rounding_unit,
    run_sgd,
    squared_changes_by_layer,
    squared_weight_change,
)
from trainers.losses import HINGE, LOSS_CODES
from trainers.measurement import Measurement, error_fraction
from trainers.models.replica import Replica, initial_parameters, layer_scales
from trainers.stopping import (
    FITTED,
    STEP_BUDGET,
    STOP_REASONS,
    StopReason,
    check_interval,
    divergence_limit,
    presentations,
    recorded_steps,
    settled_reason,
    step_limit,
)


@dataclass(frozen=True)
class Course:
    """How a training went: the state of its counters at its end."""

    code: int
    n_steps: int
    n_updates: int
    n_violators: int


def train_replica(
    replica: Replica, look_ahead: int = ADAPTIVE, full_check: float = FULL_CHECK
) -> Measurement:
    """Train one replica with the compiled kernel.

    BLAS should be limited to one thread by the caller, once for many trainings.

    Parameters
    ----------
    replica
        From :func:`trainers.models.replica.prepare_replica`.
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
    network = Network(*(aligned_copy(matrix, matrix.dtype) for matrix in start.network))
    record = Record(np.empty_like(problem.train.y), np.array([0.0, problem.largest]))
    run = _runner(problem, network, record, look_ahead, full_check)
    curve: list[tuple[float, ...]] = []
    if "curves" in point.observables:
        course = _run_recorded(problem, network, run, curve)
    else:
        course = run(Course(STEP_BUDGET, 0, 0, 0), 0, step_limit(point))
    relative = _relative_change(problem, network)
    reason = settled_reason(STOP_REASONS[course.code], point.alpha, relative)
    # A tile computes the same f whatever its other points are; a block of a BLAS does not.
    if course.code == FITTED and fits_tiles(network.out.shape[0], network.out.itemsize):
        f_train = Outputs(record.latest, record.tolerance[1])
    else:
        f_train = outputs(problem.train[0], network, point.activation)
    predictor = f_train.values - problem.train.f0
    with np.errstate(over="ignore"):
        margins = problem.train.y * network.out.dtype.type(point.alpha) * predictor
    return Measurement.of(
        point,
        "numba",
        reason,
        (course.n_steps, course.n_updates, course.n_violators),
        margins,
        relative_weight_change=relative,
        train_error=error_fraction(problem.train.y, predictor),
        requested=_requested(problem, network, reason == StopReason.FITTED),
        curve=tuple(curve) if "curves" in point.observables else None,
        **_final(problem, network, f_train),
    )


def _runner(
    problem: Problem,
    network: Network,
    record: Record,
    look_ahead: int,
    full_check: float,
) -> Callable[[Course, int, int], Course]:
    """Return the function that trains from one step to another; call it in order."""
    point, start = problem.point, problem.start
    number = np.dtype(point.dtype).type
    limit, end = divergence_limit(point.alpha), step_limit(point)
    law = Law(
        number(point.alpha),
        number(point.temperature),
        LOSS_CODES[point.loss],
        CODES[point.activation],
        problem.amplification,
    )
    draw = batch_draw(point, problem.batch_seed)
    common = (problem.train, network, start.network, start.squares, workspace(network), law, draw)
    interval = check_interval(point)
    jumps = (open_stream(draw.seed), np.zeros(1, np.int64)) if point.scheme == "jump" else ()

    def run(before: Course, first: int, last: int) -> Course:
        limits = Limits(first, last, before.n_updates, limit * limit * start.norm_square)
        if point.loss == "logistic":
            result = run_every_step(*common, limits, record, interval, last == end)
        elif jumps:
            result = run_jump(*common, limits, record, *jumps)
        else:
            result = run_sgd(*common, limits, record, look_ahead, full_check)
        code, last_step, n_updates, n_violators = result
        n_steps = max(before.n_steps, last_step)
        return Course(code, n_steps, n_updates, before.n_violators + n_violators)

    return run


def _run_recorded(
    problem: Problem,
    network: Network,
    run: Callable[[Course, int, int], Course],
    curve: list[tuple[float, ...]],
) -> Course:
    """Train as without a record, with a pause at every recorded step."""
    point = problem.point
    course, first = Course(STEP_BUDGET, 0, 0, 0), 0
    for last in recorded_steps(step_limit(point)):
        course = run(course, first, last)
        ended = course.code != STEP_BUDGET
        step = course.n_steps if ended else last
        errors = [
            error_fraction(y, outputs(x, network, point.activation).values - f0)
            for x, y, f0 in (problem.train, problem.test)
        ]
        times = (step, point.learning_rate * step, presentations(point, step))
        curve.append((*times, _relative_change(problem, network), *errors))
        if ended:
            break
        first = last
    return course


def _relative_change(problem: Problem, network: Network) -> float:
    start = problem.start
    change = squared_weight_change(network, start.network, start.squares)
    return float(np.sqrt(change / start.norm_square))


def _final(problem: Problem, network: Network, f_train: Outputs) -> dict[str, Any]:
    """Return weight norm, change by layer, test error and smallest margin at the end."""
    start, activation = problem.start, problem.point.activation
    x_test, y_test, f0_test = problem.test
    alpha = network.out.dtype.type(problem.point.alpha)
    zero = Network(*(np.zeros_like(matrix) for matrix in network))
    layers = squared_changes_by_layer(network, start.network, start.squares)
    f_test = outputs(x_test, network, activation)
    law = Law(alpha, alpha, HINGE, CODES[activation], problem.amplification)
    slack = rounding_unit(network, law) * np.sqrt(max(f_train.largest, problem.largest))
    return {
        "weight_norm": float(np.sqrt(squared_weight_change(network, zero, start.squares))),
        "test_error": error_fraction(y_test, f_test.values - f0_test),
        "margin_min": smallest_margin(
            problem.train, f_train.values, alpha, slack, network, CODES[activation]
        ),
        "layer_weight_change": tuple(np.sqrt(layers / start.layer_squares).tolist()),
    }


def _requested(problem: Problem, network: Network, is_fitted: bool) -> dict[str, float]:
    """Return the columns of the point's observables but the curve."""
    point = problem.point
    if not set(point.observables) - {"curves"}:
        return {}
    # torch takes seconds to import, which only those pay who ask for these observables.
    from trainers.probes.measure import measure_probes

    before = plain_parameters(problem.start.network, point.activation)
    after = plain_parameters(network, point.activation)
    x_train, y_train, _ = problem.train
    return measure_probes(point, (before, after), (x_train, y_train), problem.test[0], is_fitted)


def plain_parameters(network: Network, activation: str) -> tuple[np.ndarray, ...]:
    """Return the unnormalized weights, then the biases, float64, of a scaled network."""
    first, hidden, out, shifts = (matrix.astype(np.float64) for matrix in network)
    matrices = (first, *hidden, out)
    scales, bias_scales = layer_scales(matrices, activation)
    rows = [*shifts[:-1], shifts[-1, :1]] if shifts.shape[0] else []
    return (
        *(matrix / scale for matrix, scale in zip(matrices, scales, strict=True)),
        *(row / scale for row, scale in zip(rows, bias_scales[: len(rows)], strict=True)),
    )


def compile_kernels(
    dtype: str | Iterable[str] = DTYPES,
    losses: Iterable[str] = ("hinge",),
    schemes: Iterable[str] = ("sequential",),
    sampling: str = "without_replacement",
) -> None:
    """Compile the kernels for one or several dtypes into the disk cache.

    Takes about half a minute per dtype the first time and a second afterwards; `jump`, `logistic`
    and batches of varying size take a few seconds more. Several processes may do it at the same
    time: the cache replaces its files atomically.
    """
    for name in (dtype,) if isinstance(dtype, str) else dtype:
        for loss, scheme in itertools.product(losses, schemes):
            if (loss, scheme) != ("logistic", "jump"):
                settings = {"dtype": name, "loss": loss, "scheme": scheme, "sampling": sampling}
                train_replica(_smallest_replica(**settings))


def _smallest_replica(**settings: Any) -> Replica:
    point = Point.create(
        n_train=2, n_test=1, width=2, depth=2, temperature=0.1, batch_size=1, alpha=1.0,
        max_presentations=4, **settings,
    )  # fmt: skip
    x, y = np.eye(3), np.array([1.0, -1.0, 1.0])
    weights, _ = initial_parameters(3, 2, 2, seed=0)
    return Replica(point, x[:2], y[:2], x[2:], y[2:], weights, 0)
