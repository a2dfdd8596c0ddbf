"""Products of a few listed rows with a matrix, whose sums stay in registers.

A look-ahead evaluates about ten points at a time, too few for the products of a BLAS: calling
it, gathering the rows before and rectifying the result afterwards cost as much again as the
arithmetic. Here six rows, read where they are, are multiplied with up to four vectors of
columns at a time, and rectified before they are written.

Every entry of a product is one chain of multiply-adds over the columns of its row, in order,
whatever its neighbours are.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from trainers.compiled.compilation import compiled
from trainers.compiled.registers import INDEX, VECTOR_BYTES, VECTORS, Entries, Loop, Vectors

ROWS = 6
"""Rows of a tile."""


def _tile(n_vectors: int) -> Any:
    """Return the compiled product of six rows with `n_vectors` vectors of columns.

    Its arguments are those of :func:`multiply_listed` and the first of the rows and of the
    columns: result[first + r, column:] = rows[listed[first + r]] @ matrix[:, column:].
    """

    @intrinsic
    def tile(typing, rows, listed, first, matrix, column, result, rectify):
        if rows.dtype != matrix.dtype or result.dtype != matrix.dtype:
            return None
        kinds = (rows, listed, types.intp, matrix, types.intp, result, types.boolean)
        return types.void(*kinds), codegen

    def codegen(context, builder, signature, arguments):
        kinds = signature.args
        rows, listed, matrix, result = (
            Entries(context, builder, kinds[k], arguments[k]) for k in (0, 1, 3, 5)
        )
        first, column, rectify = arguments[2], arguments[4], arguments[6]
        vectors = Vectors(builder, kinds[3].dtype)
        places = [builder.add(first, INDEX(r)) for r in range(ROWS)]
        inputs = [rows.row(listed.load(place)) for place in places]
        pairs = [(r, v) for r in range(ROWS) for v in range(n_vectors)]

        floor = vectors.floor(rectify)
        loop = Loop(builder, matrix.n_rows, [vectors.zero] * len(pairs))
        columns = [
            vectors.load(matrix.row(loop.index, column, v * vectors.lanes))
            for v in range(n_vectors)
        ]
        entries = [vectors.splat(builder.load(builder.gep(row, [loop.index]))) for row in inputs]
        totals = [
            vectors.multiply_add(entries[r], columns[v], total)
            for (r, v), total in zip(pairs, loop.carried, strict=True)
        ]
        loop.close(totals)
        for (r, v), total in zip(pairs, totals, strict=True):
            place = result.row(places[r], column, v * vectors.lanes)
            vectors.store(vectors.rectify(total, floor), place)
        return context.get_dummy_value()

    return tile


_wide, _half, _narrow = (_tile(n) for n in (VECTORS, max(1, VECTORS // 2), 1))


@compiled(counted=False, inline="always")
def multiply_tile(rows, listed, matrix, result, rectify):
    """Compute :func:`multiply_listed` for one tile, without the cost of a call."""
    width, lanes = matrix.shape[1], VECTOR_BYTES // matrix.itemsize
    column = 0
    while column + VECTORS * lanes <= width:
        _wide(rows, listed, 0, matrix, column, result, rectify)
        column += VECTORS * lanes
    if column + VECTORS // 2 * lanes <= width:
        _half(rows, listed, 0, matrix, column, result, rectify)
        column += VECTORS // 2 * lanes
    while column < width:
        column = min(column, width - lanes)
        _narrow(rows, listed, 0, matrix, column, result, rectify)
        column += lanes


@compiled(counted=False)
def multiply_listed(rows, listed, n, matrix, result, rectify):
    """Compute result[:n] = rows[listed[:n]] @ matrix, and relu of it if `rectify`.

    Parameters
    ----------
    rows : array (N, d)
    listed : int64 array
        Indices of rows, valid up to the next multiple of ROWS beyond `n`.
    matrix : array (d, h)
        At least as wide as a vector.
    result : array (n or more, h)
        Written up to the next multiple of ROWS beyond `n`.
    """
    width, lanes = matrix.shape[1], VECTOR_BYTES // matrix.itemsize
    column = 0
    while column + VECTORS * lanes <= width:
        for first in range(0, n, ROWS):
            _wide(rows, listed, first, matrix, column, result, rectify)
        column += VECTORS * lanes
    if column + VECTORS // 2 * lanes <= width:
        for first in range(0, n, ROWS):
            _half(rows, listed, first, matrix, column, result, rectify)
        column += VECTORS // 2 * lanes
    while column < width:
        # The last vector may overlap its neighbour: it computes the same entries again.
        column = min(column, width - lanes)
        for first in range(0, n, ROWS):
            _narrow(rows, listed, first, matrix, column, result, rectify)
        column += lanes
