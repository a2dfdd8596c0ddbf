"""Samples of the minibatch noise of single parameters at fixed weights.

Row b is one independent minibatch, column j one parameter; the exact full gradient is
subtracted. Only the chosen columns are ever stored, so that memory is 4 bytes times rows times
columns whatever the size of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from trainers.batches.fixed_size import batch_indices
from trainers.batches.streams import Purpose, generator
from trainers.noise.sample_losses import Parameters, SampleLoss

ROUTES = ("auto", "per_sample", "minibatch")
_LARGEST_TABLE = 256 * 2**20
"""Bytes of per-sample gradients (N, K) beyond which every minibatch is differentiated instead."""
_CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class ChosenParameters:
    """A fixed random subset of the parameters of every layer."""

    layers: tuple[str, ...]
    """Names, in the order of the network."""
    entries: tuple[np.ndarray, ...] = field(repr=False)
    """Flat positions in each layer, increasing."""

    @property
    def n_columns(self) -> int:
        """Number of chosen parameters K."""
        return sum(len(entry) for entry in self.entries)

    @property
    def layer_of(self) -> np.ndarray:
        """Position of the layer of each column, shape (K,)."""
        return np.repeat(np.arange(len(self.layers)), [len(entry) for entry in self.entries])

    def gather(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the chosen entries of one tensor per layer, shape (K,)."""
        return torch.cat(
            [
                tensor.reshape(-1)[torch.from_numpy(entry)]
                for tensor, entry in zip(tensors, self.entries, strict=True)
            ]
        )


@dataclass(frozen=True)
class GradientNoise:
    """Minibatch gradient minus full gradient of the chosen parameters."""

    samples: np.ndarray = field(repr=False)
    """Shape (n_batches, K), float32."""
    chosen: ChosenParameters
    """Which parameter each column is."""
    full_gradient: np.ndarray = field(repr=False)
    """What was subtracted, shape (K,)."""
    gradient_norm: float
    """Norm of the full gradient over all parameters."""
    batch_size: int
    """B."""


def choose_parameters(parameters: Parameters, per_layer: int, seed: int) -> ChosenParameters:
    """Draw at most `per_layer` parameters of every layer; the same for the same seed."""
    if per_layer < 1:
        raise InvalidSettingError(f"per_layer={per_layer} must be at least 1")
    rng = generator(seed, Purpose.NOISE)
    entries = []
    for tensor in parameters.values():
        size = tensor.numel()
        entries.append(np.sort(rng.choice(size, min(per_layer, size), replace=False)))
    return ChosenParameters(tuple(parameters), tuple(entries))


def sample_gradient_noise(
    loss: SampleLoss,
    chosen: ChosenParameters,
    batch_size: int,
    n_batches: int = 2000,
    *,
    seed: int,
    parameters: Parameters | None = None,
    route: str = "auto",
) -> GradientNoise:
    """Draw independent minibatches without replacement and keep the chosen gradients.

    Parameters
    ----------
    loss
        From :func:`trainers.noise.sample_losses.replica_loss` or ``module_loss``.
    parameters
        Weights, by default those with which `loss` was made.
    route
        ``per_sample`` averages rows of a table of per-sample gradients, ``minibatch``
        differentiates every batch; ``auto`` takes the table if it fits into 256 MiB. They agree
        up to rounding.

    Raises
    ------
    InvalidSettingError
        For a batch larger than the data, fewer than 100 batches, or an unknown route.
    """
    check_name("route", route, ROUTES)
    if not 1 <= batch_size <= loss.n_samples:
        raise InvalidSettingError(
            f"batch_size={batch_size} must be between 1 and the {loss.n_samples} samples"
        )
    if n_batches < 100:
        raise InvalidSettingError(f"n_batches={n_batches} must be at least 100")
    weights = loss.parameters if parameters is None else parameters
    mean = loss.full_gradient(weights)
    full = chosen.gather(mean).numpy()
    batches = batch_indices(
        seed, 0, n_batches, loss.n_samples, batch_size, "without_replacement"
    ).astype(np.int64)
    table_size = 4 * loss.n_samples * chosen.n_columns
    if route == "per_sample" or (route == "auto" and table_size <= _LARGEST_TABLE):
        samples = _average_rows(per_sample_gradients(loss, chosen, weights), batches)
    else:
        samples = _differentiate(loss, chosen, weights, batches)
    samples -= full
    return GradientNoise(
        samples=samples.astype(np.float32),
        chosen=chosen,
        full_gradient=full,
        gradient_norm=float(sum(g.square().sum() for g in mean)) ** 0.5,
        batch_size=batch_size,
    )


def per_sample_gradients(
    loss: SampleLoss, chosen: ChosenParameters, parameters: Parameters
) -> np.ndarray:
    """Return the gradient of every sample's loss by the chosen parameters, shape (N, K)."""
    weights = {name: w.detach() for name, w in parameters.items()}

    def single(w: Parameters, index: torch.Tensor) -> torch.Tensor:
        return loss.evaluate(w, index[None])[0]

    gradients = torch.func.vmap(torch.func.grad(single), in_dims=(None, 0))
    positions = [torch.from_numpy(entry) for entry in chosen.entries]
    table = np.empty((loss.n_samples, chosen.n_columns), np.float32)
    for indices in _chunks(loss.n_samples, sum(w.numel() for w in weights.values())):
        layers = gradients(weights, indices).values()
        parts = [g.flatten(1)[:, entry] for g, entry in zip(layers, positions, strict=True)]
        table[indices[0] : indices[-1] + 1] = torch.cat(parts, dim=1)
    return table


def _chunks(n_samples: int, n_parameters: int) -> Iterator[torch.Tensor]:
    return iter(torch.arange(n_samples).split(max(1, _CHUNK_BYTES // (4 * n_parameters))))


def _average_rows(table: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """Return the means of the rows of each batch, shape (n_batches, K), float64."""
    result = np.empty((len(batches), table.shape[1]))
    for begin in range(0, table.shape[1], 64):
        columns = np.ascontiguousarray(table[:, begin : begin + 64], dtype=np.float64)
        total = columns[batches[:, 0]]
        for j in range(1, batches.shape[1]):
            total += columns[batches[:, j]]
        result[:, begin : begin + 64] = total / batches.shape[1]
    return result


def _differentiate(
    loss: SampleLoss, chosen: ChosenParameters, parameters: Parameters, batches: np.ndarray
) -> np.ndarray:
    result = np.empty((len(batches), chosen.n_columns))
    for row, batch in zip(result, torch.from_numpy(batches), strict=True):
        row[:] = chosen.gather(loss.mean_gradient(parameters, batch)).numpy()
    return result
