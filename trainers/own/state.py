"""One training of a torch module: its data, its weights, and what is measured of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from trainers.measurement import Measurement, error_fraction, margin_quantiles
from trainers.own.samples import Predictor, Samples
from trainers.stopping import StopReason, divergence_limit

BACKEND = "torch-module"
_CHUNK = 512
"""Samples evaluated at once where the whole set is."""


class ModuleState:
    """A module under training."""

    def __init__(
        self, module: torch.nn.Module, predictor: Predictor, train: Samples, test: Samples
    ) -> None:
        self.module, self.predictor, self.train, self.test = module, predictor, train, test
        self.weights = list(module.parameters())
        self._start = [w.detach().clone() for w in self.weights]
        self._f0 = self._outputs(train.x)
        self._f0_test = self._outputs(test.x)

    @torch.no_grad()
    def margins(self, indices: np.ndarray) -> np.ndarray:
        """Return the margins of some training samples at the present weights, float64."""
        part = self.train.take(indices)
        predictions = self.predictor.predict(self.module(part.x), self._f0[indices])
        return self.predictor.margins(predictions, part.labels).double().numpy()

    def all_margins(self) -> np.ndarray:
        """Return the margins of all training samples."""
        samples, n_parts = np.arange(len(self.train)), math.ceil(len(self.train) / _CHUNK)
        return np.concatenate([self.margins(part) for part in np.array_split(samples, n_parts)])

    def move(self, indices: np.ndarray, temperature: float) -> tuple[np.ndarray, bool]:
        """Take a step of -T times the gradient of the summed losses of some training samples.

        Returns
        -------
        tuple
            Their margins before the step, and whether the weights moved.
        """
        part = self.train.take(indices)
        predictions = self.predictor.predict(self.module(part.x), self._f0[indices])
        margins = self.predictor.margins(predictions.detach(), part.labels).double().numpy()
        total = self.predictor.losses(predictions, part).sum()
        gradients = torch.autograd.grad(total, self.weights, allow_unused=True)
        moved = False
        with torch.no_grad():
            for w, gradient in zip(self.weights, gradients, strict=True):
                if gradient is not None:
                    moved = moved or bool(gradient.any())
                    w.sub_(gradient, alpha=temperature)
        return margins, moved

    def relative_weight_change(self) -> float:
        """Return ||w - w0|| / ||w0|| over all trained weights together."""
        return _norm(self._changes()) / _norm(self._start)

    def is_stable(self) -> bool:
        """Whether the weights moved no further than a stable training does."""
        return self.relative_weight_change() <= divergence_limit(self.predictor.scale)

    def measure(
        self,
        reason: StopReason,
        steps: tuple[int, int, int],
        batch: tuple[float, int],
        resolution: int | None,
        margins: np.ndarray | None = None,
    ) -> Measurement:
        """Return what the training measured, after its last step.

        Parameters
        ----------
        steps
            Index of the last step that moved the weights, number of those that did, and number
            of samples that pulled in them.
        batch
            Learning rate and batch size.
        resolution
            Steps between tests for fit; None where t* is exact.
        margins
            Those of all training samples, where they are known.
        """
        rate, batch_size = batch
        margins = self.all_margins() if margins is None else margins
        if not self.is_stable():
            reason = StopReason.DIVERGED
        return Measurement(
            backend=BACKEND,
            stop_reason=reason,
            relative_weight_change=self.relative_weight_change(),
            weight_norm=_norm(self.weights),
            training_time=rate * steps[0],
            n_steps=steps[0],
            n_presentations=batch_size * steps[0],
            n_updates=steps[1],
            n_violators_used=steps[2],
            test_error=error_fraction(np.ones(len(self.test)), self._test_margins()),
            train_error=error_fraction(np.ones(len(self.train)), margins),
            margin_min=float(margins.min()),
            **margin_quantiles(margins),
            layer_weight_change=self._layer_weight_change(),
            training_time_resolution=resolution,
        )

    def _changes(self) -> list[torch.Tensor]:
        return [w.detach() - w0 for w, w0 in zip(self.weights, self._start, strict=True)]

    def _layer_weight_change(self) -> tuple[float, ...]:
        """Return the relative change of each submodule that holds weights, NaN where w0 = 0."""
        layers: dict[str, list[int]] = {}
        for k, (name, _) in enumerate(self.module.named_parameters()):
            layers.setdefault(name.rpartition(".")[0], []).append(k)
        changes, result = self._changes(), []
        for members in layers.values():
            norm = _norm([self._start[k] for k in members])
            moved = _norm([changes[k] for k in members])
            result.append(moved / norm if norm > 0 else math.nan)
        return tuple(result)

    @torch.no_grad()
    def _outputs(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.module(part) for part in x.split(_CHUNK)])

    def _test_margins(self) -> np.ndarray:
        predictions = self.predictor.predict(self._outputs(self.test.x), self._f0_test)
        return self.predictor.margins(predictions, self.test.labels).double().numpy()


def _norm(tensors: Sequence[torch.Tensor]) -> float:
    return math.sqrt(sum(float(w.detach().double().square().sum()) for w in tensors))
