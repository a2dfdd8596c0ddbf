"""Where the numbers of a convolutional network lie in the arrays of the compiled kernel.

All activations of one image are the rows of one array: pixel after pixel, layer after layer,
every layer's image with a border of zeros. Their derivatives have the same layout. Channels are
padded to whole vectors; the weights of the channels beyond h are zero and stay zero. A
:class:`Layout` lists, once per network, the rows that each product reads and writes
(:mod:`trainers.compiled.patches`).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from trainers.compiled.patches import ROWS
from trainers.compiled.registers import VECTOR_BYTES

_SIDE = 3

(
    CORNERS,
    PLACES,
    SHIFTS,
    BEGINS,
    OFFSETS,
    TARGETS,
    BACK_CORNERS,
    BACK_PLACES,
    BACK_SHIFTS,
    BACK_BEGINS,
    CLASSES,
) = range(11)
"""Lists of a layer.

- CORNERS, PLACES: by position, the first pixel of its patch below and the row of its output.
- SHIFTS, BEGINS: by row of a patch, its pixels from the corner and its first row of weights.
- OFFSETS, TARGETS: by entry of a patch, its distance from the corner and its row of weights.
- BACK_CORNERS, BACK_PLACES: by pixel below, in classes, a row of the derivatives above and its
  own row.
- BACK_SHIFTS, BACK_BEGINS: by class and entry of the filters that sees it, rows from that row of
  derivatives, and first row of the transposed weights.
- CLASSES: where each class begins in the BACK lists of pixels and of entries, in turns.
"""


class Layout(NamedTuple):
    """All lists of a network, and what the kernel must know beside them."""

    numbers: np.ndarray
    """The lists, one behind the other."""
    table: np.ndarray
    """Where list n of layer k begins and, in the next column, ends; shape (L, 12)."""
    ends: np.ndarray
    """First row of each layer's activations, and the row behind the last; shape (L+1,)."""
    positions: np.ndarray
    """Pixels of each layer's output, shape (L,)."""
    image_rows: int
    """Pixels of an input image with its border."""


def padded_width(width: int, dtype: np.dtype) -> int:
    """Return h rounded up to whole vectors."""
    lanes = VECTOR_BYTES // dtype.itemsize
    return -(-width // lanes) * lanes


@functools.lru_cache(maxsize=16)
def layout_of(input_shape: tuple[int, int, int], depth: int, width: int) -> Layout:
    """Return the layout of a network of strides 1, 2, 1, 2, ...

    Parameters
    ----------
    input_shape
        Channels, height and width of the input.
    width
        Channels of every layer, in whole vectors.
    """
    channels, height, columns = input_shape
    lists, table, positions, ends = [], [], [], [0]
    below, n = 0, 0
    for k in range(depth):
        stride = 1 + k % 2
        shape, above = (height, columns, channels), ends[-1]
        parts = _forward(shape, stride, below, above)
        parts += _backward(shape, stride, below, above, width)
        table.append(n + np.cumsum([0, *(part.size for part in parts)]))
        lists += parts
        n, below = table[-1][-1], above
        height, columns, channels = (height - 1) // stride + 1, (columns - 1) // stride + 1, width
        positions.append(height * columns)
        ends.append(above + (height + 2) * (columns + 2))
    numbers = np.concatenate(lists).astype(np.int64)
    rows = (input_shape[1] + 2) * (input_shape[2] + 2)
    return Layout(numbers, np.array(table), np.array(ends), np.array(positions), rows)


def _forward(shape: tuple[int, int, int], stride: int, below: int, above: int) -> list[np.ndarray]:
    """Return the first six lists of a layer whose images begin at rows `below` and `above`."""
    height, columns, channels = shape
    row, out_row = columns + 2, (columns - 1) // stride + 3
    y, x = np.indices(((height - 1) // stride + 1, (columns - 1) // stride + 1)).reshape(2, -1)
    run, entries = _SIDE * channels, np.arange(_SIDE * _SIDE * channels)
    return [
        _whole_tiles(below + stride * (y * row + x)),
        _whole_tiles(above + (y + 1) * out_row + x + 1),
        row * np.arange(_SIDE),
        run * np.arange(_SIDE),
        _whole_tiles(entries // run * row * channels + entries % run),
        _whole_tiles(entries),
    ]


def _backward(
    shape: tuple[int, int, int], stride: int, below: int, above: int, width: int
) -> list[np.ndarray]:
    """Return the other lists.

    Pixel y below is seen by entry i of the filter at position (y + 1 - i) / stride, where that
    is whole: pixels that are equal modulo the stride form a class, with the same entries.
    """
    height, columns, _ = shape
    row, out_row = columns + 2, (columns - 1) // stride + 3
    corners, places, shifts, taps, classes = [], [], [], [], [(0, 0)]
    for first_y in range(min(stride, height)):
        for first_x in range(min(stride, columns)):
            y, x = np.mgrid[first_y:height:stride, first_x:columns:stride].reshape(2, -1)
            corners.append(_whole_tiles(above + y // stride * out_row + x // stride))
            places.append(_whole_tiles(below + (y + 1) * row + x + 1))
            for i in range(_SIDE):
                for j in range(_SIDE):
                    up, left = first_y + 1 - i, first_x + 1 - j
                    if up % stride == 0 and left % stride == 0:
                        shifts.append((up // stride + 1) * out_row + left // stride + 1)
                        taps.append(_SIDE * i + j)
            classes.append((sum(part.size for part in corners), len(taps)))
    return [
        np.concatenate(corners),
        np.concatenate(places),
        np.array(shifts),
        width * np.array(taps),
        np.array(classes).ravel(),
    ]


def _whole_tiles(rows: np.ndarray) -> np.ndarray:
    """Repeat the last entry until there is a multiple of ROWS."""
    return np.concatenate((rows, np.repeat(rows[-1:], -rows.size % ROWS)))
