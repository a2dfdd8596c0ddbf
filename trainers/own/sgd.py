"""SGD on any torch module, until every sample is fitted, in the same steps as the plain loop.

With a loss that vanishes beyond the margin most batches change nothing. So one forward pass
evaluates many samples of the batches to come, and only batches that hold a violator are
differentiated. That is exact: a sample that is no violator stays none until the weights move.
The training is fitted when all P samples are known and none is a violator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainers.batches.fixed_size import batch_indices
from trainers.batches.horizon import ADAPTIVE, LookAhead
from trainers.kernels.look_ahead import (
    INERT,
    SAFE,
    VERSION,
    VIOLATOR,
    next_candidate,
    queue_ahead,
    queue_unknown,
)
from trainers.measurement import Measurement
from trainers.own.state import ModuleState
from trainers.stopping import DIVERGENCE_CHECK, StopReason

_WINDOW = 2048
"""Samples of batches to come that are looked through at once."""
_OVERHEAD = 64.0
"""Samples whose evaluation takes as long as the rest of a forward pass."""


@dataclass(frozen=True)
class Schedule:
    """Which batches a training takes, and for how long."""

    temperature: float
    learning_rate: float
    batch_size: int
    sampling: str
    seed: int
    limit: int
    """Steps."""


def train_module(
    state: ModuleState, schedule: Schedule, look_ahead: int = ADAPTIVE
) -> Measurement:
    """Train a module until it is fitted, diverges or uses its budget.

    Parameters
    ----------
    look_ahead
        Samples that a forward pass evaluates beyond those it needs, or ADAPTIVE; no value
        changes a result by more than rounding.
    """
    if state.predictor.vanishes:
        return _VanishingRun(state, schedule, look_ahead).run()
    return _train_every_step(state, schedule)


def _train_every_step(state: ModuleState, schedule: Schedule) -> Measurement:
    """Train with a loss under which every sample pulls; test for fit once per P presentations."""
    n_train = len(state.train)
    interval = math.ceil(n_train / schedule.batch_size)
    batches = _Batches(schedule, n_train)
    n_steps = n_updates = 0
    reason = StopReason.STEP_BUDGET
    for step in range(1, schedule.limit + 1):
        margins, moved = state.move(batches.rows(step - 1, 1)[0], schedule.temperature)
        if not np.isfinite(margins).all():
            reason = StopReason.DIVERGED
            break
        n_steps, n_updates = (step, n_updates + 1) if moved else (n_steps, n_updates)
        if n_updates % DIVERGENCE_CHECK == 0 and not state.is_stable():
            reason = StopReason.DIVERGED
            break
        if (step % interval == 0 or step == schedule.limit) and (state.all_margins() >= 1).all():
            reason = StopReason.FITTED
            break
    steps = n_steps, n_updates, n_updates * schedule.batch_size
    batch = schedule.learning_rate, schedule.batch_size
    return state.measure(reason, steps, batch, interval if interval > 1 else None)


class _Batches:
    """Batches of steps to come, drawn in blocks."""

    def __init__(self, schedule: Schedule, n_train: int) -> None:
        self._schedule, self._n_train = schedule, n_train
        self._size = max(1, 4 * _WINDOW // schedule.batch_size)
        self._first = 0
        self._drawn = self._draw()

    def rows(self, first: int, n: int) -> np.ndarray:
        """Return the batches of steps first .. first + n - 1, counted from 0, shape (n, B)."""
        if not self._first <= first <= first + n <= self._first + self._size:
            self._first = first
            self._drawn = self._draw()
        return self._drawn[first - self._first : first - self._first + n]

    def _draw(self) -> np.ndarray:
        s = self._schedule
        shape = (self._n_train, s.batch_size)
        return batch_indices(s.seed, self._first, self._size, *shape, s.sampling)


class _VanishingRun:
    """A training under a vanishing loss; statuses as in :mod:`trainers.kernels.look_ahead`."""

    def __init__(self, state: ModuleState, schedule: Schedule, look_ahead: int) -> None:
        self._state, self._schedule = state, schedule
        n_train = len(state.train)
        self._batches = _Batches(schedule, n_train)
        self._status = np.full(n_train, -1, np.int64)
        self._queue = np.empty(n_train + schedule.batch_size, np.int64)
        self._margins = np.full(n_train, math.nan)
        self._look_ahead = LookAhead(_OVERHEAD + 3 * schedule.batch_size, look_ahead)
        self._window = max(1, _WINDOW // schedule.batch_size)
        self._row = self._idle = self._n_steps = self._n_updates = self._n_violators = 0

    def run(self) -> Measurement:
        reason = None
        while reason is None:
            reason = self._advance()
        steps = self._n_steps, self._n_updates, self._n_violators
        batch = self._schedule.learning_rate, self._schedule.batch_size
        known = self._margins if reason is StopReason.FITTED else None
        return self._state.measure(reason, steps, batch, None, known)

    def _advance(self) -> StopReason | None:
        """Look ahead, and go to the next step that may move the weights or beyond what is known.

        The number of updates is the version of the weights.
        """
        n = min(self._window, self._schedule.limit - self._row)
        known = self._n_updates, self._status
        if n == 0 or self._idle > len(self._status):
            return self._look_at_the_rest(is_last=n == 0)
        batches = self._batches.rows(self._row, n)
        target = self._look_ahead.rows
        drawn = batches.ravel(), np.arange(n + 1) * self._schedule.batch_size
        n_queue, end = queue_ahead(*drawn, 0, n, target, *known, self._queue)
        if not self._look(n_queue):
            return StopReason.DIVERGED
        row = next_candidate(*drawn, 0, end, *known)
        self._row += row
        if row < end:
            return self._step(batches[row])
        self._idle += end * self._schedule.batch_size
        return None

    def _look(self, n_queue: int) -> bool:
        """Evaluate the queued samples; return whether all margins are finite."""
        if n_queue == 0:
            return True
        samples = self._queue[:n_queue]
        margins = self._state.margins(samples)
        violates = margins < 1
        self._margins[samples] = margins
        self._status[samples] = VERSION * self._n_updates + np.where(violates, VIOLATOR, SAFE)
        self._look_ahead.learn(int(violates.any()), 1, n_queue)
        return bool(np.isfinite(margins).all())

    def _look_at_the_rest(self, is_last: bool) -> StopReason | None:
        """Evaluate all samples that are unknown, after P idle presentations and at the end."""
        if not self._look(queue_unknown(self._n_updates, self._status, self._queue)):
            return StopReason.DIVERGED
        self._idle = 0
        kinds = self._status - VERSION * self._n_updates
        if (kinds == SAFE).all():
            return StopReason.FITTED
        # Violators without a gradient never move again.
        return StopReason.STEP_BUDGET if is_last or not (kinds == VIOLATOR).any() else None

    def _step(self, batch: np.ndarray) -> StopReason | None:
        """Take the step of a batch that holds violators; where none has a gradient, idle."""
        version = VERSION * self._n_updates
        violators = batch[self._status[batch] == version + VIOLATOR]
        margins, moved = self._state.move(violators, self._schedule.temperature)
        self._row += 1
        if not moved:
            self._margins[violators] = margins
            self._status[violators] = version + np.where(margins < 1, INERT, SAFE)
            return None
        self._idle, self._n_steps = 0, self._row
        self._n_updates += 1
        self._n_violators += int((margins < 1).sum())
        if self._n_updates % DIVERGENCE_CHECK == 0 and not self._state.is_stable():
            return StopReason.DIVERGED
        return None
