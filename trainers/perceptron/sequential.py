"""The naive loop of the perceptron: every batch is drawn and evaluated.

It has the law of :mod:`trainers.perceptron.events` by construction and its cost is that of the
idle steps: the reference against which the event-driven algorithm is tested.
"""

from __future__ import annotations

import numpy as np

from trainers.batches.fixed_size import fill_batches
from trainers.compiled.compilation import compiled
from trainers.perceptron.events import (
    EVALUATED,
    LAST_STEP,
    STEP,
    UPDATES,
    VIOLATORS,
    move,
    product,
    record,
)
from trainers.stopping import DIVERGED, FITTED, STEP_BUDGET

_BUFFERED_DRAWS = 1024


@compiled()
def is_fitted(z, w, kappa):
    """Return whether no point is a violator."""
    i = 0
    while i < z.shape[0] and product(z[i], w) >= kappa:
        i += 1
    return i == z.shape[0]


@compiled()
def run_sequential(z, kappa, temperature, batch_size, replacement, seed,
                   max_steps, max_updates, w, trajectory):  # fmt: skip
    """Train from w = 0 in place; see :func:`trainers.perceptron.events.run_perceptron`.

    All P points are tested after max(P/2, B) presentations without a violator. The last step
    that moved w is exact whenever the test is made.
    """
    n_train = z.shape[0]
    n_rows = max(1, _BUFFERED_DRAWS // batch_size)
    batches = np.empty((n_rows, batch_size), np.int32)
    words = np.empty(n_rows * batch_size, np.uint64)
    stamps = np.full(n_train, -1, np.int64)
    chosen = np.empty(batch_size, np.int64)
    pull = np.empty(w.shape[0])
    counters = np.zeros(5, np.int64)
    idle, code = 0, STEP_BUDGET
    while counters[STEP] < max_steps and counters[UPDATES] < max_updates:
        row = counters[STEP] % n_rows
        if row == 0:
            fill_batches(seed, counters[STEP], n_train, replacement, stamps, words, batches)
        counters[STEP] += 1
        used = 0
        for j in range(batch_size):
            if product(z[batches[row, j]], w) < kappa:
                chosen[used] = batches[row, j]
                used += 1
        counters[EVALUATED] += batch_size
        if used > 0:
            move(z, chosen, used, temperature, w, pull)
            record(counters, used, w, trajectory)
            idle = 0
            if not np.isfinite(w[0]):
                code = DIVERGED
                break
        else:
            idle += batch_size
        if idle > n_train // 2:
            idle = 0
            if is_fitted(z, w, kappa):
                code = FITTED
                break
    if code == STEP_BUDGET and is_fitted(z, w, kappa):
        code = FITTED
    return code, counters[LAST_STEP], counters[UPDATES], counters[VIOLATORS], counters[EVALUATED]
