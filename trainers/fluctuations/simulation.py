"""Simulations of the perceptron's training: trajectories, replicas, and twins for the response.

Copies of the weights live on the same data and start. Copies of one selection stream see the
same samples, the same Langevin kicks and differ by a field alone (twins); copies of different
streams are replicas. Everything is a pure function of settings and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from search_spaces import InvalidSettingError, Seeds
from search_spaces.perceptron_dynamics import PerceptronDynamics
from trainers.batches.selection import advance_selection
from trainers.batches.streams import WORD_MASK, Purpose, generator
from trainers.fluctuations.steps import take_step
from trainers.losses import LOSS_CODES, derivative, value

_REPLICA = 1 << 32
RUNAWAY = 1e6
"""Largest weight, in units of R, beyond which the weights count as run away."""


def replica_seeds(seed: int, n_replicas: int) -> tuple[Seeds, ...]:
    """Return seeds of replicas: same data and start, own selections and kicks."""
    shared = Seeds.shared(seed)
    return tuple(
        replace(shared, batch=seed + k * _REPLICA, noise=seed + k * _REPLICA)
        for k in range(n_replicas)
    )


def draw_samples(dynamics: PerceptronDynamics, seed: int) -> np.ndarray:
    """Draw inputs times labels, shape (M, N), float32.

    The hidden direction of a mixture or a teacher is v = (1, ..., 1), which costs no generality:
    everything else is isotropic.
    """
    n = dynamics.n_weights
    rng = generator(seed, Purpose.TRAINSET)
    x = rng.standard_normal((dynamics.n_samples, n), dtype=np.float32)
    if dynamics.task == "mixture":
        x += np.float32(dynamics.separation / math.sqrt(n))
    elif dynamics.task == "teacher":
        x *= np.where(x.sum(axis=1, dtype=np.float64) < 0, np.float32(-1), np.float32(1))[:, None]
    return x


def draw_weights(dynamics: PerceptronDynamics, seed: int) -> np.ndarray:
    """Draw the initial weights with |w|^2 = R^2 N exactly, shape (N,)."""
    w = generator(seed, Purpose.INIT).standard_normal(dynamics.n_weights)
    return w * (dynamics.initial_scale * math.sqrt(w.size) / np.linalg.norm(w))


class PerceptronRun:
    """Copies of the weights under way.

    Parameters
    ----------
    dynamics
        The settings.
    seeds
        One per replica; they share data and start, as :func:`replica_seeds` gives them.
    """

    def __init__(self, dynamics: PerceptronDynamics, seeds: Sequence[Seeds]) -> None:
        first = seeds[0]
        if any((s.trainset, s.init) != (first.trainset, first.init) for s in seeds):
            raise InvalidSettingError("replicas share trainset and init seeds; these do not")
        self.dynamics, self.seeds, self.step = dynamics, tuple(seeds), 0
        self.x = draw_samples(dynamics, first.trainset)
        self.weights = np.tile(draw_weights(dynamics, first.init), (len(seeds), 1))
        self.stream = np.arange(len(seeds))
        self.field = np.zeros_like(self.weights)
        self._active = np.zeros((len(seeds), dynamics.n_samples), dtype=np.bool_)
        self._words = np.empty(dynamics.n_samples, dtype=np.uint64)

    def add_twins(self, of: int, fields: np.ndarray) -> None:
        """Replace all earlier twins by copies of replica `of` under fields of shape (n, N)."""
        n = len(self.seeds)
        self.weights = np.concatenate(
            [self.weights[:n], np.tile(self.weights[of], (len(fields), 1))]
        )
        self.stream = np.concatenate([np.arange(n), np.full(len(fields), of)])
        self.field = np.concatenate([np.zeros((n, self.weights.shape[1])), fields])

    def advance(self, n_steps: int) -> None:
        """Take `n_steps` steps.

        Raises
        ------
        InvalidSettingError
            If the weights run away.
        """
        d = self.dynamics
        gradient = np.empty_like(self.weights)
        for _ in range(n_steps):
            take_step(
                self.x, self.weights, self._select(), self.stream, d.learning_rate, d.ridge,
                LOSS_CODES[d.loss], d.target_margin, self.field, self._kick(), gradient,
            )  # fmt: skip
            self.step += 1
        if not np.abs(self.weights).max() < RUNAWAY * d.initial_scale:
            raise InvalidSettingError(
                f"the weights run away before step {self.step}: learning_rate="
                f"{d.learning_rate:g} is too large for active_fraction={d.active_fraction:g} at "
                f"load={d.load:g}"
            )

    def _select(self) -> np.ndarray:
        """Return s/b of the present step for every stream, shape (S, M)."""
        b = self.dynamics.active_fraction
        if b == 1.0:
            return np.ones(self._active.shape)
        off, on = self.dynamics.flips
        for seed, active in zip(self.seeds, self._active, strict=True):
            key = np.uint64(seed.batch & WORD_MASK)
            advance_selection(key, self.step, b, off, on, self._words, active)
        return self._active / b

    def _kick(self) -> np.ndarray:
        """Return the Langevin kicks of the present step, shape (S, N), or none."""
        n, t_l = self.dynamics.n_weights, self.dynamics.langevin_temperature
        if t_l == 0.0:
            return np.empty((0, n))
        scale = math.sqrt(2.0 * t_l * self.dynamics.learning_rate)
        return np.stack(
            [
                scale * generator(s.noise, Purpose.NOISE, self.step).standard_normal(n)
                for s in self.seeds
            ]
        )

    def margins(self) -> np.ndarray:
        """Return h of every replica and sample, twins left out, shape (R, M)."""
        w = self.weights[: len(self.seeds)].astype(np.float32)
        return np.asarray(w @ self.x.T / math.sqrt(self.dynamics.n_weights), dtype=np.float64)

    def observe(self) -> dict[str, np.ndarray]:
        """Return averages over the training samples, each of shape (R,)."""
        return summarise_margins(self.dynamics, self.margins(), self.weights[: len(self.seeds)])


def summarise_margins(
    dynamics: PerceptronDynamics, h: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return averages over samples from margins (R, M) and weights (R, N), each of shape (R,)."""
    loss, target = dynamics.loss, dynamics.target_margin
    return {
        "loss": value(loss, h, target).mean(axis=1),
        "squared_slope": (derivative(loss, h, target) ** 2).mean(axis=1),
        "violated": (h < target).mean(axis=1),
        "error": (h < 0).mean(axis=1),
        "mean_margin": h.mean(axis=1),
        "norm": (weights**2).mean(axis=1),
        "alignment": weights.mean(axis=1),
    }


@dataclass(frozen=True)
class Trajectory:
    """What a run recorded at chosen steps."""

    steps: np.ndarray
    """Recorded steps, shape (K,)."""
    weights: np.ndarray = field(repr=False)
    """Weights, shape (K, R, N)."""
    observables: dict[str, np.ndarray] = field(repr=False)
    """By name as :meth:`PerceptronRun.observe` gives them, each of shape (K, R)."""
    margins: np.ndarray = field(repr=False)
    """At the last step, shape (R, M)."""

    @property
    def correlation(self) -> np.ndarray:
        """C_w(t, s) averaged over replicas, shape (K, K)."""
        k, r, n = self.weights.shape
        flat = self.weights.reshape(k, r * n)
        return np.asarray(flat @ flat.T / (r * n))

    @property
    def replica_distance(self) -> np.ndarray:
        """D = |w_1 - w_2|^2 / N, averaged over pairs of replicas, shape (K,)."""
        r, n = self.weights.shape[1:]
        spread = self.weights - self.weights.mean(axis=1, keepdims=True)
        return np.asarray(2.0 * (spread**2).sum(axis=(1, 2)) / (n * (r - 1)))


def simulate(
    dynamics: PerceptronDynamics, seeds: Sequence[Seeds], steps: Sequence[int]
) -> Trajectory:
    """Run the replicas and record them at the given increasing steps.

    Examples
    --------
    >>> small = PerceptronDynamics(n_weights=100, load=0.5, learning_rate=0.1)
    >>> run = simulate(small, replica_seeds(0, 2), [0, 50])
    >>> float(run.replica_distance[-1])  # full batch: nothing tells the replicas apart
    0.0
    """
    run = PerceptronRun(dynamics, seeds)
    weights, observed = [], []
    for step in steps:
        run.advance(step - run.step)
        weights.append(run.weights.copy())
        observed.append(run.observe())
    columns = {name: np.array([row[name] for row in observed]) for name in observed[0]}
    return Trajectory(np.asarray(steps), np.array(weights), columns, run.margins())
