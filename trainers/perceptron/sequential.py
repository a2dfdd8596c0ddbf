"""The naive loop of the perceptron: every batch is drawn and evaluated.

It has the law of :mod:`trainers.perceptron.events` by construction and its cost is that of the
idle steps: the reference against which the event-driven algorithm is tested.
"""

from __future__ import annotations

import numpy as np

from trainers.batches.ahead import open_batches, row_of
from trainers.compiled.compilation import compiled
from trainers.perceptron.events import (
    LAST_STEP,
    STEP,
    UPDATES,
    VIOLATORS,
    move,
    product,
    record,
)
from trainers.stopping import DIVERGED, FITTED, STEP_BUDGET


@compiled()
def is_fitted(z, w, kappa):
    """Return whether no point is a violator."""
    i = 0
    while i < z.shape[0] and product(z[i], w) >= kappa:
        i += 1
    return i == z.shape[0]


@compiled()
def run_sequential(z, kappa, temperature, draw, max_steps, max_updates, w, trajectory):
    """Train from w = 0 in place; see :func:`trainers.perceptron.events.run_perceptron`.

    All P points are tested after max(P/2, B) presentations without a violator. The last step
    that moved w is exact whenever the test is made. `draw` is a `trainers.batches.ahead.Draw`.
    """
    n_train = z.shape[0]
    ahead = open_batches(draw, n_train, 0)
    members, offsets = ahead.members, ahead.offsets
    row, n_rows = 0, 0
    chosen = np.empty(draw.batch_size, np.int64)
    pull = np.empty(w.shape[0])
    counters = np.zeros(4, np.int64)
    idle, code = 0, STEP_BUDGET
    while counters[STEP] < max_steps and counters[UPDATES] < max_updates:
        if row == n_rows:
            row = row_of(draw, counters[STEP], max_steps, ahead)
            n_rows = ahead.window[1]
        begin, end = offsets[row], offsets[row + 1]
        row += 1
        counters[STEP] += 1
        used = 0
        for j in range(begin, end):
            p = members[j]
            if product(z[p], w) < kappa:
                chosen[used] = p
                used += 1
        if used > 0:
            move(z, chosen, used, temperature, w, pull)
            record(counters, used, w, trajectory)
            idle = 0
            if not np.isfinite(w[0]):
                code = DIVERGED
                break
        else:
            idle += end - begin
        if idle > n_train // 2:
            idle = 0
            if is_fitted(z, w, kappa):
                code = FITTED
                break
    if code == STEP_BUDGET and is_fitted(z, w, kappa):
        code = FITTED
    return code, counters[LAST_STEP], counters[UPDATES], counters[VIOLATORS]
