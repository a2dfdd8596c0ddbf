"""Compiled arithmetic of the convolutional network: outputs, gradients and updates.

One image at a time: a layer multiplies tens to hundreds of patches, so that there is little to
gain from evaluating several images together. What is computed of an image is a function of the
weights and the image alone, bit for bit, so that nothing has to be decided twice.

Parameters are those of :mod:`trainers.kernels.mlp` without biases: `first` (9 c, h), `hidden`
(L-1, 9 h, h) and `out` (h,), scaled, with h in whole vectors (:mod:`trainers.images.layout`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trainers.compiled.compilation import compiled
from trainers.compiled.patches import add_patch_products, multiply_patches
from trainers.images.layout import (
    BACK_BEGINS,
    BACK_CORNERS,
    BACK_PLACES,
    BACK_SHIFTS,
    BEGINS,
    CLASSES,
    CORNERS,
    OFFSETS,
    PLACES,
    SHIFTS,
    TARGETS,
)


class Work(NamedTuple):
    """Work space of a gradient."""

    deltas: np.ndarray
    """Derivatives by the fields, an array like `trace` with borders of zeros."""
    transposed: np.ndarray
    """Transposed filters."""


@compiled(counted=False)
def image_output(x, p, network, layout, trace, features):
    """Evaluate f at image `p`.

    Parameters
    ----------
    x : array (N * rows, c)
        Pixels of images with their borders, one image behind the other.
    trace : array (rows, h)
        Receives the activations of all layers; its borders are zero.
    features : array (h,)
        Receives the average of the last layer over positions.
    """
    first, hidden, out, _ = network
    _, _, ends, positions, image_rows = layout
    pixels, last = x[p * image_rows : (p + 1) * image_rows], hidden.shape[0]
    _forward(pixels, first, layout, 0, trace)
    for k in range(1, last + 1):
        _forward(trace, hidden[k - 1], layout, k, trace)
    for j in range(out.shape[0]):
        features[j] = 0
    for row in range(ends[last], ends[last + 1]):
        for j in range(out.shape[0]):
            features[j] += trace[row, j]
    f = out.dtype.type(0)
    for j in range(out.shape[0]):
        features[j] /= out.dtype.type(positions[last])
        f += features[j] * out[j]
    return f


@compiled()
def image_outputs(x, network, layout, trace, values):
    """Evaluate f at the first images of `x`, as many as there are `values`."""
    features = np.empty_like(network.out)
    for p in range(values.shape[0]):
        values[p] = image_output(x, p, network, layout, trace, features)


@compiled(counted=False)
def add_image_gradient(slope, x, p, network, layout, trace, features, work, gradient):
    """Add slope * grad f of image `p` to `gradient`, from what :func:`image_output` left.

    Parameters
    ----------
    work : Work
    gradient : Network
        Derivatives by the scaled parameters.
    """
    hidden, out = network.hidden, network.out
    deltas, transposed = work.deltas, work.transposed
    _, _, ends, positions, image_rows = layout
    last, zero = hidden.shape[0], out.dtype.type(0)
    share = slope / out.dtype.type(positions[last])
    for j in range(out.shape[0]):
        gradient.out[j] += slope * features[j]
    for row in range(ends[last], ends[last + 1]):
        for j in range(out.shape[0]):
            deltas[row, j] = share * out[j] * (trace[row, j] > zero)
    for k in range(last, 0, -1):
        _add_products(trace, deltas, layout, k, gradient.hidden[k - 1])
        _backward(deltas, transposed[k - 1], layout, k, trace)
    pixels = x[p * image_rows : (p + 1) * image_rows]
    _add_products(pixels, deltas, layout, 0, gradient.first)


@compiled(counted=False)
def transpose_filters(hidden, transposed):
    """Transpose the (h, h) matrix of each of the nine entries of the filters of all layers."""
    width = hidden.shape[2]
    for k in range(hidden.shape[0]):
        for tap in range(0, 9 * width, width):
            for i in range(width):
                for j in range(width):
                    transposed[k, tap + i, j] = hidden[k, tap + j, i]


@compiled()
def descend(gradient, squares, network):
    """Add the gradient times the squared scales to the scaled parameters, and forget it."""
    _descend(gradient.first.ravel(), squares[0], network.first.ravel())
    _descend(gradient.hidden.ravel(), squares[1], network.hidden.ravel())
    _descend(gradient.out, squares[2], network.out)


@compiled(inline="always", counted=False)
def _listed(layout, k, kind):
    """Return one of the lists of layer `k`."""
    return layout.numbers[layout.table[k, kind] : layout.table[k, kind + 1]]


@compiled(counted=False)
def _forward(pixels, matrix, layout, k, trace):
    """Compute relu(patches @ matrix) of layer `k`."""
    begins = _listed(layout, k, BEGINS)
    multiply_patches(
        pixels,
        _listed(layout, k, CORNERS),
        _listed(layout, k, SHIFTS),
        begins,
        matrix.shape[0] // begins.shape[0],
        matrix,
        trace,
        _listed(layout, k, PLACES),
        trace,
        False,
    )


@compiled(counted=False)
def _add_products(pixels, deltas, layout, k, gradient):
    """Add the derivatives by the weights of layer `k`."""
    add_patch_products(
        pixels,
        _listed(layout, k, CORNERS),
        _listed(layout, k, OFFSETS),
        _listed(layout, k, TARGETS),
        deltas,
        _listed(layout, k, PLACES),
        layout.positions[k],
        gradient,
    )


@compiled(counted=False)
def _backward(deltas, transposed, layout, k, trace):
    """Compute the derivatives by the fields of layer `k` - 1 from those of layer `k`."""
    corners, places = _listed(layout, k, BACK_CORNERS), _listed(layout, k, BACK_PLACES)
    shifts, begins = _listed(layout, k, BACK_SHIFTS), _listed(layout, k, BACK_BEGINS)
    classes = _listed(layout, k, CLASSES)
    for c in range(0, classes.shape[0] - 2, 2):
        multiply_patches(
            deltas,
            corners[classes[c] : classes[c + 2]],
            shifts[classes[c + 1] : classes[c + 3]],
            begins[classes[c + 1] : classes[c + 3]],
            deltas.shape[1],
            transposed,
            deltas,
            places[classes[c] : classes[c + 2]],
            trace,
            True,
        )


@compiled(counted=False)
def _descend(gradient, square, weights):
    zero = weights.dtype.type(0)
    for i in range(weights.shape[0]):
        weights[i] += square * gradient[i]
        gradient[i] = zero
