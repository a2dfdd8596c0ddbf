"""The Monte Carlo copies of the effective sample, drawn so that their low moments are exact.

Three reductions of variance, each of which keeps every estimator valid: Gaussian directions are
orthogonal to one another and to the alignments with mean zero and unit variance; alignments are
stratified; the number of active copies is as close to its mean as integers allow.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import linalg, special

from analysis.arrays import FloatArray
from analysis.mean_field.problem import DynamicsProblem

BoolArray = npt.NDArray[np.bool_]
MATCHED_FRACTION = 0.25
"""Directions per copy up to which Gaussian directions are made orthogonal."""


def stream(seed: int, purpose: int) -> np.random.Generator:
    """Return a counter-based generator that depends on nothing but its two keys."""
    mask = (1 << 64) - 1
    return np.random.Generator(np.random.Philox(key=np.array([seed & mask, purpose], np.uint64)))


def draw_alignments(problem: DynamicsProblem, n: int, rng: np.random.Generator) -> FloatArray:
    """Draw a = x.v / sqrt(N), the inputs' components along the hidden direction, shape (n,)."""
    if problem.task == "random":
        return np.zeros(n)
    normal = special.ndtri((rng.permutation(n) + rng.random(n)) / n)
    if problem.task == "mixture":
        return np.asarray(problem.separation + normal)
    return np.abs(normal)


def draw_directions(
    n_directions: int, alignments: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Draw Gaussian directions with moments matched over the copies, shape (n_directions, n).

    The first `MATCHED_FRACTION` n of them are orthonormal over copies and orthogonal to the
    constant and to the alignments; the others are only centred and normalized.
    """
    n = alignments.size
    drawn = rng.standard_normal((n_directions, n))
    drawn -= drawn.mean(axis=1, keepdims=True)
    centred = alignments - alignments.mean()
    if np.any(centred):
        centred /= np.linalg.norm(centred)
        drawn -= (drawn @ centred)[:, None] * centred
    matched = min(n_directions, int(MATCHED_FRACTION * n))
    block = drawn[:matched]
    factor = np.linalg.cholesky(block @ block.T / n)
    drawn[:matched] = linalg.solve_triangular(factor, block, lower=True, check_finite=False)
    drawn[matched:] /= np.sqrt((drawn[matched:] ** 2).mean(axis=1, keepdims=True))
    return drawn


class Selection:
    """Which copies are active, step by step; independent between replicas."""

    def __init__(
        self, problem: DynamicsProblem, n_replicas: int, n: int, rng: np.random.Generator
    ) -> None:
        self._fraction = problem.active_fraction
        self._off, self._on = problem.deactivation, problem.activation
        self._fresh = problem.selection_correlation == 0.0
        self._rng = rng
        self._active = np.zeros((n_replicas, n), dtype=bool)
        self._started = False

    def next(self) -> BoolArray:
        """Return the active copies of the next step, shape (n_replicas, n)."""
        for active in self._active:
            if self._fraction == 1.0:
                active[:] = True
            elif self._fresh or not self._started:
                chosen = self._choose(np.arange(active.size), self._fraction)
                active[:] = False
                active[chosen] = True
            else:
                leaving = self._choose(np.flatnonzero(active), self._off)
                joining = self._choose(np.flatnonzero(~active), self._on)
                active[leaving], active[joining] = False, True
        self._started = True
        return self._active

    def _choose(self, members: npt.NDArray[np.int64], fraction: float) -> npt.NDArray[np.int64]:
        """Choose floor(fraction n + U) of the members."""
        count = math.floor(fraction * members.size + self._rng.random())
        return self._rng.permutation(members)[:count]
