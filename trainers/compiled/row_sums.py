"""Weighted sums of the rows of a matrix, and updates of its rows, for one point at a time.

This is the arithmetic of the fixed path: the order of operations is written down, so that it
depends on nothing, not even on what a compiler makes of a loop. Rows are listed, since most
neurons of a rectified layer are silent.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from trainers.compiled.compilation import compiled
from trainers.compiled.registers import VECTOR_BYTES, VECTORS, Entries, Loop, Vectors


def _sum(n_vectors: int) -> Any:
    """Return the compiled :func:`sum_rows` of `n_vectors` vectors of columns."""

    @intrinsic
    def part(typing, values, active, n_active, matrix, column, result):
        if values.dtype != matrix.dtype or result.dtype != matrix.dtype:
            return None
        kinds = (values, active, types.intp, matrix, types.intp, result)
        return types.void(*kinds), codegen

    def codegen(context, builder, signature, arguments):
        kinds = signature.args
        values, active, matrix, result = (
            Entries(context, builder, kinds[k], arguments[k]) for k in (0, 1, 3, 5)
        )
        n_active, column = arguments[2], arguments[4]
        vectors = Vectors(builder, kinds[3].dtype)
        loop = Loop(builder, n_active, [vectors.zero] * n_vectors)
        row = active.load(loop.index)
        value = vectors.splat(values.load(row))
        totals = [
            vectors.multiply_add(
                value, vectors.load(matrix.row(row, column, v * vectors.lanes)), total
            )
            for v, total in enumerate(loop.carried)
        ]
        loop.close(totals)
        for v, total in enumerate(totals):
            vectors.store(total, result.at(column, v * vectors.lanes))
        return context.get_dummy_value()

    return part


def _update(n_vectors: int) -> Any:
    """Return the compiled :func:`add_to_rows` of `n_vectors` vectors of columns."""

    @intrinsic
    def part(typing, step, values, active, n_active, delta, column, matrix):
        if values.dtype != matrix.dtype or delta.dtype != matrix.dtype:
            return None
        kinds = (matrix.dtype, values, active, types.intp, delta, types.intp, matrix)
        return types.void(*kinds), codegen

    def codegen(context, builder, signature, arguments):
        kinds = signature.args
        values, active, delta, matrix = (
            Entries(context, builder, kinds[k], arguments[k]) for k in (1, 2, 4, 6)
        )
        step, n_active, column = arguments[0], arguments[3], arguments[5]
        vectors = Vectors(builder, kinds[6].dtype)
        offsets = [v * vectors.lanes for v in range(n_vectors)]
        columns = [vectors.load(delta.at(column, offset)) for offset in offsets]
        loop = Loop(builder, n_active, [])
        row = active.load(loop.index)
        factor = vectors.splat(builder.fmul(step, values.load(row)))
        for part_of_delta, offset in zip(columns, offsets, strict=True):
            place = matrix.row(row, column, offset)
            old = vectors.load(place)
            vectors.store(vectors.multiply_add(factor, part_of_delta, old), place)
        loop.close([])
        return context.get_dummy_value()

    return part


_sum_wide, _sum_one = _sum(2 * VECTORS), _sum(1)
_sum_half = _sum(VECTORS)
_update_wide, _update_one = _update(VECTORS), _update(1)


@compiled(fastmath=True, counted=False)
def sum_rows(values, active, n_active, matrix, result):
    """Compute result = values @ matrix from the listed entries of `values`, in order."""
    zero = result.dtype.type(0)
    width, lanes = matrix.shape[1], VECTOR_BYTES // matrix.itemsize
    if n_active == 0:
        result[:] = zero
        return
    column = 0
    while column + 2 * VECTORS * lanes <= width:
        _sum_wide(values, active, n_active, matrix, column, result)
        column += 2 * VECTORS * lanes
    if column + VECTORS * lanes <= width:
        _sum_half(values, active, n_active, matrix, column, result)
        column += VECTORS * lanes
    while column < width and width >= lanes:
        # The last vector may overlap its neighbour: it computes the same entries again.
        column = min(column, width - lanes)
        _sum_one(values, active, n_active, matrix, column, result)
        column += lanes
    if column < width:
        result[:] = zero
        for k in range(n_active):
            value = values[active[k]]
            for o in range(width):
                result[o] += value * matrix[active[k], o]


@compiled(fastmath=True, counted=False)
def add_to_rows(step, values, active, n_active, delta, matrix):
    """Add step * outer(values, delta) to the listed rows of `matrix`."""
    width, lanes = matrix.shape[1], VECTOR_BYTES // matrix.itemsize
    if n_active == 0:
        return
    column = 0
    while column + VECTORS * lanes <= width:
        _update_wide(step, values, active, n_active, delta, column, matrix)
        column += VECTORS * lanes
    while column + lanes <= width:
        _update_one(step, values, active, n_active, delta, column, matrix)
        column += lanes
    for k in range(n_active):
        row = active[k]
        factor = step * values[row]
        for o in range(column, width):
            matrix[row, o] += factor * delta[o]
