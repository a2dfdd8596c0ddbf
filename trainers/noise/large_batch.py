"""Large batches with and without injected noise: the arms of one paired comparison.

All arms of a seed share data, label noise, initial weights and, but for the small batch, the
batches. Errors are averaged over the last fifth of the steps, because final iterates are too
noisy; beside them stands the error at the step that a validation set would have chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from search_spaces import InvalidSettingError, Point, Seeds
from search_spaces.choices import check_name
from trainers.batches.streams import Purpose, generator
from trainers.models.replica import Replica, prepare_replica
from trainers.noise.matched_noise import noisy_batch_weights
from trainers.noise.sample_losses import (
    Parameters,
    SampleLoss,
    replica_loss,
    replica_parameters,
    replica_predictor,
)
from trainers.noise.walk import Gradient, walk

ARMS = ("large", "small", "gaussian", "sign", "isotropic", "scaled_rate")
"""Plain large and small batch; large with matched noise of two laws; large with noise of the same
norm in random directions; large with the learning rate times `rate_factor`."""
SCHEDULES = ("constant", "cosine")
LATE = 0.2
"""Share of the steps, at the end, over which errors are averaged."""


@dataclass(frozen=True)
class Comparison:
    """What the arms share."""

    point: Point
    """Network, data and learning rate; its batch size is the large one."""
    small: int
    """Batch size whose noise is wanted."""
    n_steps: int
    """Steps of every arm."""
    label_noise: float = 0.0
    """Share of training labels that are flipped; those of the test set never are."""
    schedule: str = "constant"
    """One of SCHEDULES; cosine anneals the learning rate to zero."""
    rate_factor: float = 4.0
    """Factor of the learning rate in the arm `scaled_rate`."""
    n_validation: int = 100
    """Points, with flipped labels like the training set, taken from the test set."""
    record_every: int = 25
    """Steps between two evaluations."""

    def check(self) -> None:
        """Raise InvalidSettingError for settings that cannot be run."""
        check_name("schedule", self.schedule, SCHEDULES)
        if not 0 <= self.label_noise < 0.5:
            raise InvalidSettingError(f"label_noise={self.label_noise} must be in [0, 0.5)")
        if not 1 <= self.small < self.point.batch_size:
            raise InvalidSettingError(
                f"small={self.small} must be below the large batch of {self.point.batch_size}"
            )
        if self.n_validation >= self.point.n_test:
            raise InvalidSettingError(
                f"n_validation={self.n_validation} must be below n_test={self.point.n_test}"
            )
        if self.n_steps < 5 * self.record_every:
            raise InvalidSettingError(
                f"n_steps={self.n_steps} must be at least 5 times record_every={self.record_every}"
            )


@dataclass(frozen=True)
class ArmErrors:
    """Errors of one arm of one seed, as fractions."""

    test_error: float
    """Mean over the last fifth of the steps."""
    train_error: float
    """The same on the training points with their flipped labels."""
    stopped_test_error: float
    """Test error at the step of the smallest validation error, the first one of several."""
    stopped_step: int
    """That step."""


def run_arm(comparison: Comparison, arm: str, seed: int) -> ArmErrors:
    """Train one arm and measure it.

    Raises
    ------
    InvalidSettingError
        For an unknown arm or settings that cannot be run.
    """
    check_name("arm", arm, ARMS)
    comparison.check()
    point = comparison.point
    replica = prepare_replica(point, Seeds.shared(seed))
    labels, sets = _labels_and_sets(comparison, replica, seed)
    loss = replica_loss(replica, labels)
    stream: Any = generator(seed, Purpose.NOISE).bit_generator
    rng = np.random.Generator(stream.jumped(1))
    size = comparison.small if arm == "small" else point.batch_size
    record = _Record(comparison, _errors_of(replica), sets)
    steps = walk(loss, _rates(comparison, arm), size, seed, _gradient(comparison, loss, arm, rng))
    for step, parameters in enumerate(steps, start=1):
        if step % comparison.record_every == 0:
            record.add(step, parameters)
    return record.errors()


def _labels_and_sets(
    comparison: Comparison, replica: Replica, seed: int
) -> tuple[torch.Tensor, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Return training labels and the three sets, flips drawn from the noise stream."""
    rng = generator(seed, Purpose.NOISE)
    y_train = _flip(replica.y_train, comparison.label_noise, rng)
    n = comparison.n_validation
    validation = replica.x_test[:n], _flip(replica.y_test[:n], comparison.label_noise, rng)
    test = replica.x_test[n:], replica.y_test[n:]
    return torch.tensor(y_train), {
        "train": (replica.x_train, y_train),
        "validation": validation,
        "test": test,
    }


def _flip(labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    flipped = rng.permutation(len(labels))[: round(share * len(labels))]
    result = labels.copy()
    result[flipped] *= -1
    return result


def _rates(comparison: Comparison, arm: str) -> np.ndarray:
    factor = comparison.rate_factor if arm == "scaled_rate" else 1.0
    rates = np.full(comparison.n_steps, factor * comparison.point.learning_rate)
    if comparison.schedule == "cosine":
        phase = np.arange(comparison.n_steps) / comparison.n_steps
        rates *= (1 + np.cos(np.pi * phase)) / 2
    return rates


def _gradient(
    comparison: Comparison, loss: SampleLoss, arm: str, rng: np.random.Generator
) -> Gradient | None:
    large, small = comparison.point.batch_size, comparison.small
    if arm not in ("gaussian", "sign", "isotropic"):
        return None
    kind = "sign" if arm == "sign" else "gaussian"

    def matched(parameters: Parameters, batch: torch.Tensor) -> list[torch.Tensor]:
        weights = torch.from_numpy(noisy_batch_weights(large, small, rng, kind))
        return loss.weighted_gradient(parameters, batch, weights)

    def isotropic(parameters: Parameters, batch: torch.Tensor) -> list[torch.Tensor]:
        weights = torch.from_numpy(noisy_batch_weights(large, small, rng, kind))
        plain = torch.full((large,), 1 / large, dtype=weights.dtype)
        mean, noise = loss.weighted_gradients(parameters, batch, plain, weights - plain)
        drawn = [torch.from_numpy(rng.standard_normal(tuple(m.shape))).to(m) for m in mean]
        scale = _norm(noise) / _norm(drawn)
        return [m + scale * d for m, d in zip(mean, drawn, strict=True)]

    return isotropic if arm == "isotropic" else matched


def _norm(tensors: list[torch.Tensor]) -> float:
    return math.sqrt(sum(float(t.double().square().sum()) for t in tensors))


_Errors = Callable[[Parameters, np.ndarray, np.ndarray], float]


def _errors_of(replica: Replica) -> _Errors:
    """Return the error of parameters on rows and labels; outputs at w0 are kept."""
    predictor, start = replica_predictor(replica), replica_parameters(replica)
    dtype = getattr(torch, replica.point.dtype)
    kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def error(parameters: Parameters, rows: np.ndarray, labels: np.ndarray) -> float:
        if id(rows) not in kept:
            x = torch.tensor(rows, dtype=dtype)
            kept[id(rows)] = x, predictor(start, x)
        x, f0 = kept[id(rows)]
        right = torch.tensor(labels, dtype=dtype) * (predictor(parameters, x) - f0) > 0
        return 1 - int(right.sum()) / len(labels)

    return error


class _Record:
    """Errors on the way."""

    def __init__(
        self,
        comparison: Comparison,
        error: _Errors,
        sets: dict[str, tuple[np.ndarray, np.ndarray]],
    ) -> None:
        self._late = (1 - LATE) * comparison.n_steps
        self._error, self._sets = error, sets
        self._rows: list[tuple[int, dict[str, float]]] = []

    def add(self, step: int, parameters: Parameters) -> None:
        """Evaluate all sets."""
        found = {name: self._error(parameters, *rows) for name, rows in self._sets.items()}
        self._rows.append((step, found))

    def errors(self) -> ArmErrors:
        """Return late means, and the test error where the validation error is smallest."""
        late = [found for step, found in self._rows if step > self._late]
        step, best = min(self._rows, key=lambda row: row[1]["validation"])
        return ArmErrors(
            test_error=float(np.mean([found["test"] for found in late])),
            train_error=float(np.mean([found["train"] for found in late])),
            stopped_test_error=best["test"],
            stopped_step=step,
        )
