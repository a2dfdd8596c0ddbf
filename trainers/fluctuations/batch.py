"""Many seeds of the perceptron's dynamics at once on a torch device: the form that suits a GPU.

The same streams drive it as :mod:`trainers.fluctuations.simulation`, so that both give the same
runs up to rounding. Every step is two batched matrix products over all samples; on a CPU the
compiled kernel is faster, because it does not touch idle samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from search_spaces import InvalidSettingError, Seeds
from search_spaces.choices import check_name
from search_spaces.perceptron_dynamics import PerceptronDynamics
from trainers.batches.selection import advance_selection
from trainers.batches.streams import WORD_MASK, Purpose, generator
from trainers.fluctuations.response import ResponseRecord, displacements, random_signs
from trainers.fluctuations.simulation import (
    RUNAWAY,
    Trajectory,
    draw_samples,
    draw_weights,
    summarise_margins,
)

DEVICES = ("cpu", "cuda")


def check_device(device: str) -> str:
    """Return the device if it is here.

    Raises
    ------
    InvalidSettingError
        For an unknown device, or a GPU that this machine lacks.
    """
    check_name("device", device, DEVICES)
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidSettingError("device='cuda' needs a GPU, and torch finds none here; use cpu")
    return device


def best_device() -> str:
    """Return ``cuda`` where there is a GPU, ``cpu`` elsewhere."""
    return "cuda" if torch.cuda.is_available() else "cpu"


class PerceptronBatch:
    """Copies of the weights for several groups of replicas, one group per data set.

    Parameters
    ----------
    dynamics
        The settings.
    groups
        Seeds of the replicas of every group; groups have equal sizes and their own data.
    device
        ``cpu`` or ``cuda``.
    """

    def __init__(
        self, dynamics: PerceptronDynamics, groups: Sequence[Sequence[Seeds]], device: str = "cpu"
    ) -> None:
        self.dynamics, self.groups, self.step = dynamics, [tuple(g) for g in groups], 0
        self._device = torch.device(check_device(device))
        x = np.stack([draw_samples(dynamics, group[0].trainset) for group in groups])
        self.x = torch.from_numpy(x).to(self._device, torch.float64)
        starts = [draw_weights(dynamics, group[0].init) for group in groups]
        self._replicas = len(self.groups[0])
        weights = np.repeat(np.stack(starts)[:, None], self._replicas, axis=1)
        self.weights = torch.from_numpy(weights).to(self._device)
        self.field = torch.zeros_like(self.weights)
        self._stream = torch.arange(self._replicas, device=self._device)
        shape = (len(groups), self._replicas, dynamics.n_samples)
        self._active = np.zeros(shape, dtype=np.bool_)
        self._words = np.empty(dynamics.n_samples, dtype=np.uint64)

    def add_twins(self, fields: np.ndarray) -> None:
        """Replace all twins by copies of each group's first replica; fields (G, n, N)."""
        r, n = self._replicas, fields.shape[1]
        own = self.weights[:, :r]
        self.weights = torch.cat([own, own[:, :1].expand(-1, n, -1)], dim=1).clone()
        forces = torch.from_numpy(fields).to(self._device)
        self.field = torch.cat([torch.zeros_like(own), forces], dim=1)
        self._stream = torch.cat([torch.arange(r), torch.zeros(n, dtype=torch.long)])
        self._stream = self._stream.to(self._device)

    def advance(self, n_steps: int) -> None:
        """Take `n_steps` steps.

        Raises
        ------
        InvalidSettingError
            If the weights run away.
        """
        d = self.dynamics
        root = math.sqrt(d.n_weights)
        for _ in range(n_steps):
            g = self._slope(torch.bmm(self.weights, self.x.mT) / root)
            g *= self._select()[:, self._stream]
            force = torch.bmm(g, self.x) / root + d.ridge * self.weights - self.field
            self.weights -= d.learning_rate * force
            if d.langevin_temperature > 0:
                self.weights += self._kick()[:, self._stream]
            self.step += 1
        if not float(self.weights.abs().max()) < RUNAWAY * d.initial_scale:
            raise InvalidSettingError(
                f"the weights run away before step {self.step}: learning_rate="
                f"{d.learning_rate:g} is too large for active_fraction={d.active_fraction:g} at "
                f"load={d.load:g}"
            )

    def _slope(self, h: torch.Tensor) -> torch.Tensor:
        target = self.dynamics.target_margin
        if self.dynamics.loss == "logistic":
            return -torch.sigmoid(-h)
        slope = h - target
        return slope.clamp(max=0.0) if self.dynamics.loss == "quadratic_hinge" else slope

    def _select(self) -> torch.Tensor:
        """Return s/b of the present step, shape (G, R, M)."""
        b = self.dynamics.active_fraction
        if b < 1.0:
            off, on = self.dynamics.flips
            for group, rows in zip(self.groups, self._active, strict=True):
                for seeds, active in zip(group, rows, strict=True):
                    key = np.uint64(seeds.batch & WORD_MASK)
                    advance_selection(key, self.step, b, off, on, self._words, active)
        else:
            self._active[:] = True
        return torch.from_numpy(self._active).to(self._device, torch.float64) / b

    def _kick(self) -> torch.Tensor:
        """Return the Langevin kicks of the present step, shape (G, R, N)."""
        n, d = self.dynamics.n_weights, self.dynamics
        scale = math.sqrt(2.0 * d.langevin_temperature * d.learning_rate)
        kicks = [
            [generator(s.noise, Purpose.NOISE, self.step).standard_normal(n) for s in group]
            for group in self.groups
        ]
        return scale * torch.from_numpy(np.array(kicks)).to(self._device)

    def margins(self) -> np.ndarray:
        """Return h of every replica and sample, twins left out, shape (G, R, M)."""
        own = self.weights[:, : self._replicas]
        h = torch.bmm(own, self.x.mT) / math.sqrt(self.dynamics.n_weights)
        return h.cpu().numpy()

    def observe(self) -> list[dict[str, np.ndarray]]:
        """Return averages over the training samples of every group, each of shape (R,)."""
        own = self.weights[:, : self._replicas].cpu().numpy()
        return [
            summarise_margins(self.dynamics, h, w)
            for h, w in zip(self.margins(), own, strict=True)
        ]


def simulate_batch(
    dynamics: PerceptronDynamics,
    groups: Sequence[Sequence[Seeds]],
    steps: Sequence[int],
    device: str = "cpu",
) -> list[Trajectory]:
    """Do :func:`trainers.fluctuations.simulation.simulate` for every group at once."""
    batch = PerceptronBatch(dynamics, groups, device)
    weights, observed = [], []
    for step in steps:
        batch.advance(step - batch.step)
        weights.append(batch.weights.cpu().numpy().copy())
        observed.append(batch.observe())
    history, margins = np.array(weights), batch.margins()
    return [
        Trajectory(
            np.asarray(steps),
            history[:, g],
            {name: np.array([row[g][name] for row in observed]) for name in observed[0][g]},
            margins[g],
        )
        for g in range(len(groups))
    ]


def measure_response_batch(
    dynamics: PerceptronDynamics,
    seeds: Sequence[Seeds],
    *,
    burn_in: int,
    length: int,
    n_windows: int = 3,
    field_strength: float = 0.1,
    device: str = "cpu",
) -> list[ResponseRecord]:
    """Do what `fluctuations.response.measure_response` does, for all seeds at once."""
    batch = PerceptronBatch(dynamics, [(s,) for s in seeds], device)
    batch.advance(burn_in)
    n, count = dynamics.n_weights, len(seeds)
    response = np.zeros((count, n_windows, length + 2))
    path = np.empty((count, n_windows * (length + 1) + 1, n))
    observed = []
    for window in range(n_windows):
        observed.append(batch.observe())
        signs = np.stack([random_signs(s, window, 1, n) for s in seeds])
        batch.add_twins(field_strength * signs)
        first = window * (length + 1)
        path[:, first] = batch.weights[:, 0].cpu().numpy()
        for k in range(1, length + 2):
            batch.advance(1)
            w = batch.weights.cpu().numpy()
            path[:, first + k] = w[:, 0]
            response[:, window, k] = (signs[:, 0] * (w[:, 1] - w[:, 0])).mean(axis=1)
    observed.append(batch.observe())
    return [
        ResponseRecord(
            displacements(path[g], length + 1, n_windows),
            response[g] / field_strength,
            {name: np.array([row[g][name][0] for row in observed]) for name in observed[0][g]},
        )
        for g in range(count)
    ]
