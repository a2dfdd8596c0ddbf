"""What the compiled functions hand to each other, by name.

Named tuples cost nothing in compiled code. Shapes: P points of d numbers, L hidden layers of h
neurons.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    """Points with labels, and what the network said of them at w0."""

    x: np.ndarray
    """Shape (P, d)."""
    y: np.ndarray
    """+1 or -1."""
    f0: np.ndarray
    """f(w0, x)."""


class Network(NamedTuple):
    """Scaled parameters, as in :mod:`trainers.kernels.mlp`, or arrays of their shapes."""

    first: np.ndarray
    """Shape (d, h)."""
    hidden: np.ndarray
    """Shape (L-1, h, h)."""
    out: np.ndarray
    """Shape (h,)."""
    biases: np.ndarray
    """Shape (L+1, h), the last row with that of the output alone; (0, h) without biases."""


class Law(NamedTuple):
    """What moves the weights."""

    alpha: float
    temperature: float
    """T = eta/B."""
    loss: int
    """Of :data:`trainers.losses.LOSS_CODES`."""
    activation: int
    """Of :data:`trainers.compiled.activations.CODES`."""
    amplification: float
    """Factor by which long inputs amplify rounding errors."""


class Limits(NamedTuple):
    """From where to where a call trains."""

    first: int
    """Steps before it."""
    last: int
    """Steps behind it."""
    n_updates: int
    """Updates before it."""
    max_square: float
    """||w - w0||^2 beyond which the training counts as diverged."""


class Record(NamedTuple):
    """What is known of the outputs."""

    latest: np.ndarray
    """Last f of every point on the block path, shape (P,)."""
    tolerance: np.ndarray
    """A unit that times the largest |a_L| met so far bounds the rounding error, and this |a_L|
    squared; zero and the value at w0 at first."""


class Workspace(NamedTuple):
    """Buffers of the block path for n rows."""

    rows: np.ndarray
    """Inputs, shape (n, d)."""
    buffers: np.ndarray
    """Two hidden layers, shape (2, n, h)."""
    outputs: np.ndarray
    """Receives f, shape (n,)."""
    order: np.ndarray
    """Indices of input rows, and 0, 1, ..., shape (2, more than n)."""


class StepArrays(NamedTuple):
    """Work space for the n points that pull in one step."""

    traces: np.ndarray
    """Activations and, unless it is relu, phi', shape (n, 1 or 2, L, h)."""
    deltas: np.ndarray
    """df/dz, shape (n, L, h)."""
    slopes: np.ndarray
    pulling: np.ndarray
    """Which points they are."""
    active: np.ndarray
    """Indices of neurons."""
