"""Synthetic vectors whose laws are known: perceptron data, two clusters, and a teacher.

Coordinates, labels and amplitudes come from streams of their own, so that the first points are
the same for every number of points. Inputs have norm sqrt(d) in the mean, not each.
"""

from __future__ import annotations

import math

import numpy as np

from trainers.batches.streams import Purpose, generator
from trainers.compiled.alignment import aligned_copy, aligned_empty
from trainers.data.dataset import GeneratedDataset

_COORDINATES, _LABELS, _AMPLITUDES = 0, 1, 2


class PerceptronDataset(GeneratedDataset):
    """Inputs whose density vanishes like |x_1|^chi at the boundary x_1 = 0.

    The label is a random sign s. x_1 = s a, where a^2 ~ Gamma((1 + chi)/2, scale 2), so that a
    has the density a^chi exp(-a^2/2) up to a factor; the other coordinates are N(0, 1). chi = 0
    is a half normal, chi = 1 a Rayleigh law. Law of the perceptron of Sclocchi, Geiger and
    Wyart (2023), with their |x_1| replaced by one with Gaussian tails.

    >>> x, y = PerceptronDataset(64, chi=1.0).draw(1000, 0, Purpose.TRAINSET, np.dtype("float64"))
    >>> bool((x[:, 0] * y > 0).all())
    True
    """

    name = "perceptron"

    def __init__(self, input_dim: int, chi: float) -> None:
        self.input_dim, self.chi = input_dim, chi
        self.description = (
            f"random vectors of dimension {input_dim} with labels sign(x_1), density of x_1 "
            f"proportional to |x_1|^{chi:g} near 0"
        )

    def draw(
        self, n: int, seed: int, purpose: Purpose, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the first `n` inputs and labels of a stream."""
        x, y = _coordinates(n, self.input_dim, seed, purpose), _signs(n, seed, purpose)
        squares = generator(seed, purpose, _AMPLITUDES).standard_gamma(0.5 * (1 + self.chi), n)
        x[:, 0] = y * np.sqrt(2 * squares)
        return _cast(x, y, dtype)


class MixtureDataset(GeneratedDataset):
    """Two Gaussian clusters x = y rho v / sqrt(d) + z with random labels y and z ~ N(0, 1).

    Here v = (1, ..., 1), which has norm sqrt(d): the law of z and that of the initial weights
    are the same in all directions, so that v may be any.
    """

    name = "mixture"

    def __init__(self, input_dim: int, cluster_distance: float) -> None:
        self.input_dim, self.cluster_distance = input_dim, cluster_distance
        self.description = (
            f"two Gaussian clusters in dimension {input_dim}, centred at "
            f"+-{cluster_distance:g} widths from the origin"
        )

    def draw(
        self, n: int, seed: int, purpose: Purpose, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the first `n` inputs and labels of a stream."""
        x, y = _coordinates(n, self.input_dim, seed, purpose), _signs(n, seed, purpose)
        x += (self.cluster_distance / math.sqrt(self.input_dim) * y)[:, None]
        return _cast(x, y, dtype)


class TeacherDataset(GeneratedDataset):
    """Inputs x ~ N(0, 1) with labels sign(v.x) of a linear teacher v = (1, ..., 1)."""

    name = "teacher"

    def __init__(self, input_dim: int) -> None:
        self.input_dim = input_dim
        self.description = (
            f"Gaussian vectors of dimension {input_dim}, labels from a linear teacher"
        )

    def draw(
        self, n: int, seed: int, purpose: Purpose, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the first `n` inputs and labels of a stream."""
        x = _coordinates(n, self.input_dim, seed, purpose)
        return _cast(x, np.where(x.sum(axis=1) > 0, 1.0, -1.0), dtype)


def signed_inputs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return z = y x / sqrt(d), in terms of which the margin of a perceptron is w.z."""
    return x * (y / math.sqrt(x.shape[1]))[:, None]


def _coordinates(n: int, input_dim: int, seed: int, purpose: Purpose) -> np.ndarray:
    x = aligned_empty((n, input_dim), np.dtype(np.float64))
    return generator(seed, purpose, _COORDINATES).standard_normal(out=x)


def _signs(n: int, seed: int, purpose: Purpose) -> np.ndarray:
    return np.where(generator(seed, purpose, _LABELS).random(n) < 0.5, 1.0, -1.0)


def _cast(x: np.ndarray, y: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    return x if x.dtype == dtype else aligned_copy(x, dtype), y.astype(dtype, copy=False)
