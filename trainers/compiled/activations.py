"""Compiled activation functions, on both paths of the kernel, and which neurons they silence.

A mathematical library computes tanh and erf one number at a time. In single precision both are
ratios of polynomials here, z P(z^2) / Q(z^2), computed in double precision, which a compiler turns
into vectors: five times as fast and rounded as well as the library's. The coefficients minimize
the largest relative error, below 3e-9, up to where the function is 1 in single precision.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from trainers.compiled.compilation import compiled

RELU, TANH, GELU = 0, 1, 2
CODES = {"relu": RELU, "tanh": TANH, "gelu": GELU}
"""Codes by the names of :data:`search_spaces.choices.ACTIVATIONS`."""

_ROOT_HALF = math.sqrt(0.5)
_DENSITY_AT_ZERO = 1 / math.sqrt(2 * math.pi)


@compiled(inline="always", counted=False)
def _within(z, bound):
    """Return z in double precision between -bound and bound; NaN stays NaN."""
    x = bound if z > bound else np.float64(z)
    return -bound if x < -bound else x


def tanh(z):
    """Return tanh z, in the precision of z."""
    return math.tanh(z)


@overload(tanh, inline="always")
def _tanh(z):
    if z != types.float32:
        return lambda z: math.tanh(z)

    def single(z):
        x = _within(z, 9.0)
        u = x * x
        p = 2.8034233895e-5 + u * (3.06491251475e-8 + u * -1.22507140316e-11)
        p = 0.999999998768 + u * (0.136809772558 + u * (0.00386965781052 + u * p))
        q = 0.0272507089909 + u * (0.000394097403905 + u * 1.28923369505e-6)
        return np.float32(x * p / (1.0 + u * (0.47014309368 + u * q)))

    return single


def erf(z):
    """Return the error function of z, in the precision of z."""
    return math.erf(z)


@overload(erf, inline="always")
def _erf(z):
    if z != types.float32:
        return lambda z: math.erf(z)

    def single(z):
        x = _within(z, 4.2)
        u = x * x
        p = 3.8301661169308e-4 + u * (4.7754036825457e-6 + u * -1.3672165705844e-8)
        p = 0.185213222327603 + u * (0.0543960381855144 + u * (3.8601732217949e-3 + u * p))
        q = 0.0154950486596729 + u * (1.3143078084211e-3 + u * 6.3970025306557e-5)
        q = 1.0 + u * (0.497474368703786 + u * (0.114031435270764 + u * q))
        return np.float32(x * (1.1283791696641238 + u * p) / q)

    return single


@compiled(fastmath=True, counted=False)
def activate_rows(rows, n, activation, biases, layer):
    """Replace the first `n` rows (n, h) of fields by their activations; NaN stays NaN."""
    number = rows.dtype.type
    zero, half, one = number(0), number(0.5), number(1)
    if biases.shape[0] > 0:
        for r in range(n):
            for j in range(rows.shape[1]):
                rows[r, j] += biases[layer, j]
    if activation == RELU:
        for r in range(n):
            for j in range(rows.shape[1]):
                z = rows[r, j]
                rows[r, j] = zero if z < zero else z
    elif activation == TANH:
        for r in range(n):
            for j in range(rows.shape[1]):
                rows[r, j] = tanh(rows[r, j])
    else:
        for r in range(n):
            for j in range(rows.shape[1]):
                z = rows[r, j]
                rows[r, j] = z * half * (one + erf(z * number(_ROOT_HALF)))


@compiled(fastmath=True, counted=False)
def activate(values, derivatives, activation, biases, layer):
    """Replace fields (h,) by activations; write phi' unless relu, whose sign tells it."""
    number = values.dtype.type
    zero, half, one = number(0), number(0.5), number(1)
    if biases.shape[0] > 0:
        for j in range(values.shape[0]):
            values[j] += biases[layer, j]
    if activation == RELU:
        for j in range(values.shape[0]):
            z = values[j]
            values[j] = zero if z < zero else z
    elif activation == TANH:
        for j in range(values.shape[0]):
            a = tanh(values[j])
            values[j] = a
            derivatives[j] = one - a * a
    else:
        for j in range(values.shape[0]):
            z = values[j]
            below = half * (one + erf(z * number(_ROOT_HALF)))
            values[j] = z * below
            density = number(_DENSITY_AT_ZERO) * math.exp(-half * z * z)
            derivatives[j] = below + z * density


@compiled(fastmath=True, counted=False)
def positive_indices(values, active):
    """List the indices of the non-zero (or NaN) entries of `values`; return how many."""
    n = 0
    zero = values.dtype.type(0)
    for j in range(values.shape[0]):
        active[n] = j
        n += values[j] != zero
    return n


@compiled(counted=False)
def all_indices(n, active):
    """List the indices 0..n-1; return n."""
    for j in range(n):
        active[j] = j
    return n
