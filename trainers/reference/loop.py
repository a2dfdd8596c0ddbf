"""What SGD does here, step by step: read this file first.

A network f(w, x) learns labels y = +-1 through the predictor F = alpha (f(w, x) - f(w0, x)).
At every step a few training points are drawn; those with y F < 1, the violators, pull the
weights by (eta/B) y grad f each (times 1 - y F for the quadratic hinge). When no training point
is a violator, the gradient of every batch vanishes and the training is over: it is *fitted*.
With the logistic loss every point pulls, sigma(-y F) as much, and whether the training is fitted
is tested now and then.

This is the plain loop, with autograd and one batch per step. :mod:`trainers.kernels.backend` does
exactly the same a thousand times faster, and is tested against it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from search_spaces.choices import SELECTIONS
from trainers.batches.fixed_size import batch_indices
from trainers.batches.selection import walk_selections
from trainers.measurement import Measurement
from trainers.models.replica import Replica
from trainers.reference.events import event_batches
from trainers.reference.state import TorchState
from trainers.stopping import DIVERGENCE_CHECK, StopReason, check_interval, step_limit


def train_reference(replica: Replica) -> Measurement:
    """Train one replica with torch, testing all P points after every step that moved w."""
    point, state = replica.point, TorchState(replica)
    interval, limit = check_interval(point), step_limit(point)
    n_steps = n_updates = n_violators = 0
    reason = StopReason.STEP_BUDGET
    for step, batch in _batches(replica, state):
        state.record_until(step - 1)
        f = state.output(state.x[batch])
        margin = state.y[batch] * point.alpha * (f - state.f0[batch])
        if not torch.isfinite(margin).all():
            reason = StopReason.DIVERGED
            break
        pulls = _pulls(point.loss, margin.detach())
        if not point.bias:
            pulls[f == 0] = 0  # a silent last layer: no gradient
        moves = bool(pulls.any())
        if moves:
            gradients = torch.autograd.grad((pulls * state.y[batch] * f).sum(), state.weights)
            with torch.no_grad():
                for w, gradient in zip(state.weights, gradients, strict=True):
                    w += point.temperature * gradient  # T = eta/B
            n_steps = step
            n_updates += 1
            n_violators += int((pulls > 0).sum())
            if n_updates % DIVERGENCE_CHECK == 0 and not state.is_stable():
                reason = StopReason.DIVERGED
                break
        is_tested = moves if interval == 1 else step % interval == 0 or step == limit
        if is_tested and state.is_fitted():
            reason = StopReason.FITTED
            break
    return state.measure(reason, n_steps, n_updates, n_violators)


def _pulls(loss: str, margin: torch.Tensor) -> torch.Tensor:
    """Return how strongly each sample pulls: minus the derivative of the loss by y F."""
    if loss == "logistic":
        return torch.sigmoid(-margin)
    violates = (margin < 1).to(margin.dtype)
    return violates * (1 - margin) if loss == "quadratic_hinge" else violates


def _batches(replica: Replica, state: TorchState) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the steps, counted from 1, and their batches; the idle ones only if sequential."""
    point = replica.point
    if point.scheme == "jump":
        yield from event_batches(point, replica.batch_seed, state.violators)
        return
    if point.sampling in SELECTIONS:
        selections = walk_selections(point, replica.batch_seed)
        for step in range(1, step_limit(point) + 1):
            yield step, torch.from_numpy(next(selections))
        return
    n_train = len(replica.y_train)
    for step in range(step_limit(point)):
        drawn = batch_indices(
            replica.batch_seed, step, 1, n_train, point.batch_size, point.sampling
        )
        yield step + 1, torch.from_numpy(drawn[0]).long()
