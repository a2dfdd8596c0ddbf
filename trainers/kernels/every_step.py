"""Exact SGD for a loss that never vanishes: every sample of every batch pulls.

Nothing can be looked ahead, and whether the training is fitted (y F >= 1 for all points, the
margin of the hinge) is tested after every so many steps only.
"""

from __future__ import annotations

import numpy as np

from trainers.batches.ahead import open_batches, row_of
from trainers.compiled.compilation import compiled
from trainers.kernels.look_ahead import apply_batch, classify, settle, step_arrays
from trainers.kernels.sgd import rounding_unit, runs_away
from trainers.stopping import DIVERGED, FITTED, STEP_BUDGET


@compiled(fastmath=True)
def is_fitted(queue, sample, law, record, version, status, network, workspace, arrays):
    """Return whether no point is a violator."""
    n_train, block = queue.shape[0], workspace.rows.shape[0]
    record.tolerance[0] = max(record.tolerance[0], rounding_unit(network, law))
    for first in range(0, n_train, block):
        n = min(block, n_train - first)
        _, certain = classify(
            queue[first:], n, sample, law, record, version, status, network, workspace
        )
        if certain > 0:
            return False
    return settle(sample, law, version, status, network, arrays) == 0


@compiled(fastmath=True)
def run_every_step(
    sample, network, start, squares, workspace, law, draw, limits, record, test_every, is_last
):
    """Train one replica in place; parameters and results as :func:`trainers.kernels.sgd.run_sgd`.

    Parameters
    ----------
    test_every : int
        Steps between tests for fit, counted from the first step of the training.
    is_last : bool
        Whether the budget ends with the last step, so that it is tested there too.
    """
    step, max_steps, n_updates, max_square = limits
    n_train = sample.x.shape[0]
    ahead = open_batches(draw, n_train, step)
    members, offsets = ahead.members, ahead.offsets
    status, queue = np.full(n_train, -1, np.int64), np.arange(n_train)
    arrays = step_arrays(sample, network, law.activation, draw.batch_size)
    version, last_step, n_pulled = 0, 0, 0
    while step < max_steps:
        row = row_of(draw, step, max_steps, ahead)
        used = apply_batch(
            members, offsets[row], offsets[row + 1], sample, law, version, status, network,
            squares, arrays,
        )  # fmt: skip
        if used < 0:
            return DIVERGED, last_step, n_updates, n_pulled
        step += 1
        if used > 0:
            last_step = step
            n_updates += 1
            n_pulled += used
            if runs_away(n_updates, network, start, squares, max_square):
                return DIVERGED, last_step, n_updates, n_pulled
        if step % test_every == 0 or (is_last and step == max_steps):
            version += 1
            if is_fitted(queue, sample, law, record, version, status, network, workspace, arrays):
                return FITTED, last_step, n_updates, n_pulled
    return STEP_BUDGET, last_step, n_updates, n_pulled
