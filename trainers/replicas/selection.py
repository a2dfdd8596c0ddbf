"""One round of SGD for a pack of replicas whose batches vary in size.

As :mod:`trainers.replicas.pack`, with the flags of all P points (Bernoulli or persistent
selection) in place of lists of batches. A step evaluates the active points in increasing order,
in blocks of a fixed shape that the last active ones do not fill: neither the look-ahead nor the
size of a neighbour's batch changes a bit of a result.
"""

from __future__ import annotations

import numpy as np
import torch

from search_spaces import Point
from trainers.batches.selection import advance_selection, draw_of, open_selection
from trainers.replicas.pack import (
    CANDIDATE,
    RUNNING,
    UNKNOWN,
    PackState,
    Plan,
    advance_to,
    apply_step,
    look,
    rows_of,
    settle,
)

_WINDOW_FLAGS = 2**14


def selected_window(n_train: int) -> int:
    """Return how many steps one round walks at most.

    >>> selected_window(64), selected_window(4096)
    (64, 4)
    """
    return min(64, max(1, _WINDOW_FLAGS // n_train))


def padded_size(n_train: int, block: int) -> int:
    """Return P rounded up to whole blocks.

    >>> padded_size(20, 16)
    32
    """
    return -(-n_train // block) * block


def draw_selections(point: Point, seed: int, first: int, n_steps: int) -> np.ndarray:
    """Return which points are active in `n_steps` steps from `first`, shape (n_steps, P)."""
    draw = draw_of(point, seed)
    active = np.empty(point.n_train, dtype=np.bool_)
    words = np.empty(point.n_train, dtype=np.uint64)
    flags = np.empty((n_steps, point.n_train), dtype=np.bool_)
    open_selection(draw, first, active)
    for k in range(n_steps):
        advance_selection(draw[0], first + k, *draw[1:], words, active)
        flags[k] = active
    return flags


def play_selected_round(pack: PackState, plan: Plan, n_rows: int) -> None:
    """Let every replica look ahead by `n_rows` points and take at most one step."""
    n_train = pack.y.shape[1]
    flags = pack.stream.view(pack.slots, -1, n_train)
    n_drawn = flags.shape[1]
    offset = pack.position - pack.stream_start
    ready = (pack.code == RUNNING) & (offset + plan.window <= n_drawn)
    steps = torch.arange(plan.window, device=offset.device)
    places = (offset[:, None] + steps).clamp_(max=n_drawn - 1)
    ahead = flags.gather(1, places[..., None].expand(-1, -1, n_train))

    appearance = steps[:, None].expand_as(ahead).masked_fill(~ahead, plan.window).amin(1)
    look(pack, plan, appearance.sort(dim=1, stable=True).indices, ready, n_rows)
    candidate = (ahead & (pack.status == CANDIDATE)[:, None]).any(2)
    unknown = (ahead & (pack.status == UNKNOWN)[:, None]).any(2)
    place, chosen = advance_to(pack, plan, candidate, candidate | unknown, ready)
    active = ahead.gather(1, place[..., None].expand(-1, -1, n_train))[:, 0]
    _step(pack, plan, active & chosen[:, None], chosen)
    settle(pack, ready)


def _step(pack: PackState, plan: Plan, active: torch.Tensor, chosen: torch.Tensor) -> None:
    """Take one step with the active points of every chosen replica."""
    batch, valid = _batches(plan, active)
    parts = [
        plan.network.outputs(pack.weights, rows_of(pack.x, places))[0]
        for places in batch.split(plan.block, 1)
    ]
    apply_step(pack, plan, batch, torch.cat(parts, 1), None, chosen, valid)


def _batches(plan: Plan, active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the active points of every replica, then its first one again, and which is which.

    On a CPU no further than the largest batch of the pack needs.
    """
    order = torch.sort(active.to(torch.int8), dim=1, descending=True, stable=True).indices
    n_train = active.shape[1]
    width = plan.batch_size
    if not active.is_cuda:  # a recorded graph cannot depend on how many there are
        width = padded_size(max(1, int(active.sum(1).max())), plan.block)
    kept = min(width, n_train)
    first = order[:, :1]
    batch = torch.cat((order[:, :kept], first.expand(-1, width - kept)), 1)
    valid = torch.arange(width, device=active.device) < active.sum(1)[:, None]
    return torch.where(valid, batch, first), valid
