"""The compiled trainer of one replica: exact SGD that spends no work on steps that change nothing.

Only a few per cent of presentations meet a violator (y F < 1) and move the weights; the others
merely find out that they do not. Batches are a pure function of the step
(:mod:`trainers.batches.ahead`), so the kernel looks ahead: it evaluates the next unknown
points of its own stream in one matrix product, goes to the first batch that holds a violator,
applies it, and continues behind it. A point found safe stays safe until the weights move. Once all
P points are known at the present weights, either none is a violator and the training is fitted, or
the stream is walked, without arithmetic, to the next batch that holds one.

The result is bit for bit that of taking the steps one at a time, whatever the look-ahead: a
point that a matrix product cannot rule out by more than its rounding error is a *candidate*, and
what happens to a candidate is decided on the fixed path (:mod:`trainers.kernels.mlp`).
"""

from __future__ import annotations

import numpy as np

from trainers.batches.ahead import open_batches, row_of
from trainers.compiled.activations import RELU
from trainers.compiled.compilation import compiled
from trainers.compiled.tiles import ROWS
from trainers.kernels.look_ahead import (
    apply_batch,
    classify,
    next_candidate,
    queue_ahead,
    queue_unknown,
    settle,
    step_arrays,
)
from trainers.kernels.mlp import fits_tiles, overhead_rows, squared_distance
from trainers.kernels.tile_scan import scan_tiles
from trainers.stopping import DIVERGED, DIVERGENCE_CHECK, FITTED, STEP_BUDGET

ADAPTIVE = 0
"""Look-ahead that follows the observed fraction of candidates."""
FULL_CHECK = 0.9
"""Fraction of P known at the present weights beyond which all the others are evaluated."""

# Rounding of the block path stays below a fifth of this many units of eps (L+1) |w| |a_L|.
_ROUNDING_FACTOR = 4.0


@compiled()
def look_ahead_target(fraction, overhead, block):
    """Return how many points to evaluate at once when a fraction of them are candidates.

    With an overhead of c rows, m rows cost c + m and reach the next candidate, m rows away or
    less, with probability 1 - exp(-m fraction); the cheapest m is about sqrt(2 c / fraction),
    here rounded to whole tiles.

    Parameters
    ----------
    fraction : float
    overhead : float
        c, in rows.
    block : int
        Most rows of one product.
    """
    rows = np.sqrt(2 * overhead / fraction)
    return min(block, ROWS * max(1, int(rows / ROWS + 0.5)))


@compiled(fastmath=True)
def squared_weight_change(network, start, squares):
    """Return ||w - w0||^2 of the unnormalized parameters."""
    total = (
        squared_distance(network.first.ravel(), start.first.ravel()) / squares[0]
        + squared_distance(network.hidden.ravel(), start.hidden.ravel()) / squares[1]
        + squared_distance(network.out, start.out) / squares[2]
    )
    last = network.biases.shape[0] - 1
    if last > 0:
        total += (
            squared_distance(network.biases[:last].ravel(), start.biases[:last].ravel())
            / squares[3]
        )
        total += squared_distance(network.biases[last, :1], start.biases[last, :1]) / squares[4]
    return total


@compiled(fastmath=True)
def runs_away(n_updates, network, start, squares, max_square):
    """Whether the weights moved too far, looked at after every DIVERGENCE_CHECK updates."""
    if n_updates % DIVERGENCE_CHECK != 0:
        return False
    return not squared_weight_change(network, start, squares) <= max_square


@compiled(fastmath=True)
def squared_changes_by_layer(network, start, squares):
    """Return ||w - w0||^2 of every layer with its biases, the output last; shape (L+1,)."""
    first, hidden, out, biases = network
    depth = hidden.shape[0] + 1
    result = np.empty(depth + 1)
    result[0] = squared_distance(first.ravel(), start.first.ravel()) / squares[0]
    for layer in range(depth - 1):
        change = squared_distance(hidden[layer].ravel(), start.hidden[layer].ravel())
        result[layer + 1] = change / squares[1]
    result[depth] = squared_distance(out, start.out) / squares[2]
    if biases.shape[0] > 0:
        for layer in range(depth):
            result[layer] += squared_distance(biases[layer], start.biases[layer]) / squares[3]
        result[depth] += squared_distance(biases[depth, :1], start.biases[depth, :1]) / squares[4]
    return result


@compiled(fastmath=True)
def rounding_unit(network, law):
    """Return the tolerance for the rounding error of F on the block path per unit of |a_L|.

    A rounded operation is wrong by at most u = eps/2 of a partial sum. Errors of independent
    sign make a sum of n terms wrong by about u sqrt(n/2) of its typical size |a| |U|_F / sqrt(n);
    the output meets 1/sqrt(n) of an error that is spread over n neurons, which leaves
    u sqrt((L+1)/2) of |w| |a_L|, whatever n is. The tolerance, 8 u (L+1), is 16 standard
    deviations of that or more. It rests on this independence: a bound for the worst case grows
    with n and would leave most points undecided.

    Errors of a relu network are relative to its activations. Where the activation saturates
    they are not: there every layer amplifies them by its typical gain |U|_F / sqrt(h) and by
    phi' (at most 1 for tanh and 1.13 for gelu), and no less than 1 is taken for a layer.
    """
    first, hidden, out, biases = network
    total = 0.0
    for j in range(out.shape[0]):
        total += out[j] * out[j]
    unit = _ROUNDING_FACTOR * np.finfo(out.dtype).eps * law.alpha * (hidden.shape[0] + 2)
    if biases.shape[0] > 0:
        total += biases[biases.shape[0] - 1, 0] ** 2
    if law.activation != RELU:
        unit *= law.amplification * _gain(first)
        for layer in range(hidden.shape[0]):
            unit *= _gain(hidden[layer])
    return unit * np.sqrt(total)


@compiled(fastmath=True)
def _gain(matrix):
    """Return |U|_F / sqrt(h), at least 1."""
    total = 0.0
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            total += matrix[i, j] * matrix[i, j]
    return max(1.0, np.sqrt(total / matrix.shape[1]))


@compiled(fastmath=True)
def run_sgd(
    sample, network, start, squares, workspace, law, draw, limits, record, look_ahead, full_check
):
    """Train one replica in place; the named tuples are those of :mod:`trainers.kernels.arrays`.

    Parameters
    ----------
    start : Network
        A copy of the parameters from which the weight change is measured.
    squares : array (5,)
        Squared scales; see :func:`trainers.kernels.mlp.add_gradient`.
    draw : trainers.batches.ahead.Draw
    record : Record
        Holds f of all points on the block path at the end of a fitted training.
    look_ahead : int
        Number of points per matrix product, or ADAPTIVE: tiles where they pay.
    full_check : float
        See FULL_CHECK.

    Returns
    -------
    tuple of int
        Stop code, last step that moved the weights (0 if none did), updates, violators used.
    """
    x = sample.x
    step, max_steps, n_updates, max_square = limits
    n_train, width = x.shape[0], network.out.shape[0]
    ahead = open_batches(draw, n_train, step)
    members, offsets = ahead.members, ahead.offsets
    status = np.full(n_train, -1, np.int64)
    queue = np.empty(max(n_train, 2 * ROWS), np.int64)
    arrays = step_arrays(sample, network, law.activation, draw.batch_size)
    overhead = overhead_rows(network.first.size + network.hidden.size, width, x.itemsize)
    block = workspace.rows.shape[0] - workspace.rows.shape[0] % ROWS
    tolerance = record.tolerance
    tolerance[0] = max(tolerance[0], rounding_unit(network, law))
    in_tiles = look_ahead <= 0 and fits_tiles(width, x.itemsize)
    enough = full_check * n_train

    version, n_known, n_certain = 0, 0, 0
    last_step, n_violators = 0, 0
    seen, hit = 1.0, 1.0
    while step < max_steps:
        row = row_of(draw, step, max_steps, ahead)
        buffer_start, end = step - row, ahead.window[1]
        scans, n_queue, certain = in_tiles and n_known < enough, 0, 0
        found = False
        if scans:
            row, found, n_queue, certain = scan_tiles(
                members, offsets, row, end, enough - n_known, sample, law, record, version,
                status, network, workspace, queue,
            )  # fmt: skip
        elif n_known < n_train:
            if n_known >= enough:
                n_queue = queue_unknown(version, status, queue)
            else:
                target = look_ahead
                if look_ahead <= 0:
                    target = look_ahead_target(hit / seen, overhead, block)
                n_queue, end = queue_ahead(
                    members, offsets, row, end, target, version, status, queue
                )
            candidates, certain = classify(
                queue, n_queue, sample, law, record, version, status, network, workspace
            )
            seen = 0.9 * seen + n_queue
            hit = 0.9 * hit + candidates + certain + 0.02
        n_known += n_queue
        n_certain += certain
        if n_queue > 0 and n_known == n_train and n_certain == 0:
            n_certain = settle(sample, law, version, status, network, arrays)
            if n_certain == 0:
                return FITTED, last_step, n_updates, n_violators
        if not scans:
            row = next_candidate(members, offsets, row, end, version, status)
            found = row < end
        step = buffer_start + row
        if not found:
            continue
        used = apply_batch(
            members, offsets[row], offsets[row + 1], sample, law, version, status, network,
            squares, arrays,
        )  # fmt: skip
        if used < 0:
            return DIVERGED, last_step, n_updates, n_violators
        step += 1
        if used == 0:
            continue
        last_step = step
        n_updates += 1
        n_violators += used
        version += 1
        n_known, n_certain = 0, 0
        tolerance[0] = max(tolerance[0], rounding_unit(network, law))
        if runs_away(n_updates, network, start, squares, max_square):
            return DIVERGED, last_step, n_updates, n_violators

    n_queue = queue_unknown(version, status, queue)
    classify(queue, n_queue, sample, law, record, version, status, network, workspace)
    if settle(sample, law, version, status, network, arrays) == 0:
        return FITTED, last_step, n_updates, n_violators
    return STEP_BUDGET, last_step, n_updates, n_violators
