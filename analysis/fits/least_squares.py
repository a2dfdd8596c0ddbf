"""Nonlinear least squares of many data sets at once, e.g. of all bootstrap samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import FloatArray

RIDGE = 1e-9
"""Added to the normal matrix, lest a parameter that does not matter make it singular."""
_SHIFT = 1e-5
"""Step of the finite differences."""


@dataclass(frozen=True)
class BatchFit:
    """A model of n data sets with m points and k parameters each.

    Examples
    --------
    >>> x = np.arange(4.0)
    >>> line = BatchFit(lambda theta: theta[:, :1] + theta[:, 1:] * x, parameters=(0, 1))
    >>> data = np.stack([1 + 2 * x, 3 - x])
    >>> line.gauss_newton(np.zeros((2, 2)), data, 20).round(6).tolist()
    [[1.0, 2.0], [3.0, -1.0]]
    """

    model: Callable[[FloatArray], FloatArray]
    """Gives the points, shape (n, m), of parameters of shape (n, k)."""
    parameters: Sequence[int]
    """Positions of the parameters to fit; the others stay at their start."""
    jacobian: Callable[[FloatArray], FloatArray] | None = None
    """Derivatives by the parameters to fit, shape (n, m, free); None for finite differences."""
    errors: FloatArray | float = 1.0
    """Standard errors of the points, shape (m,)."""
    bounded: Callable[[FloatArray], FloatArray] = np.asarray
    """Returns parameters within their bounds."""
    largest_step: float = 1.0
    """Largest change of a parameter in one step."""

    def chi2(self, theta: FloatArray, data: FloatArray) -> FloatArray:
        """Return the sum of squared residuals in units of their errors, shape (n,)."""
        return np.asarray((self._residuals(theta, data) ** 2).sum(axis=1))

    def gauss_newton(self, start: FloatArray, data: FloatArray, n_steps: int) -> FloatArray:
        """Fit from parameters close to the best, shape (n, k); data that are NaN are left out."""
        theta, undamped = start, np.zeros(len(start))
        for _ in range(n_steps):
            theta = self.bounded(theta + self._step(theta, data, undamped))
        return theta

    def levenberg_marquardt(self, start: FloatArray, data: FloatArray, n_steps: int) -> FloatArray:
        """Fit from anywhere: a step that makes a data set worse is not taken but shortened."""
        theta, damping = start, np.full(len(start), 1e-2)
        best = self.chi2(theta, data)
        for _ in range(n_steps):
            trial = self.bounded(theta + self._step(theta, data, damping))
            value = self.chi2(trial, data)
            better = value < best
            theta = np.where(better[:, None], trial, theta)
            best = np.where(better, value, best)
            damping = np.where(better, damping / 3, np.minimum(damping * 4, 1e8))
        return theta

    def _residuals(self, theta: FloatArray, data: FloatArray) -> FloatArray:
        return np.where(np.isfinite(data), (data - self.model(theta)) / self.errors, 0.0)

    def _derivatives(self, theta: FloatArray) -> FloatArray:
        if self.jacobian is not None:
            return self.jacobian(theta)
        here, columns = self.model(theta), []
        for k in self.parameters:
            shifted = theta.copy()
            shifted[:, k] += _SHIFT
            columns.append((self.model(shifted) - here) / _SHIFT)
        return np.stack(columns, axis=-1)

    def _step(self, theta: FloatArray, data: FloatArray, damping: FloatArray) -> FloatArray:
        slopes = self._derivatives(theta) / np.reshape(self.errors, (-1, 1))
        slopes = slopes * np.isfinite(data)[..., None]
        normal = np.einsum("nci,ncj->nij", slopes, slopes)
        gradient = np.einsum("nci,nc->ni", slopes, self._residuals(theta, data))
        diagonal = np.einsum("nii->ni", normal) + RIDGE
        added = damping[:, None] * diagonal + RIDGE
        normal = normal + np.eye(len(self.parameters)) * added[:, None, :]
        step = np.zeros_like(theta)
        step[:, list(self.parameters)] = np.linalg.solve(normal, gradient[..., None])[..., 0]
        return np.asarray(np.clip(step, -self.largest_step, self.largest_step))
