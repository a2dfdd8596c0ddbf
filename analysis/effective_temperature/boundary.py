"""How far apart replicas end, and how wide a margin their boundary leaves.

Noise during training keeps two runs on the same data apart, and it pushes the boundary away from
the points on average. "Width" has no single definition; four are reported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.arrays import FloatArray

CONTACT = 0.05
"""|h - kappa| below which a point touches its target margin."""
HARD_QUANTILE = 0.05


@dataclass(frozen=True)
class BoundaryWidth:
    """Distances gamma = h / sqrt(|w|^2/N) of the training points to the boundary."""

    mean: float
    """Mean of gamma."""
    contact: float
    """Fraction of points with |h - kappa| < 0.05."""
    hard: float
    """5 % quantile of gamma, the hard margin."""
    spread: float
    """Standard deviation of gamma."""


def boundary_width(
    margins: npt.ArrayLike, squared_norm: float, target_margin: float = 1.0
) -> BoundaryWidth:
    """Measure the four widths.

    Parameters
    ----------
    margins : any shape
        h of the training points; for any classifier, the first-order distance f / |grad_x f|
        times sqrt(squared_norm).
    squared_norm
        |w|^2 / N; with inputs of unit variance per component gamma is a Euclidean distance.
    target_margin
        kappa.

    Examples
    --------
    >>> boundary_width([1.0, 1.02, 3.0, 3.0], 4.0).contact
    0.5
    """
    h = np.asarray(margins, dtype=np.float64).ravel()
    gamma = h / math.sqrt(squared_norm)
    return BoundaryWidth(
        mean=float(gamma.mean()),
        contact=float((np.abs(h - target_margin) < CONTACT).mean()),
        hard=float(np.quantile(gamma, HARD_QUANTILE)),
        spread=float(gamma.std()),
    )


@dataclass(frozen=True)
class ReplicaDistance:
    """How far apart two runs on the same data ended."""

    weights: float
    """D = |w_1 - w_2|^2 / N."""
    angle: float
    """1 - q = 1 - w_1.w_2 / (|w_1| |w_2|)."""
    disagreement: float
    """Fraction of fresh isotropic points that the two perceptrons label differently."""


def replica_distance(first: FloatArray, second: FloatArray) -> ReplicaDistance:
    """Compare two perceptrons of shape (N,).

    Examples
    --------
    >>> replica_distance(np.array([1.0, 0.0]), np.array([0.0, 1.0])).disagreement
    0.5
    """
    overlap = float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
    return ReplicaDistance(
        weights=float(((first - second) ** 2).mean()),
        angle=1.0 - overlap,
        disagreement=math.acos(min(1.0, max(-1.0, overlap))) / math.pi,
    )


def mean_field_distance(squared_norm: float, distance: float) -> ReplicaDistance:
    """Return the same from the mean-field |w|^2/N and D, both replicas having one norm."""
    overlap = 1.0 - 0.5 * distance / squared_norm
    return ReplicaDistance(
        distance, 1.0 - overlap, math.acos(max(-1.0, min(1.0, overlap))) / math.pi
    )
