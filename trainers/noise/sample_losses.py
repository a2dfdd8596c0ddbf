"""The loss of single samples as a function of the parameters, in torch.

Noise is a property of a loss, a set of samples and weights, not of one network: what measures it
takes a :class:`SampleLoss`, made from a replica of our trainers or from any torch module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from search_spaces import InvalidSettingError, Point
from trainers.losses import value as margin_losses
from trainers.models.cnn import check_cnn
from trainers.models.functions import network_output
from trainers.models.replica import GAINS, Replica

Parameters = Mapping[str, torch.Tensor]

LARGEST_SET = 2**17
"""Most samples: a gigabyte for the vectors and gradients of a perceptron in 64 dimensions."""


@dataclass(frozen=True)
class SampleLoss:
    """Losses l_i(w) of N samples; the training loss is their mean."""

    parameters: dict[str, torch.Tensor]
    """Tensors by layer name, without gradients."""
    n_samples: int
    """N."""
    evaluate: Callable[[Parameters, torch.Tensor], torch.Tensor]
    """Maps parameters and indices (n,) to losses (n,)."""

    def mean_gradient(self, parameters: Parameters, indices: torch.Tensor) -> list[torch.Tensor]:
        """Return the gradient of the mean loss over `indices`, one tensor per layer."""
        return self.weighted_gradient(
            parameters, indices, torch.full((len(indices),), 1 / len(indices))
        )

    def weighted_gradient(
        self, parameters: Parameters, indices: torch.Tensor, weights: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return the gradient of sum_i weights[i] l_i, one tensor per layer."""
        return self.weighted_gradients(parameters, indices, weights)[0]

    def weighted_gradients(
        self, parameters: Parameters, indices: torch.Tensor, *weights: torch.Tensor
    ) -> list[list[torch.Tensor]]:
        """Return the gradients of several weighted sums of the same losses."""
        leaves = [w.detach().requires_grad_() for w in parameters.values()]
        losses = self.evaluate(dict(zip(parameters, leaves, strict=True)), indices)
        return [
            list(
                torch.autograd.grad(
                    losses, leaves, w.to(losses), retain_graph=w is not weights[-1]
                )
            )
            for w in weights
        ]

    def full_gradient(self, parameters: Parameters, chunk: int = 2048) -> list[torch.Tensor]:
        """Return the gradient of the mean loss over all samples, computed in chunks."""
        total = [torch.zeros_like(w, dtype=torch.float64) for w in parameters.values()]
        for indices in torch.arange(self.n_samples).split(chunk):
            weights = torch.full((len(indices),), 1 / self.n_samples)
            for sum_, part in zip(
                total, self.weighted_gradient(parameters, indices, weights), strict=True
            ):
                sum_ += part.double()
        return total


def replica_loss(replica: Replica, labels: torch.Tensor | None = None) -> SampleLoss:
    """Return the loss of a replica's training points, l(y F)/alpha with F = alpha (f - f0).

    l is max(0, 1 - m), its half square, or log(1 + exp(-m)), as the point says; the gradient of
    the mean is that of the dynamics. `labels` replace those of the replica, for label noise.

    Raises
    ------
    InvalidSettingError
        For a model that has no torch description.
    """
    predictor = replica_predictor(replica)
    point = replica.point
    dtype = getattr(torch, point.dtype)
    x = torch.tensor(replica.x_train, dtype=dtype)
    y = torch.tensor(replica.y_train, dtype=dtype) if labels is None else labels.to(dtype)
    f0 = predictor(replica_parameters(replica), x)

    def evaluate(parameters: Parameters, indices: torch.Tensor) -> torch.Tensor:
        f = predictor(parameters, x[indices])
        margins = y[indices] * point.alpha * (f - f0[indices])
        losses: torch.Tensor = margin_losses(point.loss, margins) / point.alpha
        return losses

    return SampleLoss(replica_parameters(replica), len(replica.y_train), evaluate)


def replica_parameters(replica: Replica) -> dict[str, torch.Tensor]:
    """Return the initial weights by layer, ``layer 1`` ... ``readout``, then the biases."""
    dtype = getattr(torch, replica.point.dtype)
    names = [f"layer {k + 1}" for k in range(len(replica.weights) - 1)] + ["readout"]
    names += [f"bias {k + 1}" for k in range(len(replica.biases))]
    return {
        name: torch.tensor(w, dtype=dtype)
        for name, w in zip(names, (*replica.weights, *replica.biases), strict=True)
    }


def replica_predictor(
    replica: Replica,
) -> Callable[[Parameters, torch.Tensor], torch.Tensor]:
    """Return f(w, x) of a replica's network for rows x.

    Raises
    ------
    InvalidSettingError
        For a model that has no torch description.
    """
    check_describable(replica.point)
    output = network_output(replica)
    return lambda parameters, x: output(list(parameters.values()), x)


def check_describable(point: Point) -> None:
    """Raise unless the network of `point` has a torch description.

    Raises
    ------
    InvalidSettingError
        For an activation without one, or more than LARGEST_SET samples.
    """
    if point.n_train > LARGEST_SET:
        raise InvalidSettingError(
            f"n_train={point.n_train}: sample losses hold all samples at once and know at most "
            f"{LARGEST_SET}"
        )
    if point.model == "cnn":
        check_cnn(point)
    elif point.model == "mlp" and point.activation not in GAINS:
        raise InvalidSettingError(
            f"model={point.model}, activation={point.activation}: sample losses know "
            f"{', '.join(GAINS)}; give other networks as a torch module"
        )


def replica_errors(replica: Replica, parameters: Parameters) -> dict[str, float]:
    """Return train_error and test_error: fractions of points with y (f - f0) <= 0 or NaN."""
    predictor, start = replica_predictor(replica), replica_parameters(replica)
    dtype = getattr(torch, replica.point.dtype)
    result = {}
    for name, rows, labels in (
        ("train_error", replica.x_train, replica.y_train),
        ("test_error", replica.x_test, replica.y_test),
    ):
        x, y = torch.tensor(rows, dtype=dtype), torch.tensor(labels, dtype=dtype)
        right = y * (predictor(parameters, x) - predictor(start, x)) > 0
        result[name] = 1 - int(right.sum()) / len(y)
    return result


def module_loss(
    module: torch.nn.Module,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    y: torch.Tensor,
) -> SampleLoss:
    """Return the sample losses of any torch module, in evaluation mode.

    Parameters
    ----------
    loss
        Maps outputs (n, ...) and labels (n, ...) to losses (n,), such as
        ``torch.nn.CrossEntropyLoss(reduction="none")``.

    Examples
    --------
    >>> x, y = torch.eye(3), torch.tensor([0, 1, 1])
    >>> cross_entropy = torch.nn.CrossEntropyLoss(reduction="none")
    >>> losses = module_loss(torch.nn.Linear(3, 2), cross_entropy, x, y)
    >>> losses.evaluate(losses.parameters, torch.arange(3)).shape
    torch.Size([3])
    """
    # Dropout and batch statistics would make the loss of a sample depend on chance or company.
    module.eval()
    buffers = dict(module.named_buffers())

    def evaluate(parameters: Parameters, indices: torch.Tensor) -> torch.Tensor:
        state = {**buffers, **parameters}
        return loss(torch.func.functional_call(module, state, (x[indices],)), y[indices])

    start = {name: w.detach().clone() for name, w in module.named_parameters()}
    return SampleLoss(start, len(y), evaluate)
