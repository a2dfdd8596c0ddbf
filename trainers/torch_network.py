"""The network as a differentiable function of its unnormalized parameters, in torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from trainers.models import BIAS_SCALE, GAINS

_FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": torch.nn.functional.gelu}


def output(
    parameters: Sequence[torch.Tensor], x: torch.Tensor, activation: str = "relu"
) -> torch.Tensor:
    """Return f(w, x) of a multilayer perceptron, for rows x (n, d).

    Parameters
    ----------
    parameters
        Weights (d, h), (h, h), ..., (h,), then the biases (h,), ..., (1,) if there are any.
    """
    a = hidden_activations(parameters, x, activation)
    weights, biases = _weights_and_biases(parameters)
    f = a @ weights[-1] / math.sqrt(weights[-1].shape[0])
    return f + BIAS_SCALE * biases[-1] if biases else f


def hidden_activations(
    parameters: Sequence[torch.Tensor], x: torch.Tensor, activation: str = "relu"
) -> torch.Tensor:
    """Return the activations (n, h) of the last hidden layer."""
    weights, biases = _weights_and_biases(parameters)
    a = x
    for layer, matrix in enumerate(weights[:-1]):
        z = a @ matrix / math.sqrt(matrix.shape[0])
        if biases:
            z = z + BIAS_SCALE * biases[layer]
        a = GAINS[activation] * _FUNCTIONS[activation](z)
    return a


def _weights_and_biases(
    parameters: Sequence[torch.Tensor],
) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]:
    n_layers = sum(w.dim() == 2 for w in parameters) + 1
    return parameters[:n_layers], parameters[n_layers:]


class OutputJacobian:
    """J = df/dw at fixed weights and rows x, as products from both sides.

    Both come from reverse mode alone: J^T u is linear in u, and its derivative by u gives J v.
    """

    def __init__(
        self, parameters: Sequence[torch.Tensor], x: torch.Tensor, activation: str
    ) -> None:
        weights = [w.detach().clone().requires_grad_() for w in parameters]
        self._u = torch.zeros(len(x), dtype=x.dtype, requires_grad=True)
        f = output(weights, x, activation)
        self._pulled = torch.autograd.grad(f, weights, self._u, create_graph=True)

    def times_parameters(self, tangents: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return J v, shape (n,)."""
        (product,) = torch.autograd.grad(self._pulled, self._u, tangents, retain_graph=True)
        return product
