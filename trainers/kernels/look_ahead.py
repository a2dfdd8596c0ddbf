"""Which points are known at the present weights, and the compiled steps that look ahead.

Every point has a status relative to the *version* of the weights, which grows by one with every
update: ``8 version`` plus SAFE, QUEUED, INERT, CANDIDATE or VIOLATOR; anything smaller is
unknown. An update thus forgets everything at no cost. Candidates may be violators, as far as
rounding lets one tell. Inert points are violators without a gradient: they never move the
weights, but as long as there is one the training is not fitted.

Compiled functions take groups of arrays as named tuples (:mod:`trainers.kernels.arrays`).
"""

from __future__ import annotations

import numpy as np

from trainers.compiled.activations import RELU
from trainers.compiled.compilation import compiled
from trainers.compiled.tiles import ROWS
from trainers.kernels.arrays import StepArrays
from trainers.kernels.mlp import (
    add_gradient,
    back_propagate,
    fixed_output,
    listed_outputs,
)
from trainers.losses import LOGISTIC, pull

SAFE, QUEUED, INERT, CANDIDATE, VIOLATOR = 0, 1, 2, 3, 4
VERSION = 8
"""Distance between the statuses of successive versions."""


@compiled(counted=False)
def queue_ahead(members, offsets, row, end, target, version, status, queue):
    """Queue the unknown points of the next batches, at least `target` of them if possible.

    Batches as in :mod:`trainers.batches.ahead`. Stops behind a batch that holds a known candidate,
    because the weights may move there.

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


@compiled(counted=False)
def queue_unknown(version, status, queue):
    """Queue every point that is unknown at the present weights; return how many."""
    n_queue = 0
    for p in range(status.shape[0]):
        if status[p] < VERSION * version:
            queue[n_queue] = p
            n_queue += 1
    return n_queue


@compiled(counted=False)
def next_candidate(members, offsets, row, end, version, status):
    """Return the first row in [row, end) whose batch holds a candidate, or `end`."""
    candidate = VERSION * version + CANDIDATE
    while row < end:
        for j in range(offsets[row], offsets[row + 1]):
            if status[members[j]] >= candidate:
                return row
        row += 1
    return row


@compiled(fastmath=True, counted=False, inline="always")
def mark(points, n, outputs, square, sample, alpha, record, version, status):
    """Mark the first `n` points, of which `outputs` are known, as safe, candidate or violator.

    A point is safe if y F > 1 by more than the rounding error of the block path; `square` is the
    largest |a_L|^2 of these points. Other parameters and results as :func:`classify`.
    """
    _, y, f0 = sample
    latest, tolerance = record
    if not square <= tolerance[1]:
        tolerance[1] = square
    width = tolerance[0] * np.sqrt(tolerance[1])
    candidates, certain = 0, 0
    for r in range(n):
        p = points[r]
        latest[p] = outputs[r]
        margin = y[p] * alpha * (outputs[r] - f0[p])
        # NaN and infinity fail both comparisons, so that they become candidates.
        if margin > 1.0 + width and margin < np.inf:
            status[p] = VERSION * version + SAFE
        elif margin < 1.0 - width:
            status[p] = VERSION * version + VIOLATOR
            certain += 1
        else:
            status[p] = VERSION * version + CANDIDATE
            candidates += 1
    return candidates, certain


@compiled(fastmath=True, counted=False)
def classify(queue, n_queue, sample, law, record, version, status, network, workspace):
    """Evaluate the queued points and :func:`mark` them.

    Returns
    -------
    tuple of int
        Numbers of candidates and of violators beyond rounding.
    """
    outputs = workspace.outputs
    block = outputs.shape[0] - outputs.shape[0] % ROWS
    candidates, certain = 0, 0
    for start in range(0, n_queue, block):
        n = min(block, n_queue - start)
        points = queue[start:]
        square = listed_outputs(sample.x, points, n, network, law.activation, workspace)
        found = mark(points, n, outputs, square, sample, law.alpha, record, version, status)
        candidates += found[0]
        certain += found[1]
    return candidates, certain


@compiled(fastmath=True, counted=False)
def settle(sample, law, version, status, network, arrays):
    """Decide all candidates on the fixed path; return the number of violators."""
    x, y, f0 = sample
    trace = arrays.traces[0]
    known = VERSION * version
    violators = 0
    for p in range(status.shape[0]):
        if status[p] == known + CANDIDATE:
            f = fixed_output(x[p], network, law.activation, trace, arrays.active)
            fits = 1.0 <= y[p] * law.alpha * (f - f0[p]) < np.inf
            status[p] = known + (SAFE if fits else VIOLATOR)
        violators += status[p] > known + QUEUED
    return violators


@compiled()
def step_arrays(sample, network, activation, batch_size):
    """Return work space for the points that pull in one step."""
    out = network.out
    depth, width = network.hidden.shape[0] + 1, out.shape[0]
    return StepArrays(
        np.empty((batch_size, 1 if activation == RELU else 2, depth, width), out.dtype),
        np.empty((batch_size, depth, width), out.dtype),
        np.empty(batch_size, out.dtype),
        np.empty(batch_size, np.int64),
        np.empty(max(sample.x.shape[1], width) + 1, np.int64),
    )


@compiled(fastmath=True, counted=False)
def apply_batch(members, begin, end, sample, law, version, status, network, squares, arrays):
    """Take one step: w += (eta/B) sum over the batch members[begin:end] of slope y grad f.

    The slope of a violator is 1 for hinge and 1 - y F for quadratic_hinge, and that of every
    point is sigma(-y F) for logistic. All gradients are taken at the weights before the step;
    the order of summation is that of the batch. `arrays` are from :func:`step_arrays`.

    Returns
    -------
    int
        Number of points that pull; 0 if the weights stay, -1 if an output is not finite.
    """
    x, y, f0 = sample
    alpha, rate, loss, activation, _ = law
    traces, deltas, slopes, pulling, active = arrays
    zero, one = network.out.dtype.type(0), network.out.dtype.type(1)
    known = VERSION * version
    n = 0
    for j in range(begin, end):
        p = members[j]
        if loss != LOGISTIC and status[p] < known + CANDIDATE:
            continue
        f = fixed_output(x[p], network, activation, traces[n], active)
        if not np.isfinite(f):
            return -1
        margin = y[p] * alpha * (f - f0[p])
        if loss != LOGISTIC and margin >= one:
            status[p] = known + SAFE
            continue
        if f == zero and network.biases.shape[0] == 0:
            status[p] = known + INERT
            continue
        slopes[n] = rate * y[p] * pull(loss, margin, one)
        pulling[n] = p
        n += 1
    for k in range(n):
        back_propagate(network, activation, traces[k], deltas[k], active)
    for k in range(n):
        p = pulling[k]
        add_gradient(slopes[k], squares, x[p], traces[k], deltas[k], network, active)
    return n


@compiled(fastmath=True)
def smallest_margin(sample, outputs, alpha, slack, network, activation):
    """Return the smallest y F, on the fixed path.

    Only points whose margin from the block path (`outputs`) is within 2 `slack`, its rounding
    error, of the smallest one are evaluated again. NaN if any output is NaN.
    """
    x, y, f0 = sample
    hidden, out = network.hidden, network.out
    margins = np.empty(y.shape[0])
    for p in range(y.shape[0]):
        margins[p] = y[p] * alpha * (outputs[p] - f0[p])
    smallest = margins.min()
    trace = np.empty((2, hidden.shape[0] + 1, out.shape[0]), out.dtype)
    active = np.empty(max(x.shape[1], out.shape[0]) + 1, np.int64)
    result = np.float64(np.inf)
    for p in range(y.shape[0]):
        if not margins[p] > smallest + 2 * slack:
            f = fixed_output(x[p], network, activation, trace, active)
            margin = np.float64(y[p] * alpha * (f - f0[p]))
            if np.isnan(margin):
                return margin
            result = min(result, margin)
    return result
