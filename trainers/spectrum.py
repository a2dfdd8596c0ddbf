"""The extreme eigenvalue of a symmetric matrix of which only products are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

_DENSE = 64
"""Most rows of a matrix that is written out."""
_TOLERANCE = 1e-6
"""Relative accuracy of an eigenvalue found by Lanczos iterations."""


def top_eigenpair(
    product: Callable[[np.ndarray], np.ndarray],
    begin: np.ndarray,
    which: Literal["LA", "LM"] = "LA",
    tolerance: float = _TOLERANCE,
) -> tuple[float, np.ndarray] | None:
    """Return the eigenvalue that is largest (LA) or largest in magnitude (LM), and its vector.

    Parameters
    ----------
    product
        Returns the matrix times a vector (n,), float64.
    begin
        Start of the Lanczos iterations, shape (n,); also returned, with 0, for a matrix that
        annihilates it.

    Returns
    -------
    tuple or None
        None where the iterations do not converge. The vector has norm 1 and no angle above 90
        degrees with `begin`.
    """
    n = begin.size
    if not product(begin).any():
        return 0.0, begin / np.linalg.norm(begin)
    if n <= _DENSE:
        dense = np.stack([product(row) for row in np.eye(n)])
        values, vectors = np.linalg.eigh((dense + dense.T) / 2)
        best = n - 1 if which == "LA" else int(np.abs(values).argmax())
        value, vector = values[best], vectors[:, best]
    else:
        operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
        try:
            found, rows = eigsh(operator, 1, which=which, v0=begin, tol=tolerance)
        except ArpackNoConvergence:
            return None
        value, vector = found[0], rows[:, 0]
    return float(value), vector if vector @ begin >= 0 else -vector
