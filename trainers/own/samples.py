"""What a torch module is trained on, and how its outputs become margins and losses.

The predictor is F = alpha (f(w, x) - f(w0, x)), or f(w, x) itself where alpha is None. A sample
has a margin: y F for labels +-1, and F_y - max_{k != y} F_k for classes (Crammer and Singer,
JMLR 2001). It is a violator where its margin is below 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from search_spaces import InvalidSettingError
from trainers.losses import value as margin_losses

OutputLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Maps outputs (n, ...) and targets (n, ...) to losses (n,)."""


@dataclass(frozen=True)
class Samples:
    """Inputs with their labels, and the targets that a loss of the user's own receives."""

    x: torch.Tensor
    labels: torch.Tensor
    """+1 or -1 in the dtype of the weights, or classes (int64)."""
    targets: torch.Tensor
    """As they were given."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray | torch.Tensor) -> Samples:
        """Return some of the samples."""
        rows = torch.as_tensor(indices, dtype=torch.int64)
        return Samples(self.x[rows], self.labels[rows], self.targets[rows])

    def to(self, dtype: torch.dtype) -> Samples:
        """Return the samples with all real numbers in another dtype."""
        return Samples(*(_real_to(part, dtype) for part in (self.x, self.labels, self.targets)))


@dataclass(frozen=True)
class Predictor:
    """How outputs become margins and losses."""

    loss: str | OutputLoss
    alpha: float | None

    @property
    def vanishes(self) -> bool:
        """Whether samples beyond the margin have no loss, so that t* is exact."""
        return self.loss in ("hinge", "quadratic_hinge")

    @property
    def scale(self) -> float:
        """Alpha, or 1 for the plain output."""
        return 1.0 if self.alpha is None else self.alpha

    def predict(self, f: torch.Tensor, f0: torch.Tensor) -> torch.Tensor:
        """Return F of samples whose outputs are f now and were f0 at initialization."""
        return f if self.alpha is None else self.alpha * (f - f0)

    def margins(self, predictions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the margins (n,) of predictions (n,), (n, 1) or (n, classes)."""
        if labels.is_floating_point():
            return labels * predictions.reshape(len(labels))
        column = labels[:, None]
        others = predictions.scatter(1, column, -math.inf)
        return predictions.gather(1, column)[:, 0] - others.amax(dim=1)

    def losses(self, predictions: torch.Tensor, samples: Samples) -> torch.Tensor:
        """Return the losses (n,), divided by alpha.

        Raises
        ------
        InvalidSettingError
            If a loss of the user's own does not return one value per sample.
        """
        if isinstance(self.loss, str):
            margins = self.margins(predictions, samples.labels)
            return margin_losses(self.loss, margins) / self.scale
        values = self.loss(predictions, samples.targets)
        if not isinstance(values, torch.Tensor) or values.shape != (len(samples),):
            shape = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values)
            raise InvalidSettingError(
                f"loss returned {shape} for {len(samples)} samples; it must return one value per "
                "sample, such as CrossEntropyLoss(reduction='none') does"
            )
        return values / self.scale


class PredictingModule(torch.nn.Module):
    """The predictor as a module, whose parameters are those of the module that moves."""

    def __init__(
        self, moving: torch.nn.Module, start: torch.nn.Module, predictor: Predictor
    ) -> None:
        super().__init__()
        self.moving, self._predictor = moving, predictor
        # In a tuple the frozen copy is no submodule, so that its weights are no parameters.
        self._start = (start.requires_grad_(False),)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return F at x."""
        f = self.moving(x)
        return (
            f if self._predictor.alpha is None else self._predictor.predict(f, self._start[0](x))
        )


def read_inputs(x: Any) -> torch.Tensor:
    """Return inputs as a tensor.

    Raises
    ------
    InvalidSettingError
        If they are no array of finite numbers, samples first.
    """
    inputs = _tensor("x", x)
    if inputs.dim() < 1 or len(inputs) < 2:
        raise InvalidSettingError(
            f"x of shape {tuple(inputs.shape)} holds no two samples; the samples come first"
        )
    if inputs.is_floating_point() and not torch.isfinite(inputs).all():
        raise InvalidSettingError("x holds values that are not finite")
    return inputs


def read_samples(inputs: torch.Tensor, y: Any, n_outputs: int, dtype: torch.dtype) -> Samples:
    """Return inputs with labels for a module of `n_outputs`.

    Raises
    ------
    InvalidSettingError
        If there is not one label per input, or labels do not suit the number of outputs.
    """
    targets = _tensor("y", y)
    if targets.shape[:1] != inputs.shape[:1] or targets.numel() != len(inputs):
        raise InvalidSettingError(
            f"y of shape {tuple(targets.shape)} does not give one label to each of the "
            f"{len(inputs)} samples of x"
        )
    found = sorted(set(targets.flatten().tolist()))
    flat = targets.flatten()
    if n_outputs == 1:
        if not (set(found) <= {-1, 1} or set(found) <= {0, 1}):
            raise InvalidSettingError(
                f"y has values from {found[0]:g} to {found[-1]:g}; a module with one output "
                "learns labels -1 and +1, or 0 and 1"
            )
        labels = torch.where(flat > 0, 1, -1).to(dtype)
    else:
        wrong = [value for value in found if value not in range(n_outputs)]
        if wrong:
            raise InvalidSettingError(
                f"y has the value {wrong[0]:g}; a module with {n_outputs} outputs learns classes "
                f"0 to {n_outputs - 1}"
            )
        labels = flat.long()
    return Samples(inputs, labels, targets).to(dtype)


def _tensor(name: str, values: Any) -> torch.Tensor:
    """Return a copy on the CPU that nobody else changes."""
    try:
        tensor = values if isinstance(values, torch.Tensor) else torch.tensor(np.asarray(values))
    except (TypeError, ValueError, RuntimeError):
        raise InvalidSettingError(
            f"{name}={type(values).__name__} is no array of numbers; give an array or tensor, "
            "samples first"
        ) from None
    return tensor.detach().cpu().clone()


def _real_to(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
