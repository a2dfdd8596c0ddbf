"""Dynamical mean-field theory of the perceptron's training, exact for N -> infinity at any step.

The N weights are replaced by one self-consistent process: the margins of an effective sample are
driven by Gaussian noise with the weights' own correlation C and by their response R, and C and R
are driven back by averages over samples. In discrete time the scheme is causal: one pass over the
steps, no fixed-point iteration. Averages over the effective sample are the only approximation;
their error is measured by solving with several seeds.

With u = -eta the step, the responses are R(t, s) = (1/N) sum_i dw_i^t / du_i^s <= 0, so a field H
on the weights gives dw^t / dH^s = -R(t, s).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from analysis.arrays import FloatArray
from analysis.mean_field.grouped_tangent import GroupedTangent
from analysis.mean_field.memory import (
    PILOT_COPIES,
    PILOT_RESPONSE,
    PILOT_STEPS,
    History,
    gigabytes,
    refuse,
    shares_histories,
    what_fits,
)
from analysis.mean_field.noise import Noise
from analysis.mean_field.problem import MARGIN_LOSSES, DynamicsProblem, SolveDynamicsError
from analysis.mean_field.samples import Selection, draw_alignments, draw_directions, stream
from analysis.mean_field.tangent import Tangent

MEMORY_LIMIT = 4.0
"""Gigabytes that a solution may take unless told otherwise."""
_RUNAWAY = 1e12
_ALIGNMENT, _DIRECTION, _SELECTION = 1, 2, 3


@dataclass(frozen=True)
class SampleRecord:
    """Averages over training samples at every step, arrays of shape (T + 1,)."""

    loss: FloatArray
    """E[l(h)]."""
    violated: FloatArray
    """P(h < kappa)."""
    error: FloatArray
    """P(h < 0)."""
    mean_margin: FloatArray
    """E[h]."""
    squared_slope: FloatArray
    """E[l'(h)^2]."""


@dataclass(frozen=True)
class DmftSolution:
    """Correlations and responses of one solver seed."""

    problem: DynamicsProblem
    correlation: FloatArray = field(repr=False)
    """C_w(t, s) = w^t.w^s / N, shape (T + 1, T + 1)."""
    response: FloatArray = field(repr=False)
    """R(t, s), zero for s >= t, shape (T + 1, T + 1)."""
    alignment: FloatArray = field(repr=False)
    """m(t) = v.w^t / N along the hidden direction, shape (T + 1,)."""
    samples: SampleRecord = field(repr=False)
    margins: FloatArray = field(repr=False)
    """Margins of the copies at the last step, shape (n_replicas, n_samples)."""
    replica_correlation: FloatArray | None = field(repr=False, default=None)
    """C between two replicas on the same samples, orthogonal to v; None for one replica."""

    @property
    def replica_distance(self) -> FloatArray:
        """D(t) = |w_1 - w_2|^2 / N, shape (T + 1,)."""
        if self.replica_correlation is None:
            raise SolveDynamicsError("replica_distance needs a solution with n_replicas=2")
        own = np.diagonal(self.correlation) - self.alignment**2
        return 2.0 * (own - np.diagonal(self.replica_correlation))

    def test_error(self) -> FloatArray:
        """Error on fresh points, shape (T + 1,); one half for random labels."""
        norm = np.sqrt(np.diagonal(self.correlation))
        if self.problem.task == "random":
            return np.full(norm.shape, 0.5)
        if self.problem.task == "teacher":
            cosine = np.clip(self.alignment / norm, -1.0, 1.0)
            return np.asarray(np.arccos(cosine) / math.pi)
        z = self.problem.separation * self.alignment / norm
        return np.array([0.5 * math.erfc(x / math.sqrt(2.0)) for x in z])


def memory_needed(
    problem: DynamicsProblem, n_steps: int, n_samples: int, n_response: int, n_replicas: int = 1
) -> float:
    """Return the gigabytes that a solution takes; solves a small one first.

    Tests compare it with the peak of the process: between the peak and 1.6 times it.
    """
    history = _pilot(problem, n_steps, n_replicas, math.inf)
    return gigabytes(problem, n_steps, n_samples, n_response, n_replicas, history)


def check_memory(
    problem: DynamicsProblem,
    n_steps: int,
    n_samples: int,
    n_response: int,
    n_replicas: int = 1,
    limit: float = MEMORY_LIMIT,
) -> None:
    """Refuse a solution beyond `limit` gigabytes and name what would fit.

    The worst case is compared first; only where it does not fit, a small solution is made.

    Raises
    ------
    SolveDynamicsError
        With the longest time at these samples and the most samples at this time.
    """
    shape = (n_steps, n_samples, n_response)
    if gigabytes(problem, *shape, n_replicas) <= limit:
        return
    history = _pilot(problem, n_steps, n_replicas, limit)
    needed = gigabytes(problem, *shape, n_replicas, history)
    if needed > limit:

        def excess(steps: int, samples: int, response: int) -> float:
            return gigabytes(problem, steps, samples, response, n_replicas, history) - limit

        raise refuse(needed, limit, *shape, what_fits(excess, *shape))


@lru_cache(maxsize=32)
def _pilot(
    problem: DynamicsProblem, n_steps: int, n_replicas: int, limit: float
) -> History | None:
    """Return which copies of a small solution have a curvature; None where that says nothing."""
    if not MARGIN_LOSSES[problem.loss].two_valued:
        return None
    steps = min(n_steps, PILOT_STEPS)
    while (
        steps > 1 and gigabytes(problem, steps, PILOT_COPIES, PILOT_RESPONSE, n_replicas) > limit
    ):
        steps //= 2
    with np.errstate(over="ignore", invalid="ignore"):
        solver = _Solver(problem, steps, PILOT_COPIES, PILOT_RESPONSE, n_replicas, seed=0)
        try:
            solver.run()
        except SolveDynamicsError:
            return None
    # l' and l'' of a two-valued loss vanish together.
    return np.asarray(solver.g.reshape(steps + 1, -1) != 0.0)


def solve_dmft(
    problem: DynamicsProblem,
    n_steps: int,
    *,
    n_samples: int = 6000,
    n_response: int | None = None,
    n_replicas: int = 1,
    seed: int = 0,
    memory_limit: float = MEMORY_LIMIT,
) -> DmftSolution:
    """Solve the mean-field equations up to step `n_steps`.

    Parameters
    ----------
    problem
        The dynamics.
    n_steps
        T; all kernels have T + 1 rows.
    n_samples
        Monte Carlo copies of the effective sample.
    n_response
        Copies that carry the tangent process, all of them if None. It dominates time and memory
        (T^3 and T^2); fewer than `n_samples` is for plain SGD and descent only.
    n_replicas
        2 adds a second copy of the weights with the same data and start, other selections.
    seed
        Solver seed; the spread over a few of them is the error.
    memory_limit
        In gigabytes.

    Raises
    ------
    SolveDynamicsError
        For sizes out of range, too little memory, or weights that run away.

    Examples
    --------
    >>> solution = solve_dmft(DynamicsProblem(load=4, learning_rate=0.05, ridge=0.1), 1)
    >>> round(float(solution.correlation[1, 1]), 2)  # 0.70273 for many samples
    0.7
    """
    n_response = n_samples if n_response is None else n_response
    _check_sizes(n_steps, n_samples, n_response, n_replicas)
    check_memory(problem, n_steps, n_samples, n_response, n_replicas, memory_limit)
    # Runaway weights are reported by name below, not as warnings on the way.
    with np.errstate(over="ignore", invalid="ignore"):
        return _Solver(problem, n_steps, n_samples, n_response, n_replicas, seed).run()


def solve_dmft_seeds(
    problem: DynamicsProblem,
    n_steps: int,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    n_samples: int = 6000,
    n_response: int | None = None,
    n_replicas: int = 1,
    memory_limit: float = MEMORY_LIMIT,
) -> tuple[DmftSolution, ...]:
    """Solve once per solver seed; see :func:`solve_dmft`."""
    return tuple(
        solve_dmft(
            problem,
            n_steps,
            n_samples=n_samples,
            n_response=n_response,
            n_replicas=n_replicas,
            seed=seed,
            memory_limit=memory_limit,
        )
        for seed in seeds
    )


def _check_sizes(n_steps: int, n_samples: int, n_response: int, n_replicas: int) -> None:
    if n_steps < 1:
        raise SolveDynamicsError(f"n_steps={n_steps}: must be at least 1")
    if n_samples < 100:
        raise SolveDynamicsError(f"n_samples={n_samples}: must be at least 100")
    if not 1 <= n_response <= n_samples:
        raise SolveDynamicsError(
            f"n_response={n_response}: must be between 1 and n_samples={n_samples}"
        )
    if n_replicas not in (1, 2):
        raise SolveDynamicsError(f"n_replicas={n_replicas}: must be 1 or 2")


class _Solver:
    """The pass over the steps; arrays carry replicas first, then copies."""

    def __init__(
        self,
        problem: DynamicsProblem,
        n_steps: int,
        n_samples: int,
        n_response: int,
        n_replicas: int,
        seed: int,
    ) -> None:
        rows = n_steps + 1
        self.problem, self.n_steps, self.n_response = problem, n_steps, n_response
        self.loss = MARGIN_LOSSES[problem.loss]
        self.a = draw_alignments(problem, n_samples, stream(seed, _ALIGNMENT))
        directions = draw_directions(n_replicas * rows, self.a, stream(seed, _DIRECTION))
        self.noise = Noise(directions)
        self.selection = Selection(problem, n_replicas, n_samples, stream(seed, _SELECTION))
        self.tangent: Tangent | GroupedTangent = (
            GroupedTangent(n_steps) if shares_histories(problem) else Tangent(n_steps)
        )
        # Correlations of a replica with itself and, if there are two, with the other.
        self.c = [np.zeros((rows, rows)) for _ in range(n_replicas)]
        self.c_g = [np.zeros((rows, rows)) for _ in range(n_replicas)]
        for kernel in self.c:
            kernel[0, 0] = problem.initial_scale**2
        self.r = np.zeros((rows, rows))
        self.m = np.zeros(rows)
        self.g = np.zeros((rows, n_replicas, n_samples))
        self.record = {name: np.zeros(rows) for name in SampleRecord.__dataclass_fields__}

    def run(self) -> DmftSolution:
        for t in range(self.n_steps + 1):
            margins = self._margins(t)
            curvature = self._sample(t, margins)
            memory = self.tangent.step(t, self.r[t, :t], curvature)
            if t < self.n_steps:
                memory *= self.problem.load
                self._drive(t)
                self._advance(t, memory)
        overlap = np.outer(self.m, self.m)
        return DmftSolution(
            problem=self.problem,
            correlation=self.c[0] + overlap,
            response=self.r,
            alignment=self.m,
            samples=SampleRecord(**self.record),
            margins=margins,
            replica_correlation=self.c[1] if len(self.c) == 2 else None,
        )

    def _margins(self, t: int) -> FloatArray:
        """h = m a + zeta + sum_s R(t, s) g^s, equation (2)."""
        other = self.c[1][t] if len(self.c) == 2 else None
        h = np.stack([self.noise.draw(t, c, self.c[0][t], other) for c in range(len(self.c))])
        h += self.m[t] * self.a
        if t:
            h += (self.r[t, :t] @ self.g[:t].reshape(t, -1)).reshape(h.shape)
        return np.asarray(h)

    def _sample(self, t: int, h: FloatArray) -> FloatArray:
        """Store g^t and the averages; return A^t of the copies that carry the tangent process."""
        kappa, b = self.problem.target_margin, self.problem.active_fraction
        weight = self.selection.next() / b
        slope = self.loss.slope(h, kappa)
        np.multiply(weight, slope, out=self.g[t])
        self.record["loss"][t] = self.loss.value(h, kappa).mean()
        self.record["violated"][t] = (h < kappa).mean()
        self.record["error"][t] = (h < 0).mean()
        self.record["mean_margin"][t] = h.mean()
        self.record["squared_slope"][t] = np.mean(slope**2)
        first = slice(self.n_response)
        curvature = weight[:, first] * self.loss.curvature(h[:, first], kappa)
        return np.asarray(curvature).ravel()

    def _drive(self, t: int) -> None:
        """C_g(t, s) = load E[g^t g^s] + 2 T_L / eta delta_ts, equations (4) and (9)."""
        past, present = self.g[: t + 1], self.g[t]
        scale = self.problem.load / present.size
        n = t + 1
        own = scale * (past.reshape(n, -1) @ present.ravel())
        own[t] += 2.0 * self.problem.langevin_temperature / self.problem.learning_rate
        rows = [own]
        if len(self.c) == 2:
            rows.append(scale * (past.reshape(n, -1) @ present[::-1].ravel()))
        for kernel, row in zip(self.c_g, rows, strict=True):
            kernel[t, :n] = kernel[:n, t] = row

    def _advance(self, t: int, memory: FloatArray) -> None:
        """R, C and m at step t + 1, equations (5)-(8); memory holds R_g(t, s), then Gamma."""
        eta, ridge = self.problem.learning_rate, self.problem.ridge
        decay = 1.0 - eta * ridge - eta * memory[t]
        past = memory[:t]
        n = t + 1
        self.r[n, :t] = decay * self.r[t, :t] - eta * (past @ self.r[:t, :t])
        self.r[n, t] = -eta
        for c, c_g in zip(self.c, self.c_g, strict=True):
            row = decay * c[t, :n] - eta * (past @ c[:t, :n]) - eta * (self.r[:n, :n] @ c_g[t, :n])
            c[n, :n] = c[:n, n] = row
            c[n, n] = (
                decay * c[t, n] - eta * (past @ c[:t, n]) - eta * (self.r[n, :n] @ c_g[t, :n])
            )
        gradient = self.problem.load * float((self.g[t] @ self.a).mean()) / self.a.size
        self.m[n] = (1.0 - eta * ridge) * self.m[t] - eta * gradient
        if not abs(self.c[0][n, n]) < _RUNAWAY * self.problem.initial_scale**2:
            raise SolveDynamicsError(
                f"the weights run away at step {n}: learning_rate={eta:g} is too large for "
                f"active_fraction={self.problem.active_fraction:g} at load={self.problem.load:g}"
            )
