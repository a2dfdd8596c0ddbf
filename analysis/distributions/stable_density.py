"""Density and tail of the symmetric stable law, computed row by row for the table.

The law S(tail_index, scale) has the characteristic function exp(-|scale k|^tail_index); at tail
index 2 it is a Gaussian of variance 2 scale^2. Near the centre the Fourier integral is done by
Gauss-Legendre panels, far out the series in 1/x is summed; a plain fast Fourier transform
aliases, which destroys the tail.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from analysis.arrays import FloatArray

TINY = -745.0
"""Logarithm below which a density or tail probability counts as zero."""


def jump_constant(tail_index: FloatArray | float) -> FloatArray:
    r"""Return C of the tail, C = Gamma(1 + a) sin(pi a / 2) / pi for tail index a.

    P(abs(X) > x) ~ (2 C / a) (scale/x)^a, and the Levy measure at unit scale is
    C abs(y)^(-1-a) dy. It vanishes at a = 2, where there are no jumps.

    >>> print(f"{float(jump_constant(1.0) * np.pi):.6f}")
    1.000000
    """
    a = np.asarray(tail_index, dtype=float)
    # sin(pi a / 2) = sin(pi (2 - a) / 2): exactly zero at a = 2.
    constant: FloatArray = special.gamma(1 + a) * np.sin(np.pi * (2 - a) / 2) / np.pi
    return constant


def density_row(tail_index: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return log density and log tail probability P(X > x) at unit scale.

    Parameters
    ----------
    tail_index
        From 0.5 to 2.
    x : shape (m,)
        Increasing, not negative.
    """
    if tail_index == 2:
        return -(x**2) / 4 - np.log(2 * np.sqrt(np.pi)), special.log_ndtr(-x / np.sqrt(2))
    # The series converges for indices up to 1 and is asymptotic beyond.
    crossover = 3.0 if tail_index <= 1 else 12.0
    near = x <= crossover
    density, tail = np.empty_like(x), np.empty_like(x)
    density[near], tail[near] = _fourier(tail_index, x[near], crossover)
    density[~near], tail[~near] = _series(tail_index, x[~near])
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(density), TINY), np.maximum(np.log(tail), TINY)


def _fourier(tail_index: float, x: FloatArray, largest: float) -> tuple[FloatArray, FloatArray]:
    """Integrate exp(-k^a) cos(kx) and exp(-k^a) sin(kx)/k over k, shape of `x` each."""
    end = 40 ** (1 / tail_index)
    width = min(0.75 * np.pi / largest, 1.0)
    # k^a is not smooth at 0: the first panel is split geometrically.
    first = width * 0.5 ** np.arange(30, -1, -1)
    edges = np.concatenate([[0.0], first, np.arange(2, int(np.ceil(end / width)) + 1) * width])
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges) / 2
    k = (edges[:-1, None] + half[:, None] * (1 + nodes)).ravel()
    weight = (half[:, None] * weights).ravel() * np.exp(-(k**tail_index)) / np.pi
    density, tail = np.zeros_like(x), np.full_like(x, 0.5)
    for begin in range(0, k.size, 4096):
        part = slice(begin, begin + 4096)
        phase = np.outer(x, k[part])
        density += np.cos(phase) @ weight[part]
        tail -= np.sin(phase) @ (weight[part] / k[part])
    return density, tail


def _series(tail_index: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum (-1)^(j+1) Gamma(j a + 1)/j! sin(pi j a / 2) x^(-j a - 1) / pi until it grows."""
    a, log_x = tail_index, np.log(x)
    density, tail = np.zeros_like(x), np.zeros_like(x)
    last = np.full_like(x, np.inf)
    for j in range(1, 200):
        log_size = special.gammaln(j * a + 1) - special.gammaln(j + 1) - j * a * log_x
        growing = log_size > last
        last = np.where(growing, -np.inf, log_size)
        if np.all(last < np.log(density + 1e-300) - log_x - 45):
            break
        term = np.where(growing, 0.0, np.exp(log_size)) * np.sin(np.pi * j * a / 2) / np.pi
        density += (-1) ** (j + 1) * term / x
        tail += (-1) ** (j + 1) * term / (j * a)
    return density, tail
