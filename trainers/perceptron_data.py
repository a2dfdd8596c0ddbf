"""Perceptron data: points whose density near the boundary between the labels goes like |x_1|^chi.

x_1 = s a with a random sign s and a^2 ~ Gamma((1 + chi)/2, scale 2), so that the density of a is
proportional to a^chi exp(-a^2/2); the other components are N(0, 1) and the label is s. Only
z = y x/sqrt(d) enters a perceptron, and y x_perp has the law of x_perp: z is drawn directly
(Sclocchi, Geiger and Wyart, arXiv:2301.13703, section 3).
"""

from __future__ import annotations

import math

import numpy as np

from trainers.streams import Purpose, generator


def perceptron_margins(
    n: int, input_dim: int, chi: float, seed: int, purpose: Purpose = Purpose.TRAINSET
) -> np.ndarray:
    """Return z = y x/sqrt(d) of `n` points, shape (n, d), float64.

    Row i does not depend on n. The first column is not negative.

    >>> z = perceptron_margins(8, 4, 1.0, seed=0)
    >>> bool((z[:3] == perceptron_margins(3, 4, 1.0, seed=0)).all())
    True
    """
    others = generator(seed, purpose)
    # 2^128 words ahead, so that neither stream moves the other.
    boundary = np.random.Generator(others.bit_generator.jumped())
    z = np.empty((n, input_dim))
    z[:, 1:] = others.standard_normal((n, input_dim - 1))
    z[:, 0] = np.sqrt(2 * boundary.standard_gamma((1 + chi) / 2, size=n))
    z /= math.sqrt(input_dim)
    return z
