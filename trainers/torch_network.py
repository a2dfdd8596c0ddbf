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
