"""Products and row sums in vectors of the processor: values, order, neighbours, and NaN."""

import numpy as np
import pytest

from trainers.compiled.row_sums import add_to_rows, sum_rows
from trainers.compiled.tiles import ROWS, multiply_listed

SHAPES = [(5, 16), (64, 31), (30, 48), (64, 64), (17, 100), (9, 200)]


def arrays(rng, n, d, h, dtype):
    return rng.standard_normal((n, d)).astype(dtype), rng.standard_normal((d, h)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "h"), SHAPES)
@pytest.mark.parametrize("rectify", [False, True])
def test_product_of_listed_rows(d, h, dtype, rectify):
    rng = np.random.default_rng(h)
    rows, matrix = arrays(rng, 40, d, h, dtype)
    for n in (1, ROWS, 2 * ROWS + 1):
        listed = rng.integers(0, 40, n + ROWS)
        result = np.full((n + ROWS, h), np.nan, dtype)
        multiply_listed(rows, listed, n, matrix, result, rectify)
        expected = rows[listed[:n]].astype(float) @ matrix.astype(float)
        if rectify:
            expected = np.maximum(expected, 0)
        assert np.allclose(result[:n], expected, atol=50 * d * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_does_not_depend_on_its_neighbours(dtype):
    rows, matrix = arrays(np.random.default_rng(0), 40, 64, 80, dtype)
    together, alone = np.empty((42, 80), dtype), np.empty((ROWS, 80), dtype)
    multiply_listed(rows, np.r_[np.arange(40), 0, 0], 40, matrix, together, True)
    for r in range(40):
        multiply_listed(rows, np.full(ROWS, r), 1, matrix, alone, True)
        assert (alone[0] == together[r]).all()


def test_rectified_products_keep_nan():
    rows, matrix = arrays(np.random.default_rng(0), ROWS, 8, 32, np.float32)
    rows[2, 3] = np.nan
    result = np.empty((ROWS, 32), np.float32)
    multiply_listed(rows, np.arange(ROWS), ROWS, matrix, result, True)
    assert np.isnan(result[2]).all()
    assert np.isfinite(np.delete(result, 2, axis=0)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "h"), [(4, 3), *SHAPES])
def test_row_sums_and_updates_touch_the_listed_rows_alone(d, h, dtype):
    rng = np.random.default_rng(d)
    (values, *_), matrix = arrays(rng, 2, d, h, dtype)
    delta, listed = rng.standard_normal(h).astype(dtype), np.arange(0, d, 2)
    atol = 50 * d * np.finfo(dtype).eps
    hidden = matrix.copy()
    hidden[1::2] = np.nan
    result = np.full(h, np.nan, dtype)
    sum_rows(values, listed, listed.size, hidden, result)
    assert np.allclose(result, values[::2] @ matrix[::2], atol=atol)
    expected = matrix.copy()
    expected[::2] += dtype(0.3) * np.outer(values[::2], delta)
    add_to_rows(dtype(0.3), values, listed, listed.size, delta, matrix)
    assert np.allclose(matrix, expected, atol=atol)
    assert (matrix[1::2] == expected[1::2]).all()
    for nothing in (result, matrix):
        nothing[...] = 0
    sum_rows(values, listed, 0, hidden, result)
    add_to_rows(dtype(0.3), values, listed, 0, delta, matrix)
    assert not result.any()
    assert not matrix.any()
