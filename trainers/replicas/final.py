"""What a replica of a pack measures where it stopped, computed alone.

Everything here has the shape of one replica, so that no neighbour can change it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from trainers.measurement import Measurement, margin_quantiles
from trainers.models.batched import Network, Weights
from trainers.models.replica import Replica
from trainers.replicas.pack import DIVERGED, FITTED, rounding_unit
from trainers.stopping import StopReason, divergence_limit, presentations

BACKEND = "torch-replicas"


@dataclass(frozen=True)
class End:
    """One replica, R = 1, at the weights at which it stopped."""

    network: Network
    weights: Weights
    start: Weights
    x: torch.Tensor
    """Training inputs (P, d), arranged for the network."""
    y: torch.Tensor
    f0: torch.Tensor
    size: torch.Tensor
    """Largest |a_L| met."""
    code: int
    n_steps: int
    n_updates: int
    n_violators: int
    rows_at_once: int
    block: int
    """Points per product of a step."""


def evaluate(
    network: Network, weights: Weights, x: torch.Tensor, rows_at_once: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return f (n,) of one replica at the rows of `x`, and its largest |a_L|."""
    parts = [network.outputs(weights, rows[None]) for rows in x.split(rows_at_once)]
    f, squares = (torch.cat(values, 1)[0] for values in zip(*parts, strict=True))
    return f, squares.amax().sqrt()


def squared_changes(weights: Weights, start: Weights | None, scales: list[float]) -> list[float]:
    """Return ||w - w0||^2, or ||w||^2 without `start`, of each layer's unnormalized weights."""
    squares = []
    for k, scale in enumerate(scales):
        moved = weights[k].double()
        if start is not None:
            moved = moved - start[k].double()
        squares.append(float(moved.square().sum()) / scale**2)
    return squares


def measure(end: End, replica: Replica) -> Measurement:
    """Return the measurement of a replica that ended."""
    point, scales = replica.point, end.network.scales()
    x_test, y_test = (
        torch.from_numpy(array).to(end.y)
        for array in (end.network.arrange(replica.x_test), replica.y_test)
    )
    f, _ = evaluate(end.network, end.weights, end.x, end.rows_at_once)
    f_test, _ = evaluate(end.network, end.weights, x_test, end.rows_at_once)
    f0_test, _ = evaluate(end.network, end.start, x_test, end.rows_at_once)
    changes = squared_changes(end.weights, end.start, scales)
    norms = squared_changes(end.start, None, scales)
    relative = math.sqrt(sum(changes) / sum(norms))
    smallest = _smallest_margin(end, f, point.alpha)
    return Measurement(
        backend=BACKEND,
        stop_reason=_stop_reason(end.code, smallest, relative <= divergence_limit(point.alpha)),
        relative_weight_change=relative,
        weight_norm=math.sqrt(sum(squared_changes(end.weights, None, scales))),
        training_time=point.learning_rate * end.n_steps,
        n_steps=end.n_steps,
        n_presentations=presentations(point, end.n_steps),
        n_updates=end.n_updates,
        n_violators_used=end.n_violators,
        test_error=_error(y_test, f_test - f0_test),
        train_error=_error(end.y, f - end.f0),
        margin_min=smallest,
        **margin_quantiles((end.y * point.alpha * (f - end.f0)).cpu().numpy()),
        layer_weight_change=tuple(map(_root_of_ratio, changes, norms)),
    )


def _root_of_ratio(change: float, norm: float) -> float:
    return math.sqrt(change / norm)


def _stop_reason(code: int, smallest: float, stable: bool) -> StopReason:
    if code == DIVERGED or not stable:
        return StopReason.DIVERGED
    # A training that used its budget may hold points too close to the margin to be told by
    # the look-ahead, and be fitted.
    fitted = code == FITTED or 1 <= smallest < math.inf
    return StopReason.FITTED if fitted else StopReason.STEP_BUDGET


def _smallest_margin(end: End, f: torch.Tensor, alpha: float) -> float:
    """Return the smallest y F in the arithmetic of a step; NaN if any output is NaN."""
    margins = end.y * alpha * (f - end.f0)
    if bool(margins.isnan().any()):
        return math.nan
    unit = rounding_unit(end.network, end.weights, end.y.new_full((1, 1), alpha))
    slack = float(unit) * float(end.size)
    near = (~(margins > margins.min() + 2 * slack)).nonzero()[:, 0]
    smallest = math.inf
    for p in near.tolist():
        rows = end.x[p].expand(1, end.block, -1)
        exact = end.network.forward(end.weights, rows)[0][0, 0]
        smallest = min(smallest, float(end.y[p] * alpha * (exact - end.f0[p])))
    return smallest


def _error(labels: torch.Tensor, predictor: torch.Tensor) -> float:
    return int((~(labels * predictor > 0)).sum()) / len(labels)
