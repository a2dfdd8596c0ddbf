"""A training of the readable reference: its data and weights, and what is measured of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from trainers.measurement import Measurement, error_fraction
from trainers.models.functions import network_output
from trainers.models.replica import Replica
from trainers.probes.measure import measure_probes
from trainers.stopping import (
    StopReason,
    divergence_limit,
    presentations,
    recorded_steps,
    settled_reason,
    step_limit,
)


def layer_norms(tensors: Sequence[torch.Tensor]) -> np.ndarray:
    """Return the norm of each layer with its biases, the output last, shape (L+1,)."""
    squares = [float(tensor.detach().double().square().sum()) for tensor in tensors]
    n_layers = sum(tensor.dim() == 2 for tensor in tensors) + 1
    layers, biases = squares[:n_layers], squares[n_layers:]
    return np.sqrt(np.add(layers, biases or 0))


class TorchState:
    """Data and weights of one training, and what is measured of them.

    Attributes
    ----------
    x, y : tensors (P, d) and (P,)
    f0 : tensor (P,)
        f(w0, x).
    weights : list of tensors
        Unnormalized parameters, with gradients.
    """

    def __init__(self, replica: Replica) -> None:
        self.point = replica.point
        self._f = network_output(replica)
        dtype = getattr(torch, replica.point.dtype)
        data = (replica.x_train, replica.y_train, replica.x_test, replica.y_test)
        self.x, self.y, self.x_test, self.y_test = (torch.tensor(a, dtype=dtype) for a in data)
        self.start = [torch.tensor(w, dtype=dtype) for w in (*replica.weights, *replica.biases)]
        self.weights = [w.clone().requires_grad_() for w in self.start]
        with torch.no_grad():
            self.f0, self.f0_test = self.output(self.x), self.output(self.x_test)
        wanted = "curves" in self.point.observables
        self._recorded = recorded_steps(step_limit(self.point)) if wanted else []
        self._curve: list[tuple[float, ...]] = []

    def output(self, x: torch.Tensor) -> torch.Tensor:
        """Return f at rows of `x`, at the present weights."""
        return self._f(self.weights, x)

    @torch.no_grad()
    def margins(self) -> torch.Tensor:
        """Return y F of all training points."""
        return self.y * self.point.alpha * (self.output(self.x) - self.f0)

    def violators(self) -> np.ndarray:
        """Return the indices of the training points with y F < 1 or not finite."""
        margins = self.margins()
        return np.flatnonzero(~((margins >= 1) & torch.isfinite(margins)).numpy())

    def is_fitted(self) -> bool:
        """Whether there is no violator."""
        return self.violators().size == 0

    def relative_weight_change(self) -> float:
        """Return ||w - w0|| / ||w0|| over all parameters together."""
        moved = np.linalg.norm(layer_norms(self._moved()))
        return float(moved / np.linalg.norm(layer_norms(self.start)))

    def is_stable(self) -> bool:
        """Whether the weights moved no further than a stable training does."""
        return self.relative_weight_change() <= divergence_limit(self.point.alpha)

    def record_until(self, step: int) -> None:
        """Write the recorded steps up to `step` into the curve, at the present weights."""
        while self._recorded and self._recorded[0] <= step:
            self._record(self._recorded.pop(0))

    def measure(
        self, reason: StopReason, n_steps: int, n_updates: int, n_violators: int
    ) -> Measurement:
        """Return what the training measured, after its last step."""
        point = self.point
        wanted = "curves" in point.observables
        if reason == StopReason.STEP_BUDGET:
            self.record_until(step_limit(point))
        elif wanted:
            self._record(n_steps)
        change = self.relative_weight_change()
        reason = settled_reason(reason, point.alpha, change)
        margins = self.margins().numpy()
        layers = layer_norms(self._moved()) / layer_norms(self.start)
        return Measurement.of(
            point,
            "torch",
            reason,
            (n_steps, n_updates, n_violators),
            margins,
            relative_weight_change=change,
            weight_norm=float(np.linalg.norm(layer_norms(self.weights))),
            **self._errors(),
            layer_weight_change=tuple(layers.tolist()),
            requested=self._requested(reason == StopReason.FITTED),
            curve=tuple(self._curve) if wanted else None,
        )

    def _moved(self) -> list[torch.Tensor]:
        return [w.detach() - w0 for w, w0 in zip(self.weights, self.start, strict=True)]

    @torch.no_grad()
    def _errors(self) -> dict[str, float]:
        predictor = (self.output(self.x) - self.f0).numpy()
        predictor_test = (self.output(self.x_test) - self.f0_test).numpy()
        return {
            "train_error": error_fraction(self.y.numpy(), predictor),
            "test_error": error_fraction(self.y_test.numpy(), predictor_test),
        }

    def _record(self, step: int) -> None:
        times = (step, self.point.learning_rate * step, presentations(self.point, step))
        change, errors = self.relative_weight_change(), self._errors()
        self._curve.append((*times, change, errors["train_error"], errors["test_error"]))

    def _requested(self, is_fitted: bool) -> dict[str, float]:
        before, after = (
            [w.detach().double().numpy() for w in side] for side in (self.start, self.weights)
        )
        train = self.x.numpy(), self.y.numpy()
        return measure_probes(self.point, (before, after), train, self.x_test.numpy(), is_fitted)
