"""Compiled arithmetic of the multilayer perceptron: outputs, gradients and updates.

Two paths compute the same output. The *block path* evaluates many points in matrix products, of a
BLAS or, a few listed points at a time, in tiles (:mod:`trainers.compiled.tiles`); it is fast, and
its rounding may depend on how many points share a product. The *fixed path* evaluates one point in
loops whose order depends on nothing else. Only the fixed path enters the dynamics; the block path
only rules out points that are farther from the margin than its rounding error.

Parameters are kept scaled (:func:`trainers.models.replica.layer_scales`), so that a layer is
phi(a @ U + c), as a *network*: `first` (d, h), `hidden` (L-1, h, h), `out` (h,) and `biases`
(L+1, h), whose last row begins with that of the output; without biases it has no rows.
Non-finite numbers must propagate: relu keeps a NaN, and the floating-point freedom granted to
the compiler excludes `nnan` and `ninf`.
"""

from __future__ import annotations

import numpy as np

# Compiled products call this BLAS; threads can only be limited once it is loaded.
import scipy.linalg.cython_blas  # noqa: F401

from trainers.compiled.activations import (
    RELU,
    activate,
    activate_rows,
    all_indices,
    positive_indices,
)
from trainers.compiled.compilation import compiled
from trainers.compiled.registers import VECTOR_BYTES
from trainers.compiled.row_sums import add_to_rows, sum_rows
from trainers.compiled.tiles import ROWS, multiply_listed, multiply_tile

_MAX_BLOCK = 128
_SMALL_PRODUCT = 10**6


def block_rows(width: int) -> int:
    """Return the largest number of rows per matrix product.

    Up to 10^6 multiply-adds OpenBLAS multiplies in place instead of packing both factors first:
    at h = 128 a row costs 0.70 us in blocks of 60 and 1.0 us in blocks of 64. At larger widths
    such blocks have too few rows.

    >>> [block_rows(width) for width in (32, 64, 128, 256, 512)]
    [128, 128, 61, 15, 128]
    """
    rows = _SMALL_PRODUCT // width**2
    return min(rows, _MAX_BLOCK) if rows >= 8 else _MAX_BLOCK


@compiled(counted=False)
def fits_tiles(width, itemsize):
    """Return whether tiles beat a BLAS: a vector is full, and a row of weights is not too long."""
    return VECTOR_BYTES <= width * itemsize <= 2048


@compiled(counted=False)
def overhead_rows(n_weights, width, itemsize):
    """Return how many rows cost as much as what a look-ahead costs on top of its rows.

    That is the time of 25 000 multiply-adds (0.4 us) in tiles; in products of a BLAS twice that
    or, when the weights are packed at every product, that of 50 rows.
    """
    if fits_tiles(width, itemsize):
        return 2.5e4 / n_weights
    return 50.0 if 8 * width**2 > _SMALL_PRODUCT else 5e4 / n_weights


@compiled(fastmath=True)
def block_outputs(rows, n, network, activation, buffers, outputs):
    """Evaluate f at the first `n` input rows by matrix products.

    Parameters
    ----------
    rows : array (n or more, d)
    activation : int
        Code of :mod:`trainers.compiled.activations`.
    buffers : array (2, n or more, h)
    outputs : array (n or more,)
        Receives f.

    Returns
    -------
    float
        Largest squared norm of the last hidden layer, the scale of rounding errors; with biases
        that of a layer with one more neuron, which feeds them.
    """
    first, hidden, out, biases = network
    current, other = buffers[0], buffers[1]
    np.dot(rows[:n], first, current[:n])
    for layer in range(hidden.shape[0]):
        activate_rows(current, n, activation, biases, layer)
        np.dot(current[:n], hidden[layer], other[:n])
        current, other = other, current
    if activation == RELU and biases.shape[0] == 0:
        return _weigh_rectified(current, n, out, outputs)
    activate_rows(current, n, activation, biases, hidden.shape[0])
    return _weigh(current, n, out, biases, outputs)


@compiled(fastmath=True, counted=False)
def listed_outputs(x, listed, n, network, activation, workspace):
    """Evaluate f at the first `n` listed rows of `x`, in tiles where they pay.

    Parameters
    ----------
    x : array (N, d)
    listed : int64 array (n or more,)
    workspace : Workspace
        From :func:`trainers.kernels.preparation.workspace`; receives f.

    Returns
    -------
    float
        As :func:`block_outputs`.
    """
    first, hidden, out, biases = network
    rows, buffers, outputs, order = workspace
    if not fits_tiles(out.shape[0], out.itemsize):
        for r in range(n):
            for j in range(x.shape[1]):
                rows[r, j] = x[listed[r], j]
        return block_outputs(rows, n, network, activation, buffers, outputs)
    for r in range(n):
        order[0, r] = listed[r]
    for r in range(n, n + ROWS):
        order[0, r] = listed[n - 1]
    rectified = activation == RELU and biases.shape[0] == 0
    current, other = buffers[0], buffers[1]
    multiply_listed(x, order[0], n, first, current, rectified)
    for layer in range(hidden.shape[0]):
        if not rectified:
            activate_rows(current, n, activation, biases, layer)
        multiply_listed(current, order[1], n, hidden[layer], other, rectified)
        current, other = other, current
    if not rectified:
        activate_rows(current, n, activation, biases, hidden.shape[0])
    return _weigh(current, n, out, biases, outputs)


@compiled(fastmath=True, counted=False)
def tile_outputs(x, listed, network, activation, workspace):
    """Evaluate f at six listed rows of `x`; parameters and result as :func:`listed_outputs`.

    The same bits as there, where :func:`fits_tiles`.
    """
    first, hidden, out, biases = network
    _, buffers, outputs, order = workspace
    rectified = activation == RELU and biases.shape[0] == 0
    current, other = buffers[0], buffers[1]
    multiply_tile(x, listed, first, current, rectified)
    for layer in range(hidden.shape[0]):
        if not rectified:
            activate_rows(current, ROWS, activation, biases, layer)
        multiply_tile(current, order[1], hidden[layer], other, rectified)
        current, other = other, current
    if not rectified:
        activate_rows(current, ROWS, activation, biases, hidden.shape[0])
    return _weigh(current, ROWS, out, biases, outputs)


@compiled(fastmath=True, counted=False)
def _weigh_rectified(fields, n, out, outputs):
    """Compute outputs = relu(fields) @ out; return the largest |relu(fields)|^2 of a row."""
    zero = out.dtype.type(0)
    largest = zero
    for r in range(n):
        f = zero
        square = zero
        for j in range(out.shape[0]):
            z = fields[r, j]
            a = zero if z < zero else z
            f += a * out[j]
            square += a * a
        outputs[r] = f
        if not square <= largest:
            largest = square
    return largest


@compiled(fastmath=True, counted=False, inline="always")
def _weigh(values, n, out, biases, outputs):
    """Compute outputs = values @ out + bias; return the largest |values|^2 of a row."""
    zero = out.dtype.type(0)
    offset, largest = zero, zero
    if biases.shape[0] > 0:
        offset = biases[biases.shape[0] - 1, 0]
    for r in range(n):
        f = zero
        square = zero if biases.shape[0] == 0 else out.dtype.type(1)
        for j in range(out.shape[0]):
            f += values[r, j] * out[j]
            square += values[r, j] * values[r, j]
        outputs[r] = f + offset
        if not square <= largest:
            largest = square
    return largest


@compiled(fastmath=True)
def evaluate_all(x, network, activation, workspace, results):
    """Evaluate f of all rows of `x` in blocks of fixed shape; return the largest |a_L|^2."""
    buffers = workspace.buffers
    block = buffers.shape[1]
    largest = 0.0
    for start in range(0, x.shape[0], block):
        n = min(block, x.shape[0] - start)
        square = block_outputs(x[start:], n, network, activation, buffers, results[start:])
        if not square <= largest:
            largest = square
    return largest


@compiled(fastmath=True, counted=False)
def layer_backward(matrix, upper, active, n_active, result):
    """Compute result = matrix @ upper for the listed entries of `result`, 0 for the others."""
    zero = result.dtype.type(0)
    result[:] = zero
    k = 0
    while k + 4 <= n_active:
        j0, j1, j2, j3 = active[k], active[k + 1], active[k + 2], active[k + 3]
        s0, s1, s2, s3 = zero, zero, zero, zero
        for o in range(upper.shape[0]):
            u = upper[o]
            s0 += matrix[j0, o] * u
            s1 += matrix[j1, o] * u
            s2 += matrix[j2, o] * u
            s3 += matrix[j3, o] * u
        result[j0], result[j1], result[j2], result[j3] = s0, s1, s2, s3
        k += 4
    while k < n_active:
        j0, s0 = active[k], zero
        for o in range(upper.shape[0]):
            s0 += matrix[j0, o] * upper[o]
        result[j0] = s0
        k += 1


@compiled(fastmath=True, counted=False)
def fixed_output(x, network, activation, trace, active):
    """Evaluate f at one point on the fixed path.

    Parameters
    ----------
    trace : array (2, L, h), or (1, L, h) for relu
        Receives the activations and, unless it is relu, phi'.
    active : int64 array
        Work space of more than max(d, h) entries.
    """
    first, hidden, out, biases = network
    activations, derivatives = trace[0], trace[trace.shape[0] - 1]
    n = positive_indices(x, active)
    sum_rows(x, active, n, first, activations[0])
    activate(activations[0], derivatives[0], activation, biases, 0)
    for layer in range(hidden.shape[0]):
        n = positive_indices(activations[layer], active)
        sum_rows(activations[layer], active, n, hidden[layer], activations[layer + 1])
        activate(activations[layer + 1], derivatives[layer + 1], activation, biases, layer + 1)
    f = out.dtype.type(0)
    last = activations[hidden.shape[0]]
    for j in range(out.shape[0]):
        f += last[j] * out[j]
    if biases.shape[0] > 0:
        f += biases[biases.shape[0] - 1, 0]
    return f


@compiled(fastmath=True, counted=False)
def back_propagate(network, activation, trace, deltas, active):
    """Compute deltas (L, h) = df/dz of every hidden layer, from the trace of the point."""
    hidden, out = network.hidden, network.out
    activations, derivatives = trace[0], trace[trace.shape[0] - 1]
    zero = out.dtype.type(0)
    last = hidden.shape[0]
    if activation == RELU:
        for j in range(out.shape[0]):
            deltas[last, j] = zero if activations[last, j] == zero else out[j]
        for layer in range(last - 1, -1, -1):
            n = positive_indices(activations[layer], active)
            layer_backward(hidden[layer], deltas[layer + 1], active, n, deltas[layer])
        return
    n = all_indices(out.shape[0], active)
    for j in range(out.shape[0]):
        deltas[last, j] = out[j] * derivatives[last, j]
    for layer in range(last - 1, -1, -1):
        layer_backward(hidden[layer], deltas[layer + 1], active, n, deltas[layer])
        for j in range(out.shape[0]):
            deltas[layer, j] *= derivatives[layer, j]


@compiled(fastmath=True, counted=False)
def add_gradient(step, squares, x, trace, deltas, network, active):
    """Add step * grad f of one sample to the scaled parameters.

    `squares` (5,) holds the squared scales of the first, the other hidden and the output layer,
    and of the biases of hidden layers and of the output.
    """
    first, hidden, out, biases = network
    activations = trace[0]
    n = positive_indices(x, active)
    add_to_rows(step * squares[0], x, active, n, deltas[0], first)
    for layer in range(hidden.shape[0]):
        factor = step * squares[1]
        values = activations[layer]
        n = positive_indices(values, active)
        add_to_rows(factor, values, active, n, deltas[layer + 1], hidden[layer])
    factor = step * squares[2]
    last = activations[hidden.shape[0]]
    for j in range(out.shape[0]):
        out[j] += factor * last[j]
    if biases.shape[0] > 0:
        for layer in range(deltas.shape[0]):
            for j in range(out.shape[0]):
                biases[layer, j] += step * squares[3] * deltas[layer, j]
        biases[deltas.shape[0], 0] += step * squares[4]


@compiled(fastmath=True, counted=False)
def squared_distance(a, b):
    """Return the sum of (a - b)^2 over flat arrays, in double precision."""
    total = 0.0
    for i in range(a.shape[0]):
        difference = np.float64(a[i]) - np.float64(b[i])
        total += difference * difference
    return total
