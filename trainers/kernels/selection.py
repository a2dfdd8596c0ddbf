"""Exact SGD with batches of varying size: Bernoulli and persistent selection.

A step takes every sample that is active (:mod:`trainers.batches.selection`) and weights it by
eta/(b P). As in :mod:`trainers.kernels.sgd` the kernel looks ahead in its own stream of batches,
evaluates their unknown points together, and goes to the first batch that holds a violator; the
result is bit for bit that of taking the steps one at a time. The loss that never vanishes takes
every step (:mod:`trainers.kernels.every_step`).

The batches of the next steps lie one behind the other in an array: batch k is
``members[offsets[k] : offsets[k + 1]]``, in increasing order. P random numbers are drawn per
step, 1/b per presentation.
"""

from __future__ import annotations

import numpy as np

from trainers.batches.selection import advance_selection, open_selection
from trainers.compiled.compilation import compiled
from trainers.compiled.tiles import ROWS
from trainers.kernels.every_step import is_fitted
from trainers.kernels.look_ahead import (
    CANDIDATE,
    QUEUED,
    VERSION,
    apply_batch,
    classify,
    queue_unknown,
    settle,
    step_arrays,
)
from trainers.kernels.mlp import overhead_rows
from trainers.kernels.sgd import (
    look_ahead_target,
    rounding_unit,
    squared_weight_change,
)
from trainers.stopping import DIVERGED, DIVERGENCE_CHECK, FITTED, STEP_BUDGET

_BUFFERED_STEPS = 256
_BUFFERED_DRAWS = 1024


@compiled()
def selection_buffer(n_train):
    """Return work space for the batches of the next steps: members, offsets, words, flags."""
    return (
        np.empty(n_train + _BUFFERED_DRAWS, np.int32),
        np.zeros(_BUFFERED_STEPS + 1, np.int64),
        np.empty(n_train, np.uint64),
        np.empty(n_train, np.bool_),
    )


@compiled()
def fill_selections(draw, first_step, last_step, buffer):
    """Write the batches of `first_step`, `first_step` + 1, ... while there is room.

    Parameters
    ----------
    draw : tuple
        Seed, b, P(1 -> 0) and P(0 -> 1).
    last_step : int
        The step behind the last one.
    buffer : tuple
        From :func:`selection_buffer`; its flags hold the selection of the step before.

    Returns
    -------
    int
        Number of batches, at least one.
    """
    seed, fraction, deactivation, activation = draw
    members, offsets, words, active = buffer
    n_train, row, n = active.shape[0], 0, 0
    while row < _BUFFERED_STEPS and first_step + row < last_step and n < _BUFFERED_DRAWS:
        step = first_step + row
        advance_selection(seed, step, fraction, deactivation, activation, words, active)
        for p in range(n_train):
            members[n] = p
            n += active[p]
        row += 1
        offsets[row] = n
    return row


@compiled()
def queue_selected(members, offsets, row, end, target, version, status, queue):
    """Queue the unknown points of the next batches; see `kernels.look_ahead.queue_ahead`.

    Returns
    -------
    tuple of int
        Number of queued points and the row behind the last batch that was looked at.
    """
    n_queue = 0
    known = VERSION * version
    found = False
    while row < end and n_queue < target and not found:
        for j in range(offsets[row], offsets[row + 1]):
            p = members[j]
            if status[p] < known:
                status[p] = known + QUEUED
                queue[n_queue] = p
                n_queue += 1
            elif status[p] >= known + CANDIDATE:
                found = True
        row += 1
    return n_queue, row


@compiled()
def next_selected(members, offsets, row, end, version, status):
    """Return the first row in [row, end) whose batch holds a candidate, or `end`."""
    candidate = VERSION * version + CANDIDATE
    while row < end:
        for j in range(offsets[row], offsets[row + 1]):
            if status[members[j]] >= candidate:
                return row
        row += 1
    return row


@compiled(fastmath=True)
def run_selected(
    sample, network, start, squares, workspace, law, draw, limits, record, look_ahead, full_check
):
    """Train one replica in place; parameters and results as :func:`trainers.kernels.sgd.run_sgd`.

    Parameters
    ----------
    draw : tuple
        Seed (uint64), b, P(1 -> 0) and P(0 -> 1).
    """
    step, max_steps, n_updates, max_square = limits
    n_train = sample[0].shape[0]
    buffer = selection_buffer(n_train)
    members, offsets = buffer[0], buffer[1]
    open_selection(draw, step, buffer[3])
    status, queue = np.full(n_train, -1, np.int64), np.empty(n_train, np.int64)
    arrays = step_arrays(sample, network, law[3], n_train)
    n_weights, width = network[0].size + network[1].size, network[2].shape[0]
    overhead = overhead_rows(n_weights, width, sample[0].itemsize)
    block = workspace[0].shape[0] - workspace[0].shape[0] % ROWS
    tolerance = record[1]
    tolerance[0] = max(tolerance[0], rounding_unit(network, law))

    buffer_start, n_rows, last_step = step, 0, 0
    version, n_known, n_certain = 0, 0, 0
    n_violators, n_evaluated = 0, 0
    seen, hit = 1.0, 1.0
    while step < max_steps:
        if step >= buffer_start + n_rows:
            buffer_start = step
            n_rows = fill_selections(draw, step, max_steps, buffer)
        row, end = step - buffer_start, n_rows
        if n_known < n_train:
            if n_known >= full_check * n_train:
                n_queue = queue_unknown(version, status, queue)
            else:
                target = look_ahead
                if look_ahead <= 0:
                    target = look_ahead_target(hit / seen, overhead, block)
                n_queue, end = queue_selected(
                    members, offsets, row, end, target, version, status, queue
                )
            candidates, certain = classify(
                queue, n_queue, sample, law, record, version, status, network, workspace
            )
            n_known += n_queue
            n_certain += certain
            n_evaluated += n_queue
            seen = 0.9 * seen + n_queue
            hit = 0.9 * hit + candidates + certain + 0.02
            if n_known == n_train and n_certain == 0:
                n_certain = settle(sample, law, version, status, network, arrays)
                if n_certain == 0:
                    return FITTED, last_step, n_updates, n_violators, n_evaluated
        row = next_selected(members, offsets, row, end, version, status)
        step = buffer_start + row
        if row == end:
            continue
        batch = members[offsets[row] : offsets[row + 1]]
        used = apply_batch(batch, sample, law, version, status, network, squares, arrays)
        if used < 0:
            return DIVERGED, last_step, n_updates, n_violators, n_evaluated
        step += 1
        if used == 0:
            continue
        last_step = step
        n_updates += 1
        n_violators += used
        version += 1
        n_known, n_certain = 0, 0
        tolerance[0] = max(tolerance[0], rounding_unit(network, law))
        if n_updates % DIVERGENCE_CHECK == 0:
            change = squared_weight_change(network, start, squares)
            if not change <= max_square:
                return DIVERGED, last_step, n_updates, n_violators, n_evaluated

    n_queue = queue_unknown(version, status, queue)
    classify(queue, n_queue, sample, law, record, version, status, network, workspace)
    if settle(sample, law, version, status, network, arrays) == 0:
        return FITTED, last_step, n_updates, n_violators, n_evaluated
    return STEP_BUDGET, last_step, n_updates, n_violators, n_evaluated


@compiled(fastmath=True)
def run_selected_every_step(
    sample, network, start, squares, workspace, law, draw, limits, record, test_every, is_last
):
    """Train one replica in place with a loss that never vanishes.

    Parameters and results as :func:`trainers.kernels.every_step.run_every_step`, `draw` as
    :func:`run_selected`.
    """
    step, max_steps, n_updates, max_square = limits
    n_train = sample[0].shape[0]
    buffer = selection_buffer(n_train)
    members, offsets = buffer[0], buffer[1]
    open_selection(draw, step, buffer[3])
    status, queue = np.full(n_train, -1, np.int64), np.arange(n_train)
    arrays = step_arrays(sample, network, law[3], n_train)
    buffer_start, n_rows, version = step, 0, 0
    last_step, n_pulled, n_evaluated = 0, 0, 0
    while step < max_steps:
        if step >= buffer_start + n_rows:
            buffer_start = step
            n_rows = fill_selections(draw, step, max_steps, buffer)
        row = step - buffer_start
        batch = members[offsets[row] : offsets[row + 1]]
        used = apply_batch(batch, sample, law, version, status, network, squares, arrays)
        if used < 0:
            return DIVERGED, last_step, n_updates, n_pulled, n_evaluated
        step += 1
        if used > 0:
            last_step = step
            n_updates += 1
            n_pulled += used
            if n_updates % DIVERGENCE_CHECK == 0:
                change = squared_weight_change(network, start, squares)
                if not change <= max_square:
                    return DIVERGED, last_step, n_updates, n_pulled, n_evaluated
        if step % test_every == 0 or (is_last and step == max_steps):
            version += 1
            fitted, n = is_fitted(
                queue, sample, law, record, version, status, network, workspace, arrays
            )
            n_evaluated += n
            if fitted:
                return FITTED, last_step, n_updates, n_pulled, n_evaluated
    return STEP_BUDGET, last_step, n_updates, n_pulled, n_evaluated
