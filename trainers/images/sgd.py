"""The compiled trainer of a convolutional network: exact SGD, one image at a time.

As in :mod:`trainers.kernels.sgd` no work is spent on what is known: a point found safe stays safe
until the weights move, only violators are back-propagated, and once all P points are known at the
present weights the training ends. A look-ahead would gain nothing, since one image is evaluated
as fast as many; and since its output does not depend on how it is evaluated, there is only one
path of arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trainers.batches.ahead import open_batches, row_of
from trainers.compiled.compilation import compiled
from trainers.images.cnn import (
    Work,
    add_image_gradient,
    descend,
    image_output,
    transpose_filters,
)
from trainers.kernels.arrays import Network
from trainers.kernels.sgd import runs_away
from trainers.losses import pull
from trainers.stopping import DIVERGED, FITTED, STEP_BUDGET

_UPDATES, _LAST_STEP, _VIOLATORS, _SAFE, _INERT = range(5)
"""Counters of a training; the last two count points that are known at the present weights."""
_RUNNING = -1


class ImageSample(NamedTuple):
    """All images of a set."""

    x: np.ndarray
    """Pixels with borders, as :func:`trainers.images.cnn.image_output` takes them."""
    y: np.ndarray
    f0: np.ndarray
    trace: np.ndarray
    """Work space: the activations of one image."""


class State(NamedTuple):
    """What a training knows, and its work space."""

    known: np.ndarray
    """The version of the weights at which each point was found safe or inert."""
    counters: np.ndarray
    features: np.ndarray
    work: Work
    gradient: Network


@compiled()
def _state(sample, network, n_updates):
    """Return the state before the first step."""
    known = np.full(sample.y.shape[0], -1, np.int64)
    counters = np.zeros(5, np.int64)
    counters[_UPDATES] = n_updates
    work = Work(np.zeros_like(sample.trace), np.empty_like(network.hidden))
    first, hidden, out, biases = network
    gradient = Network(
        np.zeros_like(first), np.zeros_like(hidden), np.zeros_like(out), np.zeros_like(biases)
    )
    return State(known, counters, np.empty_like(network.out), work, gradient)


@compiled(counted=False)
def _collect(members, begin, end, sample, network, layout, law, version, state):
    """Evaluate the points of a batch that are not known, and sum the gradients of violators.

    Returns
    -------
    int
        Number of points that pull, -1 if an output is not finite.
    """
    x, y, f0, trace = sample
    alpha, rate, loss = law.alpha, law.temperature, law.loss
    known, counters, features, work, gradient = state
    zero, one = f0.dtype.type(0), f0.dtype.type(1)
    n = 0
    for j in range(begin, end):
        p = members[j]
        if known[p] == version:
            continue
        f = image_output(x, p, network, layout, trace, features)
        margin = y[p] * alpha * (f - f0[p])
        if not np.isfinite(margin):
            return -1
        if margin >= one or f == zero:
            # A violator of f = 0 has no gradient: every neuron of the last layer is silent.
            known[p] = version
            counters[_SAFE if margin >= one else _INERT] += 1
            continue
        if n == 0:
            transpose_filters(network.hidden, work.transposed)
        slope = rate * y[p] * pull(loss, margin, one)
        add_image_gradient(slope, x, p, network, layout, trace, features, work, gradient)
        n += 1
    return n


@compiled()
def _take_step(
    members, begin, end, step, sample, network, start, squares, layout, law, max_square, state
):
    """Take step number `step`, counted from 1; return whether and how the training ended."""
    known, counters = state.known, state.counters
    n_known = counters[_SAFE] + counters[_INERT]
    if n_known == known.shape[0]:
        return FITTED if counters[_INERT] == 0 else STEP_BUDGET
    version = counters[_UPDATES]
    used = _collect(members, begin, end, sample, network, layout, law, version, state)
    if used < 0:
        return DIVERGED
    if used == 0:
        return _RUNNING
    descend(state.gradient, squares, network)
    counters[_UPDATES] += 1
    counters[_LAST_STEP] = step
    counters[_VIOLATORS] += used
    counters[_SAFE] = 0
    counters[_INERT] = 0
    away = runs_away(counters[_UPDATES], network, start, squares, max_square)
    return DIVERGED if away else _RUNNING


@compiled(counted=False)
def _is_fitted(sample, network, layout, law, state):
    """Return whether no point is a violator, at the end of the budget."""
    known, counters, features = state.known, state.counters, state.features
    x, y, f0, trace = sample
    if counters[_INERT] > 0:
        return False
    for p in range(known.shape[0]):
        if known[p] != counters[_UPDATES]:
            f = image_output(x, p, network, layout, trace, features)
            margin = y[p] * law.alpha * (f - f0[p])
            if not 1.0 <= margin < np.inf:
                return False
    return True


@compiled()
def _result(code, counters):
    return code, counters[_LAST_STEP], counters[_UPDATES], counters[_VIOLATORS]


@compiled()
def run_images(sample, network, start, squares, layout, law, draw, limits):
    """Train one replica in place; parameters as :func:`trainers.kernels.sgd.run_sgd`.

    Returns
    -------
    tuple of int
        Stop code, last step that moved the weights (0 if none did), updates, violators used.
    """
    step, max_steps, n_updates, max_square = limits
    ahead = open_batches(draw, sample.y.shape[0], step)
    members, offsets = ahead.members, ahead.offsets
    state = _state(sample, network, n_updates)
    while step < max_steps:
        row = row_of(draw, step, max_steps, ahead)
        step += 1
        code = _take_step(
            members, offsets[row], offsets[row + 1], step, sample, network, start, squares,
            layout, law, max_square, state,
        )  # fmt: skip
        if code != _RUNNING:
            return _result(code, state.counters)
    fitted = _is_fitted(sample, network, layout, law, state)
    return _result(FITTED if fitted else STEP_BUDGET, state.counters)
