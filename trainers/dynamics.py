"""What SGD does here, step by step: read this file first.

A network f(w, x) learns labels y = +-1 through the predictor F = alpha (f(w, x) - f(w0, x)).
At every step a few training points are drawn; those with y F < 1, the violators, pull the
weights by (eta/B) y grad f each (times 1 - y F for the quadratic hinge). When no training point
is a violator, the gradient of every batch vanishes and the training is over: it is *fitted*.

This is the plain loop, with autograd and one batch per step. :mod:`trainers.kernels` does
exactly the same a thousand times faster, and is tested against it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch.nn.functional import conv2d

from trainers.measurement import Measurement
from trainers.minibatch import batch_indices
from trainers.models import Replica
from trainers.stopping import DIVERGENCE_CHECK, StopReason, divergence_limit, step_limit


def train_reference(replica: Replica) -> Measurement:
    """Train one replica with torch, testing all P points after every step that moved w."""
    point = replica.point
    dtype = getattr(torch, point.dtype)
    x, y, x_test, y_test = (
        torch.tensor(array, dtype=dtype)
        for array in (replica.x_train, replica.y_train, replica.x_test, replica.y_test)
    )
    weights = [torch.tensor(w, dtype=dtype, requires_grad=True) for w in replica.weights]
    start = [w.detach().clone() for w in weights]
    output = network_output(replica)
    with torch.no_grad():
        f0, f0_test = output(weights, x), output(weights, x_test)

    n_steps = n_updates = n_violators_used = 0
    reason = StopReason.STEP_BUDGET
    for step in range(step_limit(point)):
        batch = _batch(replica, step)
        f = output(weights, x[batch])
        margin = y[batch] * point.alpha * (f - f0[batch])
        violators = (margin < 1) & (f != 0)  # f = 0: a silent last layer, no gradient
        if not torch.isfinite(margin).all():
            reason = StopReason.DIVERGED
            break
        if not violators.any():
            continue

        pull = torch.ones_like(margin)
        if point.loss == "quadratic_hinge":
            pull = 1 - margin.detach()
        gradients = torch.autograd.grad((pull * y[batch] * f)[violators].sum(), weights)
        with torch.no_grad():
            for w, gradient in zip(weights, gradients, strict=True):
                w += point.temperature * gradient  # T = eta/B

        n_steps = step + 1
        n_updates += 1
        n_violators_used += int(violators.sum())
        if n_updates % DIVERGENCE_CHECK == 0 and not _is_stable(weights, start, point.alpha):
            reason = StopReason.DIVERGED
            break
        with torch.no_grad():
            margins = y * point.alpha * (output(weights, x) - f0)
            if ((margins >= 1) & torch.isfinite(margins)).all():
                reason = StopReason.FITTED
                break

    if not _is_stable(weights, start, point.alpha):
        reason = StopReason.DIVERGED
    with torch.no_grad():
        predictor, predictor_test = output(weights, x) - f0, output(weights, x_test) - f0_test
    return Measurement(
        backend="torch",
        stop_reason=reason,
        relative_weight_change=relative_weight_change(weights, start),
        weight_norm=math.sqrt(_square(weights)),
        training_time=point.learning_rate * n_steps,
        n_steps=n_steps,
        n_presentations=point.batch_size * n_steps,
        n_updates=n_updates,
        n_violators_used=n_violators_used,
        test_error=_error(y_test, predictor_test),
        train_error=_error(y, predictor),
        margin_min=float((y * point.alpha * predictor).min()),
    )


def network_output(replica: Replica) -> Callable[[list[torch.Tensor], torch.Tensor], torch.Tensor]:
    """Return the function f(w, x) of a replica's network."""
    if replica.point.model == "cnn":
        return functools.partial(output_of_images, shape=replica.input_shape)
    return output


def output_of_images(
    weights: list[torch.Tensor], x: torch.Tensor, shape: tuple[int, int, int]
) -> torch.Tensor:
    """Return f(w, x) of a convolutional network (:mod:`trainers.cnn`), for flat images x."""
    a = x.view(-1, *shape)
    for k, matrix in enumerate(weights[:-1]):
        kernel = matrix.view(3, 3, a.shape[1], -1).permute(3, 2, 0, 1)
        z = conv2d(a, kernel, stride=1 + k % 2, padding=1) / math.sqrt(matrix.shape[0])
        a = math.sqrt(2) * torch.relu(z)
    return a.mean((2, 3)) @ weights[-1] / math.sqrt(weights[-1].shape[0])


def output(weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Return f(w, x) of an MLP in NTK parametrization, for rows x (n, d)."""
    a = x
    for matrix in weights[:-1]:
        z = a @ matrix / math.sqrt(matrix.shape[0])
        a = math.sqrt(2) * torch.relu(z)
    return a @ weights[-1] / math.sqrt(weights[-1].shape[0])


def relative_weight_change(weights: list[torch.Tensor], start: list[torch.Tensor]) -> float:
    """Return ||w - w0|| / ||w0|| over all parameters together."""
    moved = [w.detach() - w0 for w, w0 in zip(weights, start, strict=True)]
    return math.sqrt(_square(moved) / _square(start))


def _square(tensors: list[torch.Tensor]) -> float:
    return sum(float(tensor.detach().double().square().sum()) for tensor in tensors)


def _is_stable(weights: list[torch.Tensor], start: list[torch.Tensor], alpha: float) -> bool:
    return relative_weight_change(weights, start) <= divergence_limit(alpha)


def _error(labels: torch.Tensor, predictor: torch.Tensor) -> float:
    return int((~(labels * predictor > 0)).sum()) / len(labels)


def _batch(replica: Replica, step: int) -> torch.Tensor:
    point = replica.point
    drawn = batch_indices(
        replica.batch_seed, step, 1, len(replica.y_train), point.batch_size, point.sampling
    )
    return torch.from_numpy(drawn[0]).long()
