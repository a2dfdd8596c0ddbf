"""Displacement and response of a run, from twins that see the same noise under a small field.

Any run whose copies advance together will do: the perceptron's (:mod:`trainers.
perceptron_simulation`) or that of a torch model (:mod:`trainers.fluctuations.model_run`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from search_spaces import Seeds
from search_spaces.numbers import positive_integer, positive_number
from search_spaces.perceptron_dynamics import PerceptronDynamics
from trainers.batches.streams import Purpose, generator
from trainers.fluctuations.simulation import PerceptronRun


class TwinRun(Protocol):
    """Copies of one model's weights that advance together."""

    @property
    def weights(self) -> np.ndarray:
        """Weights, the run itself first, then its twins, shape (copies, N)."""

    @property
    def seeds(self) -> Sequence[Seeds]:
        """Seeds of the run."""

    def add_twins(self, of: int, fields: np.ndarray) -> None:
        """Replace all twins by copies of `of` under fields of shape (n, N)."""

    def advance(self, n_steps: int) -> None:
        """Take steps."""

    def observe(self) -> dict[str, np.ndarray]:
        """Return observables of the run itself, each of shape (1,)."""


@dataclass(frozen=True)
class ResponseRecord:
    """Displacement and response in windows of a stationary run."""

    displacement: np.ndarray
    """B(k) = |w(t+k) - w(t)|^2 / (2N), shape (windows, L + 2)."""
    response: np.ndarray
    """chi(k) = (1/N) sum_i dw_i(t+k) / dH_i, shape (windows, L + 2)."""
    observables: dict[str, np.ndarray]
    """At the start of every window and at the end, each of shape (windows + 1,)."""


def measure_response(
    dynamics: PerceptronDynamics,
    seeds: Seeds,
    *,
    burn_in: int,
    length: int,
    n_windows: int = 3,
    field_strength: float = 0.1,
    n_probes: int = 1,
) -> ResponseRecord:
    """Simulate the perceptron and measure it; see :func:`measure_windows`."""
    run = PerceptronRun(dynamics, [seeds])
    run.advance(burn_in)
    return measure_windows(run, length, n_windows, field_strength, n_probes)


def measure_windows(
    run: TwinRun, length: int, n_windows: int, field_strength: float, n_probes: int = 1
) -> ResponseRecord:
    """Compare a run with twins under small random fields, window after window.

    A twin starts as a copy at the beginning of each window and feels the field H e_i, e_i = +-1,
    in every step; selections and kicks are those of the run.

    Parameters
    ----------
    run
        A run that has forgotten its start.
    length
        L; windows have L + 1 steps.
    n_windows
        Windows, one after the other.
    field_strength
        H.
    n_probes
        Twins, each with its own signs; they reduce the noise of the response.

    Notes
    -----
    The response is one curve per window. The displacement is averaged over all origins from which
    the run is known for L + 1 steps, in as many groups as there are windows.
    """
    for name, value in (("length", length), ("n_windows", n_windows), ("n_probes", n_probes)):
        positive_integer(name, value)
    positive_number("field_strength", field_strength)
    n = run.weights.shape[1]
    response = np.zeros((n_windows, length + 2))
    path = np.empty((n_windows * (length + 1) + 1, n))
    observed = []
    for window in range(n_windows):
        observed.append(run.observe())
        signs = random_signs(run.seeds[0], window, n_probes, n)
        run.add_twins(0, field_strength * signs)
        first = window * (length + 1)
        path[first] = run.weights[0]
        for k in range(1, length + 2):
            run.advance(1)
            path[first + k] = run.weights[0]
            response[window, k] = (signs * (run.weights[1:] - run.weights[0])).mean()
    observed.append(run.observe())
    columns = {name: np.array([row[name][0] for row in observed]) for name in observed[0]}
    displacement = displacements(path, length + 1, n_windows)
    return ResponseRecord(displacement, response / field_strength, columns)


def random_signs(seeds: Seeds, window: int, n_probes: int, n: int) -> np.ndarray:
    """Return the signs e_i of the fields of a window, shape (n_probes, n)."""
    bits = generator(seeds.noise, Purpose.FIELD, window).integers(0, 2, (n_probes, n))
    return 2.0 * bits - 1.0


def displacements(path: np.ndarray, longest: int, n_groups: int) -> np.ndarray:
    """Return |w(t+k) - w(t)|^2 / (2N) for k = 0 .. longest, averaged over groups of origins t.

    Parameters
    ----------
    path : shape (steps, N)
        Weights at successive steps, more than `longest` of them.
    longest
        Largest k.
    n_groups
        Groups of successive origins; with fewer origins than groups, some share an origin.

    Returns
    -------
    array, shape (n_groups, longest + 1)
    """
    n_origins = len(path) - longest
    edges = np.linspace(0, n_origins, n_groups + 1)
    groups = [slice(int(a), max(int(a) + 1, int(b))) for a, b in pairwise(edges)]
    result = np.zeros((n_groups, longest + 1))
    for k in range(1, longest + 1):
        step = path[k : k + n_origins] - path[:n_origins]
        squares = np.einsum("ti,ti->t", step, step) / (2.0 * path.shape[1])
        result[:, k] = [squares[group].mean() for group in groups]
    return result
