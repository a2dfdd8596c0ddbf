"""The memory of a mean-field solution, estimated before it is begun.

Kernels and copies have known sizes. The tangent process (:mod:`analysis.mean_field.tangent`) is
larger than both, and what it stores depends on the solution: copies beyond the hinge have no
response, and in full batch copies of one history share theirs
(:mod:`analysis.mean_field.grouped_tangent`). So the worst case is taken if it fits, and otherwise
the histories of a small solution, a pilot.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from analysis.mean_field import grouped_tangent
from analysis.mean_field.problem import MARGIN_LOSSES, DynamicsProblem, SolveDynamicsError
from analysis.mean_field.tangent import tangent_bytes

History = npt.NDArray[np.bool_]
"""Which copies of a pilot have a curvature, shape (steps, copies)."""
PILOT_COPIES = 2000
PILOT_RESPONSE = 100
PILOT_STEPS = 2000
"""Longer solutions are taken for their worst case."""
WORK_AREAS = 0.025
"""Gigabytes for the work areas of linear algebra."""
_SLACK = 1.8
"""Memory over columns in use: blocks grow by a half and leave holes behind. Measured: 1.5-1.85."""
_FEWEST = 100
"""The solver needs that many samples."""


def shares_histories(problem: DynamicsProblem) -> bool:
    """Whether copies with one history share their responses."""
    return problem.active_fraction == 1.0 and MARGIN_LOSSES[problem.loss].two_valued


def gigabytes(
    problem: DynamicsProblem,
    n_steps: int,
    n_samples: int,
    n_response: int,
    n_replicas: int,
    history: History | None = None,
) -> float:
    """Return what a solution takes; without a pilot, or beyond its steps, the worst case."""
    rows = n_steps + 1
    copies = 16.0 * n_replicas * n_samples * rows
    # Kernels of each replica and of the pair, the response, sums, and the factor of the noise.
    kernels = 8.0 * rows**2 * (3 + 2 * n_replicas + 2 * n_replicas**2)
    n = n_replicas * n_response
    if history is None or rows > len(history):
        tangent = tangent_bytes(n_steps, n * problem.active_fraction)
    elif shares_histories(problem):
        tangent = _SLACK * _shared_bytes(history[:rows], n)
    else:
        tangent = tangent_bytes(n_steps, 1.0) * _mean_active(history[:rows]) * n
    return WORK_AREAS + (copies + kernels + tangent) / 1e9


def _mean_active(history: History) -> float:
    """Return the fraction of active copies, weighted by the rows that a step's column has."""
    rows = np.arange(len(history), 0, -1)
    return float(np.average(history.mean(axis=1), weights=rows))


def _shared_bytes(history: History, n: int) -> float:
    """Return the bytes of grouped columns if `n` copies behave as those of the pilot.

    The number of different histories among n copies grows as n^k, where k = f / G is the slope
    at the pilot's G histories, f of which one copy alone has (Good 1953); k falls with n.
    """
    history = history[:, :n]
    rng = np.random.default_rng(0)
    marks = rng.integers(0, 2**63, size=len(history), dtype=np.uint64)
    # Sums of random marks from every step on: equal for equal histories, and only for them.
    codes = np.cumsum((history * marks[:, None])[::-1], axis=0, dtype=np.uint64)[::-1]
    ratio = n / history.shape[1]
    stored = 0.0
    for first in range(0, len(history), grouped_tangent.BLOCK):
        _, leaders, sizes = np.unique(codes[first], return_index=True, return_counts=True)
        columns = history[first : first + grouped_tangent.BLOCK, leaders].sum(axis=0)
        alone = sizes == 1
        total = float(columns.sum())
        if ratio > 1.0 and alone.any():
            grown = leaders.size * (ratio ** (alone.sum() / leaders.size) - 1.0)
            total += grown * float(columns[alone].mean())
        stored += (len(history) - first) * total
    return 4.0 * stored


def what_fits(
    size: Callable[[int, int, int], float], n_steps: int, n_samples: int, n_response: int
) -> str:
    """Name the longest time and the most samples within a limit.

    `size` returns the excess over the limit for a number of steps, samples and response copies.
    """

    def counts(share: float) -> tuple[int, int]:
        return int(n_samples * share), max(1, int(n_response * share))

    steps, share = n_steps, 1.0
    while steps > 0 and size(steps, n_samples, n_response) > 0:
        steps = int(steps * 0.98)
    while counts(share)[0] >= _FEWEST and size(n_steps, *counts(share)) > 0:
        share *= 0.98
    samples, response = counts(share)
    ways = []
    if steps > 0:
        ways.append(f"n_steps={steps} fits with these samples")
    if samples >= _FEWEST:
        ways.append(f"n_samples={samples} with n_response={response} fits at n_steps={n_steps}")
    return ", or ".join(ways) or "neither a shorter time nor fewer samples alone would fit"


def refuse(
    needed: float, limit: float, n_steps: int, n_samples: int, n_response: int, fits: str
) -> SolveDynamicsError:
    """Return the error that names what would fit."""
    return SolveDynamicsError(
        f"n_steps={n_steps} with n_samples={n_samples} and n_response={n_response} needs "
        f"{needed:.3g} GB, more than the limit of {limit:g} GB; {fits}"
    )
