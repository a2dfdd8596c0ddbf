"""When a training ends, in definitions that every backend shares.

A step moves the weights when its batch holds a violator, a training point with y F < 1, that has
a gradient: where f = 0 exactly, every neuron of the last layer is silent and nothing pulls. The
training is fitted after the first step that leaves no violator among all P points; training
time is counted to the last step that moved the weights, never to the step at which a check
noticed.
"""

from __future__ import annotations

import math
from enum import StrEnum

from search_spaces import Point

DIVERGENCE_CHECK = 64
"""The weight change is compared with its limit after every 64 updates, and at the end."""


class StopReason(StrEnum):
    """Why a training ended; results of every kind are data."""

    FITTED = "fitted"
    """No training point is a violator."""
    STEP_BUDGET = "step_budget"
    """The budget of presentations was consumed first: the training time is censored."""
    WALL_BUDGET = "wall_budget"
    """A limit on computing time was reached first; such a row is trained again on resume."""
    DIVERGED = "diverged"
    """An output was not finite, or the weights moved further than any stable training does."""


FITTED, STEP_BUDGET, DIVERGED = 0, 1, 2
"""Codes that compiled loops return."""
STOP_REASONS = {
    FITTED: StopReason.FITTED,
    STEP_BUDGET: StopReason.STEP_BUDGET,
    DIVERGED: StopReason.DIVERGED,
}


def divergence_limit(alpha: float) -> float:
    """Return the relative weight change beyond which a training counts as diverged."""
    return 30.0 if alpha >= 1 else 300.0


def settled_reason(reason: StopReason, alpha: float, change: float) -> StopReason:
    """Return DIVERGED where the relative weight change is none of a stable training."""
    return reason if change <= divergence_limit(alpha) else StopReason.DIVERGED


def step_limit(point: Point) -> int:
    """Return the number of whole batches in the budget of presentations, at least one."""
    size = point.batch_size
    if isinstance(size, int):
        return max(1, point.max_presentations // size)
    # 180 presentations are 100 batches of 1.8, whatever floating-point division says.
    return max(1, math.floor(point.max_presentations / size * (1 + 1e-12)))


def presentations(point: Point, n_steps: int) -> int:
    """Return B n_steps = t*/T, rounded where the mean size of a batch is not whole."""
    return round(point.batch_size * n_steps)


def check_interval(point: Point) -> int:
    """Return the steps between tests for fit: 1 where violators are followed exactly.

    A logistic loss never vanishes, so that every sample pulls and nothing tells that the
    training is fitted (y F >= 1 for all points, as for the hinge) but a test of all P points.
    It is made once in P presentations and costs less than they do.
    """
    if point.loss != "logistic":
        return 1
    return math.ceil(point.n_train / point.batch_size * (1 - 1e-12))


def recorded_steps(limit: int) -> list[int]:
    """Return the steps at which a curve is recorded: four per factor of 2, up to `limit`.

    >>> recorded_steps(10)
    [1, 2, 3, 4, 5, 6, 7, 8, 10]
    """
    n = math.floor(4 * math.log2(limit)) + 1
    steps = {round(2 ** (k / 4)) for k in range(n + 1)} | {limit}
    return sorted(step for step in steps if step <= limit)
