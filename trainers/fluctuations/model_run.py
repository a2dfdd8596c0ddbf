"""The dynamics of any torch model under plain or persistent SGD, for its effective temperature.

No momentum, no dropout, no batch normalisation: the twins must feel the same forces as the run.
Weights are float64. The objective is the sum or the mean of the samples' losses, plus
ridge |w|^2/2, and the temperature is in its units: that of the mean is 1/M of that of the sum on
the same trajectory, with a learning rate M times larger.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import functional_call

from search_spaces import Seeds
from search_spaces.choices import InvalidSettingError, check_name
from search_spaces.numbers import positive_number
from search_spaces.selection import flip_probabilities
from trainers.batches.selection import advance_selection
from trainers.batches.streams import WORD_MASK, Purpose, generator

SampleLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Outputs and targets of samples to their losses, shape (n,)."""
OBJECTIVES = ("sum", "mean")
_Dropout = torch.nn.modules.dropout._DropoutNd
_MIXING = (_Dropout, torch.nn.modules.batchnorm._BatchNorm)


@dataclass(frozen=True, kw_only=True)
class ModelDynamics:
    """How a model is trained."""

    learning_rate: float
    """eta, against the objective."""
    active_fraction: float = 1.0
    """b, the probability with which a sample enters a step; its gradient is weighted by 1/b."""
    persistence_time: float | None = None
    """tau, mean time eta t for which a sample stays active; None draws every step afresh."""
    ridge: float = 0.0
    langevin_temperature: float = 0.0
    objective: str = "sum"
    """Whether losses are summed or averaged over the samples."""

    def __post_init__(self) -> None:
        check_name("objective", self.objective, OBJECTIVES)
        positive_number("learning_rate", self.learning_rate)
        for name in ("ridge", "langevin_temperature"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InvalidSettingError(f"{name}={value!r}: must be zero or positive and finite")
        flip_probabilities(self.active_fraction, self.persistence_time, self.learning_rate)


class ModelRun:
    """A model under way, with its twins; see :class:`trainers.fluctuations.response.TwinRun`.

    Parameters
    ----------
    model
        Its present weights are the start; it is not changed.
    loss
        Losses of single samples.
    x, y
        Training data, samples first.
    dynamics, seeds
        `batch` selects samples and `noise` draws kicks.

    Raises
    ------
    InvalidSettingError
        If inputs and targets differ in number, if the model mixes the samples of a batch, if the
        loss does not give one number per sample, or if the weights run away.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: SampleLoss,
        x: torch.Tensor,
        y: torch.Tensor,
        dynamics: ModelDynamics,
        seeds: Seeds,
    ) -> None:
        self.dynamics, self.seeds, self.step = dynamics, (seeds,), 0
        self._model, self._loss = model, loss
        self._x, self._y = (a.double() if a.is_floating_point() else a for a in (x, y))
        self._shapes = {name: p.shape for name, p in model.named_parameters()}
        start = torch.cat([p.detach().double().ravel() for p in model.parameters()])
        self._w = start.cpu().numpy().copy()[None]
        self._field = np.zeros_like(self._w)
        self._active = np.zeros(len(x), dtype=np.bool_)
        self._words = np.empty(len(x), dtype=np.uint64)
        self._check()

    def _check(self) -> None:
        n = len(self._x)
        if len(self._y) != n:
            raise InvalidSettingError(f"x has {n} samples and y has {len(self._y)}")
        for part in self._model.modules():
            if isinstance(part, _MIXING) and (part.training or not isinstance(part, _Dropout)):
                raise InvalidSettingError(
                    f"{type(part).__name__} must be off: the twins must feel the same forces as "
                    "the run; call model.eval() for dropout, leave batch normalization out"
                )
        with torch.no_grad():
            losses = self._losses(torch.from_numpy(self._w[0]), None)
        if losses.shape != (n,):
            raise InvalidSettingError(
                f"the loss gave shape {tuple(losses.shape)} for {n} samples; it must give one "
                f"number per sample, shape ({n},), neither summed nor averaged"
            )

    @property
    def weights(self) -> np.ndarray:
        """Weights, the run itself first, then its twins, shape (copies, N)."""
        return self._w

    def add_twins(self, of: int, fields: np.ndarray) -> None:
        """Replace all twins by copies of `of` under fields of shape (n, N)."""
        self._w = np.concatenate([self._w[:1], np.tile(self._w[of], (len(fields), 1))])
        self._field = np.concatenate([np.zeros_like(self._w[:1]), fields])

    def advance(self, n_steps: int) -> None:
        """Take steps."""
        d = self.dynamics
        for _ in range(n_steps):
            chosen = self._select()
            forces = np.stack([self._gradient(w, chosen) for w in self._w])
            self._w = self._w - d.learning_rate * (d.ridge * self._w + forces - self._field)
            if d.langevin_temperature > 0:
                rng = generator(self.seeds[0].noise, Purpose.NOISE, self.step)
                scale = math.sqrt(2.0 * d.langevin_temperature * d.learning_rate)
                self._w += scale * rng.standard_normal(self._w.shape[1])
            self.step += 1
            if not np.isfinite(self._w).all():
                raise InvalidSettingError(
                    f"the weights run away at step {self.step}: learning_rate="
                    f"{d.learning_rate:g} is too large for this model"
                )

    def observe(self) -> dict[str, np.ndarray]:
        """Return mean loss and |w|^2 / N of the run itself, each of shape (1,)."""
        with torch.no_grad():
            losses = self._losses(torch.from_numpy(self._w[0]), None)
        return {
            "loss": np.array([float(losses.mean())]),
            "norm": np.array([float((self._w[0] ** 2).mean())]),
        }

    def _select(self) -> torch.Tensor | None:
        d = self.dynamics
        if d.active_fraction == 1.0:
            return None
        off, on = flip_probabilities(d.active_fraction, d.persistence_time, d.learning_rate)
        key = np.uint64(self.seeds[0].batch & WORD_MASK)
        advance_selection(key, self.step, d.active_fraction, off, on, self._words, self._active)
        return torch.from_numpy(np.flatnonzero(self._active)).to(self._x.device)

    def _losses(self, w: torch.Tensor, chosen: torch.Tensor | None) -> torch.Tensor:
        parts, parameters = w.to(self._x.device), {}
        for name, shape in self._shapes.items():
            count = math.prod(shape)
            parameters[name], parts = parts[:count].reshape(shape), parts[count:]
        x, y = (self._x, self._y) if chosen is None else (self._x[chosen], self._y[chosen])
        return self._loss(functional_call(self._model, parameters, (x,)), y)

    def _gradient(self, weights: np.ndarray, chosen: torch.Tensor | None) -> np.ndarray:
        w = torch.from_numpy(weights).requires_grad_(True)
        scale = 1.0 / self.dynamics.active_fraction
        if self.dynamics.objective == "mean":
            scale /= len(self._x)
        total = scale * self._losses(w, chosen).sum()
        return torch.autograd.grad(total, w)[0].numpy()


def boundary_distances(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Return first-order distances y f / |grad_x f| of points to the boundary f = 0, shape (n,).

    Exact for a linear model. Labels are +-1 and the model has one output per sample.

    Examples
    --------
    >>> line = torch.nn.Linear(2, 1, bias=False)
    >>> _ = line.weight.data.copy_(torch.tensor([[3.0, 4.0]]))
    >>> boundary_distances(line, torch.tensor([[1.0, 0.5]]), torch.tensor([1.0])).tolist()
    [1.0]
    """
    inputs = x.detach().clone().requires_grad_(True)
    f = model(inputs).reshape(len(x))
    gradient = torch.autograd.grad(f.sum(), inputs)[0].reshape(len(x), -1)
    distances: np.ndarray = (y * f / gradient.norm(dim=1)).detach().cpu().numpy()
    return distances


def function_distance(first: torch.nn.Module, second: torch.nn.Module, x: torch.Tensor) -> float:
    """Return the mean squared difference of two models' outputs at the points x.

    The distance in weights alone misleads where runs end in copies that differ by a permutation
    of neurons.
    """
    with torch.no_grad():
        return float((first(x) - second(x)).square().sum(dim=-1).mean())
