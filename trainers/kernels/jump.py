"""Exact SGD by events: idle time between updates is drawn, not walked.

After every update all P points are evaluated, so that the n violators are known. The time to
the next batch that holds one is geometric; that batch is drawn on condition that it holds one
(:mod:`trainers.batches.events`). The law of a training is that of taking every step; the training
of a seed is another one. Holds for losses that vanish beyond the margin.
"""

from __future__ import annotations

import numpy as np

from trainers.batches.events import (
    draw_violators,
    log_idle_probability,
    steps_to_event,
)
from trainers.batches.fixed_size import WITH_REPLACEMENT
from trainers.compiled.compilation import compiled
from trainers.kernels.look_ahead import INERT, VERSION, apply_batch, classify, settle, step_arrays
from trainers.kernels.sgd import rounding_unit, runs_away
from trainers.stopping import DIVERGED, FITTED, STEP_BUDGET


@compiled(fastmath=True)
def run_jump(
    sample, network, start, squares, workspace, law, draw, limits, record, stream, pending
):
    """Train one replica in place; parameters and results as :func:`trainers.kernels.sgd.run_sgd`.

    Parameters
    ----------
    stream
        Random words, from :func:`trainers.batches.events.open_stream`.
    pending : int64 array (1,)
        The next step that holds a violator, or 0; with `stream` all that is kept between calls.
    """
    batch_size, sampling = draw.batch_size, draw.sampling
    step, max_steps, n_updates, max_square = limits
    n_train = sample.x.shape[0]
    status = np.full(n_train, -1, np.int64)
    queue, violators = np.arange(n_train), np.empty(n_train, np.int64)
    clock, chosen = np.zeros(n_train + 1, np.int64), np.empty(batch_size, np.int64)
    clock[0] = 1
    arrays = step_arrays(sample, network, law.activation, batch_size)
    tolerance = record.tolerance
    tolerance[0] = max(tolerance[0], rounding_unit(network, law))
    version, n, log_idle = -1, 0, 0.0
    moved, last_step, n_pulled = True, 0, 0
    while True:
        if moved:
            version += 1
            classify(queue, n_train, sample, law, record, version, status, network, workspace)
            if settle(sample, law, version, status, network, arrays) == 0:
                return FITTED, last_step, n_updates, n_pulled
            n = 0
            for p in range(n_train):
                violators[n] = p
                n += status[p] >= VERSION * version + INERT
            replacement = sampling == WITH_REPLACEMENT
            log_idle = log_idle_probability(n, n_train, batch_size, replacement)
        if pending[0] == 0:
            pending[0] = step + steps_to_event(log_idle, stream)
        if pending[0] > max_steps:
            return STEP_BUDGET, last_step, n_updates, n_pulled
        step = pending[0]
        pending[0] = 0
        count = draw_violators(
            violators, n, n_train, batch_size, sampling, log_idle, clock, stream, chosen
        )
        used = apply_batch(
            chosen, 0, count, sample, law, version, status, network, squares, arrays
        )
        if used < 0:
            return DIVERGED, last_step, n_updates, n_pulled
        moved = used > 0
        if not moved:
            continue
        last_step = step
        n_updates += 1
        n_pulled += used
        tolerance[0] = max(tolerance[0], rounding_unit(network, law))
        if runs_away(n_updates, network, start, squares, max_square):
            return DIVERGED, last_step, n_updates, n_pulled
