"""The networks as differentiable functions of their unnormalized parameters, in torch."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import conv2d

from trainers.models.replica import BIAS_SCALE, GAINS, Replica

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


def output_of_images(
    weights: Sequence[torch.Tensor], x: torch.Tensor, shape: tuple[int, int, int]
) -> torch.Tensor:
    """Return f(w, x) of a convolutional network (`trainers.models.cnn`), for flat images x."""
    a = x.view(-1, *shape)
    for k, matrix in enumerate(weights[:-1]):
        kernel = matrix.view(3, 3, a.shape[1], -1).permute(3, 2, 0, 1)
        z = conv2d(a, kernel, stride=1 + k % 2, padding=1) / math.sqrt(matrix.shape[0])
        a = math.sqrt(2) * torch.relu(z)
    return a.mean((2, 3)) @ weights[-1] / math.sqrt(weights[-1].shape[0])


def network_output(
    replica: Replica,
) -> Callable[[Sequence[torch.Tensor], torch.Tensor], torch.Tensor]:
    """Return the function f(w, x) of a replica's network."""
    if replica.point.model == "cnn":
        assert replica.input_shape is not None
        return functools.partial(output_of_images, shape=replica.input_shape)
    return functools.partial(output, activation=replica.point.activation)


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


def jacobian_products(
    parameters: Sequence[torch.Tensor], x: torch.Tensor, activation: str
) -> tuple[
    Callable[[torch.Tensor], list[torch.Tensor]], Callable[[Sequence[torch.Tensor]], torch.Tensor]
]:
    """Return the functions u -> J^T u and v -> J v of J = df/dw at rows x.

    Both by reverse mode: J^T u is linear in u, and its derivative by u gives J v.
    """
    weights = [w.detach() for w in parameters]

    def pull(u: torch.Tensor) -> list[torch.Tensor]:
        of_weights: Any = torch.func.vjp(lambda w: output(w, x, activation), weights)[1]
        return list(of_weights(u)[0])

    of_u: Any = torch.func.vjp(pull, x.new_zeros(len(x)))[1]
    return pull, lambda v: of_u(list(v))[0]
