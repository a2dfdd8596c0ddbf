"""The compiled perceptron: exact in law, with no work on steps that change nothing.

Hinge loss with margin kappa on f(w, x) = w.x/sqrt(d), from w = 0. With z = y x/sqrt(d), a step
adds T z of every violator, m = w.z < kappa, of its batch to w. In data=perceptron the first
component of z is never negative: w_1, the signal, only grows.

Points come sorted by their signal z_1. Since m >= w_1 z_1 - |w_perp| |z_perp|, only the first
few, the *suspects*, can be violators. The process is drawn by events
(:mod:`trainers.batches.events`), in two phases:

* `search`: while violators are frequent, batches of suspects are drawn and evaluated;
* `follow`: once they are rare, the margins of all suspects are kept up to date, so that every
  event is an update. The few points that go on violating do so again and again: their products
  with the suspects are computed once and kept.

Weights, margins and products are float64 whatever the dtype of the data: a training is exact SGD
on a data set that is rounded once. In float32 the data take half the memory, and a pass over
those that do not fit in the cache half the time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trainers.batches.events import (
    choose,
    log_idle_probability,
    open_stream,
    steps_to_event,
    suspects_in_batch,
)
from trainers.compiled.compilation import compiled
from trainers.stopping import DIVERGED, FITTED, STEP_BUDGET

STEP, LAST_STEP, UPDATES, VIOLATORS = 0, 1, 2, 3
"""Places of the counters: present step, last step that moved w, updates, violators."""
TRAJECTORY = 48
"""Most recorded powers of two."""

PATIENCE = 0.125
"""Evaluations per update, as a fraction of the suspects, at which following is cheaper."""
SLACK = 1.1
"""Growth of |w_perp| for which the followed suspects suffice."""
RESYNCHRONIZE = 4096
"""Updates after which margins are computed anew, against rounding drift."""
_SHRINK = 0.8
_REVIEW = 64
PRODUCT_BYTES = 2**26
_ROUNDING = 1.0 + 1e-12


class Budget(NamedTuple):
    """How many steps and updates a training may take."""

    steps: int
    updates: int


@compiled(fastmath=True)
def product(row, vector):
    """Return the scalar product of a data row and a float64 vector."""
    total = 0.0
    for k in range(vector.shape[0]):
        total += row[k] * vector[k]
    return total


@compiled(fastmath=True)
def fill_products(z, begin, end, vector, out):
    """Write z_i.v for rows `begin` to `end` into `out`."""
    for i in range(begin, end):
        out[i] = product(z[i], vector)


@compiled(fastmath=True)
def add_products(z, n, vector, out):
    """Add z_i.v of the first `n` rows to `out`."""
    for i in range(n):
        out[i] += product(z[i], vector)


@compiled(fastmath=True)
def perpendicular_norm(w):
    """Return |w_perp|, the norm without the first component."""
    total = 0.0
    for k in range(1, w.shape[0]):
        total += w[k] * w[k]
    return np.sqrt(total)


@compiled()
def count_suspects(signals, w, kappa, radius, slack):
    """Return how many points, the first in order of their signal, can be violators.

    All others have m >= w_1 z_1 - slack |w_perp| max|z_perp| >= kappa.
    """
    if not w[0] > 0:
        return signals.shape[0]
    reach = (kappa + slack * perpendicular_norm(w) * radius) * _ROUNDING
    return np.searchsorted(signals, reach / w[0])


@compiled()
def find_violators(margins, n, kappa, violators):
    """Write the indices of margins below kappa among the first `n`; return how many there are."""
    found = 0
    for i in range(n):
        if margins[i] < kappa:
            violators[found] = i
            found += 1
    return found


@compiled(fastmath=True)
def move(z, chosen, count, temperature, w, pull):
    """Add T times the sum of the chosen rows to w and leave it in `pull`."""
    pull[:] = 0.0
    for j in range(count):
        row = z[chosen[j]]
        for k in range(w.shape[0]):
            pull[k] += row[k]
    for k in range(w.shape[0]):
        pull[k] *= temperature
        w[k] += pull[k]


@compiled()
def record(counters, used, w, trajectory):
    """Count an update; note step and signal after 1, 2, 4, 8, ... updates."""
    counters[LAST_STEP] = counters[STEP]
    counters[UPDATES] += 1
    counters[VIOLATORS] += used
    n = counters[UPDATES]
    if n & (n - 1) == 0:
        k = 0
        while n > 1:
            n >>= 1
            k += 1
        trajectory[k, 0] = counters[STEP]
        trajectory[k, 1] = w[0]


@compiled()
def advance(n, n_train, batch_size, replacement, limits, counters, stream):
    """Go to the next batch that holds one of `n` suspects.

    Returns
    -------
    int
        How many it holds; 0 if the budget of steps ends before it.
    """
    log_idle = log_idle_probability(n, n_train, batch_size, replacement)
    steps = steps_to_event(log_idle, stream)
    if steps > limits.steps - counters[STEP]:
        counters[STEP] = limits.steps
        return 0
    counters[STEP] += steps
    return suspects_in_batch(n, n_train, batch_size, replacement, log_idle, stream)


@compiled()
def search(sample, law, limits, stream, w, counters, trajectory):
    """Draw and evaluate batches of suspects until following their margins is cheaper.

    It also leaves when a limit is reached; :func:`follow` finds out why.
    """
    z, signals, radius = sample
    kappa, temperature, batch_size, replacement = law
    n_train = z.shape[0]
    stamps = np.full(n_train, -1, np.int64)
    chosen = np.empty(batch_size, np.int64)
    pull = np.empty(w.shape[0])
    n, events, idle, usual = n_train, 0, 0, float(batch_size)
    while (
        n > 0 and usual <= PATIENCE * n and idle <= n // 2 and counters[UPDATES] < limits.updates
    ):
        count = advance(n, n_train, batch_size, replacement, limits, counters, stream)
        if count == 0:
            return
        choose(n, count, replacement, stamps, events, stream, chosen)
        events += 1
        used = 0
        for j in range(count):
            if product(z[chosen[j]], w) < kappa:
                chosen[used] = chosen[j]
                used += 1
        idle += count
        if used == 0:
            continue
        move(z, chosen, used, temperature, w, pull)
        record(counters, used, w, trajectory)
        usual += 0.05 * (idle - usual)
        idle = 0
        n = count_suspects(signals, w, kappa, radius, 1.0)


@compiled()
def empty_store(n_train, n):
    """Return room for kept products with `n` suspects.

    Returns
    -------
    tuple
        A flat array, the length kept for each place, the place of each point (-1: none), and
        two counts: places taken, and the length of a place.
    """
    places = min(n_train, PRODUCT_BYTES // (8 * max(n, 1)))
    return (
        np.empty(max(places * n, n_train)),  # all points fit in one place at least
        np.zeros(n_train, np.int64),
        np.full(n_train, -1, np.int64),
        np.array([0, max(n, 1)], np.int64),
    )


@compiled()
def kept_products(z, j, n, store, vector):
    """Return z_i.z_j for the first `n` points i, computing what is not kept yet.

    A store that is full, or whose places are too short, forgets everything.
    """
    products, lengths, places, counts = store
    if n > counts[1] or (places[j] < 0 and (counts[0] + 1) * counts[1] > products.shape[0]):
        places[:] = -1
        counts[0], counts[1] = 0, n
    if places[j] < 0:
        places[j] = counts[0]
        lengths[counts[0]] = 0
        counts[0] += 1
    place = places[j]
    kept = products[place * counts[1] : (place + 1) * counts[1]]
    if lengths[place] < n:
        for k in range(vector.shape[0]):
            vector[k] = z[j, k]
        fill_products(z, lengths[place], n, vector, kept)
        lengths[place] = n
    return kept


@compiled(fastmath=True)
def shift(margins, n, temperature, products):
    """Add T z_i.z_j to the first `n` margins."""
    for i in range(n):
        margins[i] += temperature * products[i]


@compiled()
def update_margins(z, chosen, count, n, temperature, pull, store, margins):
    """Add to the first `n` margins what `count` chosen points, with sum `pull`/T, change."""
    if count == 1:
        shift(margins, n, temperature, kept_products(z, chosen[0], n, store, pull))
    else:
        add_products(z, n, pull, margins)


@compiled()
def follow(sample, law, limits, stream, w, counters, trajectory):
    """Keep the margins of all suspects, so that every event is an update; return a stop code."""
    z, signals, radius = sample
    kappa, temperature, batch_size, replacement = law
    n_train = z.shape[0]
    stamps = np.full(n_train, -1, np.int64)
    violators = np.empty(n_train, np.int64)
    chosen = np.empty(batch_size, np.int64)
    margins = np.empty(n_train)
    pull = np.empty(w.shape[0])
    n = count_suspects(signals, w, kappa, radius, SLACK)
    store = empty_store(n_train, n)
    fill_products(z, 0, n, w, margins)
    fresh = True
    while np.isfinite(w[0]):
        n_violators = find_violators(margins, n, kappa, violators)
        if n_violators == 0:
            if fresh:
                return FITTED
            fill_products(z, 0, n, w, margins)
            fresh = True
            continue
        count = 0
        if counters[UPDATES] < limits.updates:
            count = advance(
                n_violators, n_train, batch_size, replacement, limits, counters, stream
            )
        if count == 0:
            return STEP_BUDGET
        choose(n_violators, count, replacement, stamps, counters[UPDATES], stream, chosen)
        for j in range(count):
            chosen[j] = violators[chosen[j]]
        move(z, chosen, count, temperature, w, pull)
        record(counters, count, w, trajectory)
        update_margins(z, chosen, count, n, temperature, pull, store, margins)
        fresh = False
        n = follow_suspects(sample, kappa, w, n, counters[UPDATES], margins)
    return DIVERGED


@compiled()
def follow_suspects(sample, kappa, w, n, n_updates, margins):
    """Return the new number of followed suspects, after computing margins that were missing."""
    z, signals, radius = sample
    if n_updates % RESYNCHRONIZE == 0:
        fill_products(z, 0, n, w, margins)
    needed = count_suspects(signals, w, kappa, radius, 1.0)
    if needed > n:
        needed = count_suspects(signals, w, kappa, radius, SLACK)
        fill_products(z, n, needed, w, margins)
        return needed
    if n_updates % _REVIEW == 0:
        needed = count_suspects(signals, w, kappa, radius, SLACK)
        if needed < _SHRINK * n:
            return needed
    return n


@compiled()
def run_perceptron(z, signals, radius, kappa, temperature, batch_size, replacement, seed,
                   max_steps, max_updates, w, trajectory):  # fmt: skip
    """Train from w = 0 in place.

    Parameters
    ----------
    z : array (P, d)
        y x/sqrt(d), rows in increasing order of their first component.
    signals : float64 array (P,)
        That first component if none is negative, else zeros: then every point is a suspect.
    radius : float
        Largest norm of the other components.
    trajectory : float64 array (TRAJECTORY, 2)
        Output: step and w_1 after 2^k updates.

    Returns
    -------
    tuple of int
        Stop code, last step that moved w, updates, violators used.
    """
    sample = z, signals, radius
    law = kappa, temperature, batch_size, replacement
    limits = Budget(max_steps, max_updates)
    counters = np.zeros(4, np.int64)
    stream = open_stream(seed)
    search(sample, law, limits, stream, w, counters, trajectory)
    code = follow(sample, law, limits, stream, w, counters, trajectory)
    return code, counters[LAST_STEP], counters[UPDATES], counters[VIOLATORS]
