"""Products of image patches with filters, and of patches with derivatives, without copies.

Images are arrays of *pixels* (n, c): rows of channels, one image behind the other, with a border
of zeros around each. A row of a patch is a run of neighbouring entries, so that a patch is read
where it is, from a few runs that begin at fixed distances from its first pixel, its *corner*.
Sums stay in registers, as in :mod:`trainers.compiled.tiles`.

Every entry of a result is one chain of multiply-adds, over the entries of its patch or over
positions, in order: it does not depend on what else is computed at the same time.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from trainers.compiled.compilation import compiled
from trainers.compiled.registers import INDEX, VECTOR_BYTES, VECTORS, Entries, Loop, Vectors

ROWS = 4 * max(1, VECTORS // 2)
"""Rows of a tile: with two vectors of columns its sums fill about half of the registers."""


def _product(n_vectors: int) -> Any:
    """Return the compiled product of ROWS patches with `n_vectors` vectors of columns."""

    @intrinsic
    def tile(
        typing, pixels, corners, shifts, begins, run, matrix, column, result, places, gate, gated
    ):
        if pixels.dtype != matrix.dtype or result.dtype != matrix.dtype:
            return None
        kinds = (
            pixels, corners, shifts, begins, types.intp, matrix, types.intp, result, places, gate,
            types.boolean,
        )  # fmt: skip
        return types.void(*kinds), codegen

    def codegen(context, builder, signature, arguments):
        kinds = signature.args
        pixels, corners, shifts, begins, matrix, result, places, gate = (
            Entries(context, builder, kinds[k], arguments[k]) for k in (0, 1, 2, 3, 5, 7, 8, 9)
        )
        run, column, gated = arguments[4], arguments[6], arguments[10]
        vectors = Vectors(builder, kinds[5].dtype)
        inputs = [pixels.row(corners.load(INDEX(r))) for r in range(ROWS)]
        outputs = [places.load(INDEX(r)) for r in range(ROWS)]
        pairs = [(r, v) for r in range(ROWS) for v in range(n_vectors)]

        floor = vectors.floor(builder.not_(gated))
        runs = Loop(builder, shifts.n_rows, [vectors.zero] * len(pairs))
        shift = pixels.distance(shifts.load(runs.index))
        starts = [builder.gep(row, [shift]) for row in inputs]
        begin = begins.load(runs.index)
        loop = Loop(builder, run, runs.carried)
        line = builder.add(begin, loop.index)
        columns = [matrix_part(vectors, matrix, line, column, v) for v in range(n_vectors)]
        entries = [vectors.splat(builder.load(builder.gep(row, [loop.index]))) for row in starts]
        totals = [
            vectors.multiply_add(entries[r], columns[v], total)
            for (r, v), total in zip(pairs, loop.carried, strict=True)
        ]
        loop.close(totals)
        runs.close(totals)
        for (r, v), total in zip(pairs, totals, strict=True):
            value = vectors.rectify(total, floor)
            opening = matrix_part(vectors, gate, outputs[r], column, v)
            value = vectors.gate(value, opening, gated)
            vectors.store(value, result.row(outputs[r], column, v * vectors.lanes))
        return context.get_dummy_value()

    return tile


def _gradient(n_vectors: int) -> Any:
    """Return the compiled sum over positions of ROWS entries of a patch times derivatives."""

    @intrinsic
    def tile(typing, pixels, corners, offsets, targets, deltas, places, n, column, result):
        if pixels.dtype != result.dtype or deltas.dtype != result.dtype:
            return None
        kinds = (
            pixels, corners, offsets, targets, deltas, places, types.intp, types.intp, result
        )  # fmt: skip
        return types.void(*kinds), codegen

    def codegen(context, builder, signature, arguments):
        kinds = signature.args
        pixels, corners, offsets, targets, deltas, places, result = (
            Entries(context, builder, kinds[k], arguments[k]) for k in (0, 1, 2, 3, 4, 5, 8)
        )
        n, column = arguments[6], arguments[7]
        vectors = Vectors(builder, kinds[8].dtype)
        starts = [pixels.at(offsets.load(INDEX(r))) for r in range(ROWS)]
        lines = [targets.load(INDEX(r)) for r in range(ROWS)]
        pairs = [(r, v) for r in range(ROWS) for v in range(n_vectors)]
        before = [matrix_part(vectors, result, lines[r], column, v) for r, v in pairs]

        loop = Loop(builder, n, before)
        distance = pixels.distance(corners.load(loop.index))
        place = places.load(loop.index)
        columns = [matrix_part(vectors, deltas, place, column, v) for v in range(n_vectors)]
        entries = [vectors.splat(builder.load(builder.gep(at, [distance]))) for at in starts]
        totals = [
            vectors.multiply_add(entries[r], columns[v], total)
            for (r, v), total in zip(pairs, loop.carried, strict=True)
        ]
        loop.close(totals)
        for (r, v), total in zip(pairs, totals, strict=True):
            vectors.store(total, result.row(lines[r], column, v * vectors.lanes))
        return context.get_dummy_value()

    return tile


def matrix_part(vectors: Vectors, matrix: Entries, row: Any, column: Any, v: int) -> Any:
    """Read the v-th vector of a row, counted from `column`."""
    return vectors.load(matrix.row(row, column, v * vectors.lanes))


_PAIR = 2
_product_pair, _product_one = _product(_PAIR), _product(1)
_gradient_pair, _gradient_one = _gradient(_PAIR), _gradient(1)


@compiled(counted=False)
def multiply_patches(pixels, corners, shifts, begins, run, matrix, result, places, gate, gated):
    """Multiply patches with a matrix: result[places] = relu(patches(corners) @ matrix).

    Parameters
    ----------
    pixels : array (N, c)
    corners : int64 array
        First pixel of every patch; a multiple of ROWS of them.
    shifts : int64 array (T,)
        Pixels from the corner to the beginning of each run of the patch.
    begins : int64 array (T,)
        Row of the matrix that multiplies the first entry of each run.
    run : int
        Entries of a run.
    matrix : array (K, h)
        h is a multiple of the lanes of a vector.
    result : array (M, h)
    places : int64 array
        Row of the result of every patch.
    gate : array (M, h)
    gated : bool
        Whether, instead of rectifying it, the result is set to 0 where `gate` is not positive.
    """
    width, lanes = matrix.shape[1], VECTOR_BYTES // matrix.itemsize
    column = 0
    while column < width:
        pair = column + _PAIR * lanes <= width
        for first in range(0, corners.shape[0], ROWS):
            if pair:
                _product_pair(
                    pixels, corners[first:], shifts, begins, run, matrix, column, result,
                    places[first:], gate, gated,
                )  # fmt: skip
            else:
                _product_one(
                    pixels, corners[first:], shifts, begins, run, matrix, column, result,
                    places[first:], gate, gated,
                )  # fmt: skip
        column += _PAIR * lanes if pair else lanes


@compiled(counted=False)
def add_patch_products(pixels, corners, offsets, targets, deltas, places, n, result):
    """Add sum over positions of patch (outer) delta to `result`.

    Parameters
    ----------
    pixels : array (N, c)
    corners : int64 array (n or more,)
        First pixel of the patch of every position.
    offsets, targets : int64 array
        Entries from the corner to each entry of a patch, and the row of the result that it
        belongs to; a multiple of ROWS of them, the last ones repeated.
    deltas : array (M, h)
    places : int64 array (n or more,)
        Row of `deltas` of every position.
    result : array (K, h)
    """
    width, lanes = result.shape[1], VECTOR_BYTES // result.itemsize
    column = 0
    while column < width:
        pair = column + _PAIR * lanes <= width
        for first in range(0, offsets.shape[0], ROWS):
            if pair:
                _gradient_pair(
                    pixels, corners, offsets[first:], targets[first:], deltas, places, n, column,
                    result,
                )  # fmt: skip
            else:
                _gradient_one(
                    pixels, corners, offsets[first:], targets[first:], deltas, places, n, column,
                    result,
                )  # fmt: skip
        column += _PAIR * lanes if pair else lanes
