"""Compiled activation functions, on both paths of the kernel, and which neurons they silence."""

from __future__ import annotations

import math

from trainers.compilation import compiled

RELU, TANH, GELU = 0, 1, 2
CODES = {"relu": RELU, "tanh": TANH, "gelu": GELU}
"""Codes by the names of :data:`search_spaces.choices.ACTIVATIONS`."""

_ROOT_HALF = math.sqrt(0.5)
_DENSITY_AT_ZERO = 1 / math.sqrt(2 * math.pi)


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
                rows[r, j] = math.tanh(rows[r, j])
    else:
        for r in range(n):
            for j in range(rows.shape[1]):
                z = rows[r, j]
                rows[r, j] = z * half * (one + math.erf(z * number(_ROOT_HALF)))


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
            a = math.tanh(values[j])
            values[j] = a
            derivatives[j] = one - a * a
    else:
        for j in range(values.shape[0]):
            z = values[j]
            below = half * (one + math.erf(z * number(_ROOT_HALF)))
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
