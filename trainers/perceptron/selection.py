"""The perceptron with batches of varying size: every step is walked.

A sample that is idle is not evaluated. All P points are tested after P/2 presentations without a
violator; the last step that moved w is exact whenever the test is made.
"""

from __future__ import annotations

import numpy as np

from trainers.batches.selection import advance_selection
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
from trainers.perceptron.sequential import is_fitted
from trainers.stopping import DIVERGED, FITTED, STEP_BUDGET


@compiled()
def run_selected_perceptron(z, kappa, temperature, draw, max_steps, max_updates, w, trajectory):
    """Train from w = 0 in place; see :func:`trainers.perceptron.events.run_perceptron`.

    Parameters
    ----------
    draw : tuple
        Seed (uint64), b, P(1 -> 0) and P(0 -> 1).
    """
    seed, fraction, deactivation, activation = draw
    n_train = z.shape[0]
    active, words = np.empty(n_train, np.bool_), np.empty(n_train, np.uint64)
    chosen, pull = np.empty(n_train, np.int64), np.empty(w.shape[0])
    counters = np.zeros(5, np.int64)
    idle, code = 0, STEP_BUDGET
    while counters[STEP] < max_steps and counters[UPDATES] < max_updates:
        step = counters[STEP]
        advance_selection(seed, step, fraction, deactivation, activation, words, active)
        counters[STEP] += 1
        used, present = 0, 0
        for p in range(n_train):
            if active[p]:
                present += 1
                if product(z[p], w) < kappa:
                    chosen[used] = p
                    used += 1
        counters[EVALUATED] += present
        if used > 0:
            move(z, chosen, used, temperature, w, pull)
            record(counters, used, w, trajectory)
            idle = 0
            if not np.isfinite(w[0]):
                code = DIVERGED
                break
        else:
            idle += present
        if idle > n_train // 2:
            idle = 0
            if is_fitted(z, w, kappa):
                code = FITTED
                break
    if code == STEP_BUDGET and is_fitted(z, w, kappa):
        code = FITTED
    return code, counters[LAST_STEP], counters[UPDATES], counters[VIOLATORS], counters[EVALUATED]
