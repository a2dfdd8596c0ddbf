"""Which points are known at the present weights, and the compiled steps that look ahead.

Every point has a status relative to the *version* of the weights, which grows by one with every
update: ``4 version + SAFE``, ``+ CANDIDATE``, ``+ QUEUED`` or ``+ INERT``; anything smaller is
unknown. An update thus forgets everything at no cost. Inert points are violators without a
gradient: they never move the weights, but as long as there is one the training is not fitted.

Compiled functions take groups of arrays as tuples: a *network* (first, hidden, out), a *sample*
(x, y, f0) of n points, and a *workspace* (rows, buffers, outputs) of the block path.
"""

from __future__ import annotations

import numpy as np

from trainers.compilation import compiled
from trainers.mlp_kernel import (
    add_gradient,
    back_propagate,
    block_outputs,
    fixed_output,
)

SAFE, CANDIDATE, QUEUED, INERT = 0, 1, 2, 3


@compiled()
def queue_ahead(batches, row, end, target, version, status, queue):
    """Queue the unknown points of the next batches, at least `target` of them if possible.

    Stops behind a batch that holds a known candidate, because the weights may move there.

    Returns
    -------
    tuple of int
        Number of queued points and the row behind the last batch that was looked at.
    """
    n_queue = 0
    known = 4 * version
    found = False
    while row < end and n_queue < target and not found:
        for j in range(batches.shape[1]):
            p = batches[row, j]
            if status[p] < known:
                status[p] = known + QUEUED
                queue[n_queue] = p
                n_queue += 1
            elif status[p] == known + CANDIDATE:
                found = True
        row += 1
    return n_queue, row


@compiled()
def queue_unknown(version, status, queue):
    """Queue every point that is unknown at the present weights; return how many."""
    n_queue = 0
    for p in range(status.shape[0]):
        if status[p] < 4 * version:
            queue[n_queue] = p
            n_queue += 1
    return n_queue


@compiled()
def next_candidate(batches, row, end, version, status):
    """Return the first row in [row, end) whose batch holds a candidate, or `end`."""
    candidate = 4 * version + CANDIDATE
    while row < end:
        for j in range(batches.shape[1]):
            if status[batches[row, j]] == candidate:
                return row
        row += 1
    return row


@compiled(fastmath=True)
def classify(queue, n_queue, sample, alpha, tolerance, version, status, network, workspace):
    """Evaluate the queued points and mark each of them safe or candidate.

    A point is safe if y F > 1 by more than the rounding error of the block path, which is
    tolerance[0] times the largest |a_L| met so far, kept squared in tolerance[1].

    Returns
    -------
    tuple of int
        Number of candidates, and how many of them are violators beyond rounding.
    """
    x, y, f0 = sample
    first, hidden, out = network
    rows, buffers, outputs = workspace
    block = rows.shape[0]
    candidates, certain = 0, 0
    for start in range(0, n_queue, block):
        n = min(block, n_queue - start)
        for r in range(n):
            p = queue[start + r]
            for j in range(x.shape[1]):
                rows[r, j] = x[p, j]
        square = block_outputs(rows, n, first, hidden, out, buffers, outputs)
        if not square <= tolerance[1]:
            tolerance[1] = square
        width = tolerance[0] * np.sqrt(tolerance[1])
        for r in range(n):
            p = queue[start + r]
            margin = y[p] * alpha * (outputs[r] - f0[p])
            # NaN and infinity fail both comparisons, so that they become candidates.
            if margin > 1.0 + width and margin < np.inf:
                status[p] = 4 * version + SAFE
            else:
                status[p] = 4 * version + CANDIDATE
                candidates += 1
                certain += margin < 1.0 - width
    return candidates, certain


@compiled(fastmath=True)
def settle(sample, alpha, version, status, network, activations, active):
    """Decide all candidates on the fixed path; return the number of violators."""
    x, y, f0 = sample
    first, hidden, out = network
    violators = 0
    for p in range(status.shape[0]):
        if status[p] == 4 * version + INERT:
            violators += 1
        if status[p] != 4 * version + CANDIDATE:
            continue
        f = fixed_output(x[p], first, hidden, out, activations[0], active)
        if 1.0 <= y[p] * alpha * (f - f0[p]) < np.inf:
            status[p] = 4 * version + SAFE
        else:
            violators += 1
    return violators


@compiled(fastmath=True)
def apply_batch(
    batch, sample, alpha, rate, quadratic, version, status, network, scales,
    activations, deltas, slopes, members, active,
):  # fmt: skip
    """Take one step: w += (eta/B) sum over violators of slope y grad f.

    The slope is 1 for hinge and 1 - y F for quadratic_hinge. All gradients are taken at the
    weights before the step; the order of summation is that of the batch.

    Returns
    -------
    int
        Number of violators that pull; 0 if the weights stay, -1 if an output is not finite.
    """
    x, y, f0 = sample
    first, hidden, out = network
    zero, one = out.dtype.type(0), out.dtype.type(1)
    n = 0
    for j in range(batch.shape[0]):
        p = batch[j]
        if status[p] != 4 * version + CANDIDATE:
            continue
        f = fixed_output(x[p], first, hidden, out, activations[n], active)
        if not np.isfinite(f):
            return -1
        margin = y[p] * alpha * (f - f0[p])
        if margin >= one:
            status[p] = 4 * version + SAFE
            continue
        if f == zero:
            status[p] = 4 * version + INERT
            continue
        slopes[n] = rate * y[p] * (one - margin if quadratic else one)
        members[n] = p
        n += 1
    for k in range(n):
        back_propagate(hidden, out, activations[k], deltas[k], active)
    for k in range(n):
        p = members[k]
        add_gradient(slopes[k], scales, x[p], activations[k], deltas[k], first, hidden, out)
    return n


@compiled(fastmath=True)
def smallest_margin(sample, outputs, alpha, slack, network):
    """Return the smallest y F, on the fixed path.

    Only points whose margin from the block path (`outputs`) is within 2 `slack`, its rounding
    error, of the smallest one are evaluated again. NaN if any output is NaN.
    """
    x, y, f0 = sample
    first, hidden, out = network
    margins = np.empty(y.shape[0])
    for p in range(y.shape[0]):
        margins[p] = y[p] * alpha * (outputs[p] - f0[p])
    smallest = margins.min()
    activations = np.empty((hidden.shape[0] + 1, out.shape[0]), out.dtype)
    active = np.empty(max(x.shape[1], out.shape[0]) + 1, np.int64)
    result = np.float64(np.inf)
    for p in range(y.shape[0]):
        if not margins[p] > smallest + 2 * slack:
            f = fixed_output(x[p], first, hidden, out, activations, active)
            margin = np.float64(y[p] * alpha * (f - f0[p]))
            if np.isnan(margin):
                return margin
            result = min(result, margin)
    return result
