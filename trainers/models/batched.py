"""Networks with a replica axis: one description for outputs and gradients of every model.

A network is a chain of layers z = a W followed by an activation, then a linear read-out. The
rows a of a convolution are the patches of its input image, so that it is the same matrix
product as a dense layer. All tensors carry the replicas in front, (R, n, ...), and every
replica has its own weights: products are batched over replicas, and nothing mixes them.

Gradients are written out rather than left to autograd: the same few products, half the passes
over memory, and an order of summation that is ours. Weights are scaled as in
:func:`trainers.models.replica.layer_scales`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from trainers.models.replica import Replica

Weights = list[torch.Tensor]
"""One (R, fan_in, fan_out) tensor per hidden layer, then the read-out (R, h); scaled."""

_KERNEL = 3
"""Side of a convolution's kernel; the image is padded by one zero on every side."""


@dataclass(frozen=True)
class Dense:
    """A layer that sees whole vectors."""

    fan_in: int
    fan_out: int
    positions: int = 1

    def rows(self, a: torch.Tensor) -> torch.Tensor:
        """Return the rows (R, n, fan_in) that multiply the weights."""
        return a.reshape(a.shape[0], -1, self.fan_in)

    def fold(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the derivative with respect to the input from that of the rows."""
        return rows


@dataclass(frozen=True)
class Convolution:
    """A 3x3 convolution with zero padding; images are (height, width, channels)."""

    height: int
    width: int
    channels: int
    fan_out: int
    stride: int

    @property
    def fan_in(self) -> int:
        """Entries of a patch: row, column and channel, in this order."""
        return _KERNEL * _KERNEL * self.channels

    @property
    def out_height(self) -> int:
        """Height of the output."""
        return (self.height - 1) // self.stride + 1

    @property
    def out_width(self) -> int:
        """Width of the output."""
        return (self.width - 1) // self.stride + 1

    @property
    def positions(self) -> int:
        """Pixels of the output."""
        return self.out_height * self.out_width

    def rows(self, a: torch.Tensor) -> torch.Tensor:
        """Return the patches (R, n * positions, fan_in) of the images `a`."""
        images = a.reshape(-1, self.height, self.width, self.channels)
        shape = (images.shape[0], self.height + 2, self.width + 2, self.channels)
        padded = images.new_zeros(shape)
        padded[:, 1:-1, 1:-1] = images
        image, row, column, _ = padded.stride()
        patches = padded.as_strided(
            (shape[0], self.out_height, self.out_width, _KERNEL, _KERNEL * self.channels),
            (image, self.stride * row, self.stride * column, row, 1),
        )
        return patches.reshape(a.shape[0], -1, self.fan_in)

    def fold(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the derivative with respect to the images: every pixel collects its patches."""
        shape = (-1, self.out_height, self.out_width, _KERNEL, _KERNEL, self.channels)
        patches = rows.reshape(shape)
        padded = rows.new_zeros(patches.shape[0], self.height + 2, self.width + 2, self.channels)
        down, right = self.stride * self.out_height, self.stride * self.out_width
        for i in range(_KERNEL):
            for j in range(_KERNEL):
                window = padded[:, i : i + down : self.stride, j : j + right : self.stride]
                window += patches[:, :, :, i, j]
        return padded[:, 1:-1, 1:-1].reshape(rows.shape[0], -1, self.channels)


@dataclass(frozen=True)
class Tape:
    """What a forward pass leaves for the backward pass."""

    rows: list[torch.Tensor]
    """Input rows of every layer, (R, n * positions, fan_in)."""
    activations: list[torch.Tensor]
    """Their outputs, (R, n * positions, fan_out)."""
    features: torch.Tensor
    """Last layer averaged over positions, (R, n, h)."""


@dataclass(frozen=True)
class Network:
    """Layers and read-out of one model; relu with its factor sqrt(2) in the scaled weights."""

    layers: tuple[Dense | Convolution, ...]
    input_shape: tuple[int, ...]
    """Channels, height and width of images, or d alone."""

    @property
    def width(self) -> int:
        """h, size of the read-out."""
        return self.layers[-1].fan_out

    @property
    def input_dim(self) -> int:
        """Numbers per input."""
        return math.prod(self.input_shape)

    def scales(self) -> list[float]:
        """Return the factor of each layer that turns w into the weights used here."""
        return [*(math.sqrt(2 / layer.fan_in) for layer in self.layers), self.width**-0.5]

    @cached_property
    def multiply_adds(self) -> int:
        """Multiplications of one output."""
        layers = sum(layer.positions * layer.fan_in * layer.fan_out for layer in self.layers)
        return layers + self.width

    @cached_property
    def row_entries(self) -> int:
        """Numbers that the forward pass of one point writes."""
        return sum(layer.positions * (layer.fan_in + 2 * layer.fan_out) for layer in self.layers)

    @cached_property
    def n_weights(self) -> int:
        """Number of parameters."""
        return sum(layer.fan_in * layer.fan_out for layer in self.layers) + self.width

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the parameters of one replica."""
        return [*((layer.fan_in, layer.fan_out) for layer in self.layers), (self.width,)]

    def arrange(self, x: np.ndarray) -> np.ndarray:
        """Return inputs (n, d) with the channels of a pixel next to each other."""
        if len(self.input_shape) == 1:
            return x
        images = x.reshape(-1, *self.input_shape)
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1)).reshape(x.shape)

    def forward(self, weights: Weights, x: torch.Tensor) -> tuple[torch.Tensor, Tape]:
        """Return f (R, n) at arranged inputs `x` (R, n, d), and what the gradient needs."""
        a, rows, activations = x, [], []
        for layer, matrix in zip(self.layers, weights[:-1], strict=True):
            rows.append(layer.rows(a))
            a = torch.bmm(rows[-1], matrix).relu_()
            activations.append(a)
        features = a.view(*x.shape[:2], -1, self.width).mean(2)
        f = (features * weights[-1][:, None]).sum(-1)
        return f, Tape(rows, activations, features)

    def outputs(self, weights: Weights, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return f (R, n) and the mean square of the last layer (R, n), the scale of rounding."""
        a = x
        for layer, matrix in zip(self.layers, weights[:-1], strict=True):
            a = torch.bmm(layer.rows(a), matrix).relu_()
        last = a.view(*x.shape[:2], -1, self.width)
        f = (last.mean(2) * weights[-1][:, None]).sum(-1)
        return f, last.square().sum(-1).mean(-1)

    def gradients(self, weights: Weights, tape: Tape, slopes: torch.Tensor) -> Weights:
        """Return sum_i slopes_i grad f_i (R, ...) for slopes (R, n)."""
        out = weights[-1]
        gradients = [(slopes[..., None] * tape.features).sum(1)]
        share = slopes / self.layers[-1].positions
        delta = share[:, :, None, None] * out[:, None, None, :]
        delta = delta.expand(-1, -1, self.layers[-1].positions, -1)
        for k in range(len(self.layers) - 1, -1, -1):
            layer, a = self.layers[k], tape.activations[k]
            delta = delta.reshape(a.shape) * (a > 0)
            gradients.append(torch.bmm(tape.rows[k].transpose(1, 2), delta))
            if k:
                delta = layer.fold(torch.bmm(delta, weights[k].transpose(1, 2)))
        return gradients[::-1]


def build_network(
    width: int, depth: int, input_dim: int, input_shape: tuple[int, int, int] | None = None
) -> Network:
    """Return a multilayer perceptron, or for images of a shape a convolutional network."""
    if input_shape is None:
        fans = [input_dim] + [width] * (depth - 1)
        return Network(tuple(Dense(fan, width) for fan in fans), (input_dim,))
    channels, height, columns = input_shape
    layers: list[Dense | Convolution] = []
    for k in range(depth):
        layer = Convolution(height, columns, channels, width, stride=1 + k % 2)
        height, columns, channels = layer.out_height, layer.out_width, width
        layers.append(layer)
    return Network(tuple(layers), input_shape)


def network_of(replica: Replica) -> Network:
    """Return the network that a replica trains."""
    point, input_dim = replica.point, replica.x_train.shape[1]
    return build_network(point.width, point.depth, input_dim, replica.input_shape)
