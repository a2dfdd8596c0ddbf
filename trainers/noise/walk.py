"""Plain SGD in torch on sample losses, for what needs weights on the way or weighted samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from search_spaces import InvalidSettingError
from trainers.batches.fixed_size import batch_indices
from trainers.noise.sample_losses import SampleLoss

Gradient = Callable[[dict[str, torch.Tensor], torch.Tensor], list[torch.Tensor]]
"""Maps parameters and a batch's indices to one tensor per layer."""

_BLOCK = 1024


def walk(
    loss: SampleLoss,
    learning_rates: np.ndarray,
    batch_size: int,
    seed: int,
    gradient: Gradient | None = None,
) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the parameters after every step w -= learning_rates[k] gradient(w, batch k).

    Batches are drawn without replacement from the stream of `seed`; the tensors that are yielded
    change in place at the next step.

    Raises
    ------
    InvalidSettingError
        For a batch larger than the data.
    """
    if not 1 <= batch_size <= loss.n_samples:
        raise InvalidSettingError(
            f"batch_size={batch_size} must be between 1 and the {loss.n_samples} samples"
        )
    slope = gradient or loss.mean_gradient
    parameters = {name: w.clone() for name, w in loss.parameters.items()}
    for begin in range(0, len(learning_rates), _BLOCK):
        rates = learning_rates[begin : begin + _BLOCK]
        batches = batch_indices(
            seed, begin, len(rates), loss.n_samples, batch_size, "without_replacement"
        )
        for rate, batch in zip(rates, torch.from_numpy(batches).long(), strict=True):
            for w, g in zip(parameters.values(), slope(parameters, batch), strict=True):
                w.sub_(g, alpha=float(rate))
            yield parameters


def train_steps(
    loss: SampleLoss, learning_rate: float, batch_size: int, n_steps: int, seed: int
) -> dict[str, torch.Tensor]:
    """Return the parameters after `n_steps` steps; those of `loss` for none."""
    last = {name: w.clone() for name, w in loss.parameters.items()}
    for parameters in walk(loss, np.full(n_steps, learning_rate), batch_size, seed):
        last = parameters
    return last
