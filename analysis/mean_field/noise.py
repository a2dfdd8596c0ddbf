"""The Gaussian noise that drives the margins of the effective samples, drawn step by step."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import lapack

from analysis.arrays import FloatArray

SINGULAR = 1e-10
"""Share of C(t, t) below which the noise at a step holds no new direction."""


class Noise:
    """Gaussian noise of the effective samples with the covariance of the weights."""

    def __init__(self, directions: FloatArray) -> None:
        self._directions = directions
        size = len(directions)
        self._factor = np.zeros((size, size), order="F")
        self._step = np.zeros(size, dtype=np.int64)
        self._replica = np.zeros(size, dtype=np.int64)
        self._n = 0

    def draw(self, t: int, c: int, own: FloatArray, other: FloatArray | None) -> FloatArray:
        """Return zeta_c^t given the past; `own` and `other` are the rows C(t, .), C12(t, .)."""
        n = self._n
        row = own[self._step[:n]]
        if other is not None:
            row = np.where(self._replica[:n] == c, row, other[self._step[:n]])
        coefficients = row
        if n:
            coefficients, _ = lapack.dtrtrs(self._factor[:n, :n], row, lower=1)
        variance = own[t] - coefficients @ coefficients
        noise = coefficients @ self._directions[:n]
        # Below it, this noise is a combination of the past: converged descent, or the second
        # replica at the common start.
        if variance > SINGULAR * own[t]:
            scale = math.sqrt(variance)
            self._factor[n, :n], self._factor[n, n] = coefficients, scale
            self._step[n], self._replica[n] = t, c
            noise += scale * self._directions[n]
            self._n = n + 1
        return np.asarray(noise)
