"""The compiled trainer of one replica: exact SGD that spends no work on steps that change nothing.

Only a few per cent of presentations meet a violator (y F < 1) and move the weights; the others
merely find out that they do not. Batches are a pure function of the step
(:mod:`trainers.minibatch`), so the kernel looks ahead: it evaluates the next unknown points of
its own stream in one matrix product, goes to the first batch that holds a violator, applies it,
and continues behind it. A point found safe stays safe until the weights move. Once all P points
are known at the present weights, either none is a violator and the training is fitted, or the
stream is walked, without arithmetic, to the next batch that holds one.

The result is bit for bit that of taking the steps one at a time, whatever the look-ahead: a
point that a matrix product cannot rule out by more than its rounding error is a *candidate*, and
what happens to a candidate is decided on the fixed path (:mod:`trainers.mlp_kernel`).
"""

from __future__ import annotations

import numpy as np

from trainers.compilation import compiled
from trainers.look_ahead import (
    apply_batch,
    classify,
    next_candidate,
    queue_ahead,
    queue_unknown,
    settle,
)
from trainers.minibatch import fill_batches
from trainers.mlp_kernel import overhead_rows, squared_distance
from trainers.stopping import DIVERGENCE_CHECK

ADAPTIVE = 0
"""Look-ahead that follows the observed fraction of candidates."""
FULL_CHECK = 0.75
"""Fraction of P known at the present weights beyond which all the others are evaluated."""

FITTED, STEP_BUDGET, DIVERGED = 0, 1, 2
"""Codes that :func:`run_sgd` returns."""
_BUFFERED_DRAWS = 1024
# Rounding of the block path stays below a fifth of this many units of eps (L+1) |w| |a_L|.
_ROUNDING_FACTOR = 4.0


@compiled()
def look_ahead_target(fraction, overhead, block):
    """Return how many points to evaluate at once when a fraction of them are candidates.

    With an overhead of c rows, m rows cost c + m and reach the next candidate, m rows away or
    less, with probability 1 - exp(-m fraction); the cheapest m is about sqrt(2 c / fraction).

    Parameters
    ----------
    fraction : float
    overhead : float
        c, in rows.
    block : int
        Most rows of one product.
    """
    return min(block, max(4, int(np.sqrt(2 * overhead / fraction))))


@compiled(fastmath=True)
def squared_weight_change(network, start, scales):
    """Return ||w - w0||^2 of the unnormalized weights."""
    return (
        squared_distance(network[0].ravel(), start[0].ravel()) / scales[0]
        + squared_distance(network[1].ravel(), start[1].ravel()) / scales[1]
        + squared_distance(network[2], start[2]) / scales[2]
    )


@compiled(fastmath=True)
def rounding_unit(network, alpha):
    """Return the rounding error of F on the block path per unit of |a_L|."""
    out = network[2]
    eps = np.finfo(out.dtype).eps
    total = 0.0
    for j in range(out.shape[0]):
        total += out[j] * out[j]
    return _ROUNDING_FACTOR * eps * alpha * (network[1].shape[0] + 2) * np.sqrt(total)


@compiled(fastmath=True)
def run_sgd(
    sample, network, start, scales, workspace, alpha, rate, quadratic, seed, batch_size,
    replacement, max_steps, max_square, largest, look_ahead, full_check,
):  # fmt: skip
    """Train one replica in place.

    Parameters
    ----------
    sample : tuple
        x (P, d), y (P,) and f0 (P,) = f(w0, x).
    network, start : tuple
        Scaled weights, and a copy of them from which the weight change is measured.
    scales : array (3,)
        Squared scales of the first, the other hidden and the output layer.
    alpha, rate : scalars of the dtype
        Initialization scale, and eta/B = T.
    max_square : float
        Limit of ||w - w0||^2 beyond which the training counts as diverged.
    largest : float
        Largest |a_L|^2 at w0.
    look_ahead : int
        Number of points per matrix product, or ADAPTIVE.
    full_check : float
        See FULL_CHECK.

    Returns
    -------
    tuple of int
        Stop code, last step that moved the weights, updates, violators used, points evaluated.
    """
    x = sample[0]
    n_train, depth, width = x.shape[0], network[1].shape[0] + 1, network[2].shape[0]
    n_rows = max(1, _BUFFERED_DRAWS // batch_size)
    batches = np.empty((n_rows, batch_size), np.int32)
    words = np.empty(n_rows * batch_size, np.uint64)
    stamps = np.full(n_train, -1, np.int64)
    status = np.full(n_train, -1, np.int64)
    queue = np.empty(n_train + batch_size, np.int64)
    activations = np.empty((batch_size, depth, width), x.dtype)
    deltas = np.empty((batch_size, depth, width), x.dtype)
    slopes = np.empty(batch_size, x.dtype)
    members = np.empty(batch_size, np.int64)
    active = np.empty(max(x.shape[1], width) + 1, np.int64)
    overhead = overhead_rows(network[0].size + network[1].size, width)
    block = workspace[0].shape[0]
    tolerance = np.array([rounding_unit(network, alpha), largest])

    step, buffer_start, last_step = 0, -n_rows, 0
    version, n_known, n_certain = 0, 0, 0
    n_updates, n_violators, n_evaluated = 0, 0, 0
    seen, hit = 1.0, 1.0
    while step < max_steps:
        if step >= buffer_start + n_rows:
            buffer_start = step
            fill_batches(seed, step, n_train, replacement, stamps, words, batches)
        row = step - buffer_start
        end = min(n_rows, max_steps - buffer_start)
        if n_known < n_train:
            if n_known >= full_check * n_train:
                n_queue = queue_unknown(version, status, queue)
            else:
                target = (
                    look_ahead
                    if look_ahead > 0
                    else look_ahead_target(hit / seen, overhead, block)
                )
                n_queue, end = queue_ahead(batches, row, end, target, version, status, queue)
            candidates, certain = classify(
                queue, n_queue, sample, alpha, tolerance, version, status, network, workspace
            )
            n_known += n_queue
            n_certain += certain
            n_evaluated += n_queue
            seen = 0.9 * seen + n_queue
            hit = 0.9 * hit + candidates + 0.02
            if n_known == n_train and n_certain == 0:
                n_certain = settle(sample, alpha, version, status, network, activations, active)
                if n_certain == 0:
                    return FITTED, last_step, n_updates, n_violators, n_evaluated
        row = next_candidate(batches, row, end, version, status)
        step = buffer_start + row
        if row == end:
            continue
        used = apply_batch(
            batches[row], sample, alpha, rate, quadratic, version, status, network, scales,
            activations, deltas, slopes, members, active,
        )  # fmt: skip
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
        tolerance[0] = max(tolerance[0], rounding_unit(network, alpha))
        if n_updates % DIVERGENCE_CHECK == 0:
            change = squared_weight_change(network, start, scales)
            if not change <= max_square:
                return DIVERGED, last_step, n_updates, n_violators, n_evaluated

    n_queue = queue_unknown(version, status, queue)
    classify(queue, n_queue, sample, alpha, tolerance, version, status, network, workspace)
    if settle(sample, alpha, version, status, network, activations, active) == 0:
        return FITTED, last_step, n_updates, n_violators, n_evaluated
    return STEP_BUDGET, last_step, n_updates, n_violators, n_evaluated
