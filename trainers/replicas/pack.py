"""One round of SGD for a pack of replicas: look ahead, walk the stream, take one step.

Every replica stands at its own position of its own stream of batches. A round evaluates the
next points that are unknown at its present weights, walks to the first batch that holds a
candidate, and applies that batch. Candidates are points that the look-ahead could not rule out
by more than its rounding error; what happens to them is decided by the arithmetic of the step,
whose shape depends on nothing but the point, so that the look-ahead changes no bit of a result.

A round never asks what a tensor holds, and copies no number from the host (torch.where with a
plain number does): it runs unchanged on a CPU and as a recorded graph on a GPU. A replica that
needs the host (finished, budget used up, weight change to be checked, end of the drawn batches)
stands still until it is served.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from trainers.models.batched import Network, Tape, Weights
from trainers.stopping import DIVERGENCE_CHECK

UNKNOWN, SAFE, CANDIDATE, INERT = 0, 1, 2, 3
"""Status of a point at the present weights; inert violators have no gradient (f = 0)."""

RUNNING, FITTED, EXHAUSTED, DIVERGED, CHECK, EMPTY = 0, 1, 2, 3, 4, 5
"""What a replica does: at CHECK it waits for a check of its weight change."""

_ROUNDING_FACTOR = 4.0
"""The look-ahead rounds by less than a fifth of this many units of eps (L+1) |w| |a_L|."""


@dataclass
class PackState:
    """Tensors of R replicas that share all shapes; every one has the replicas in front."""

    weights: Weights
    start: Weights
    """w0."""
    x: torch.Tensor
    """Inputs (R, P, d), arranged for the network."""
    y: torch.Tensor
    f0: torch.Tensor
    """f(w0, x), shape (R, P)."""
    alpha: torch.Tensor
    """Shape (R, 1)."""
    temperature: torch.Tensor
    """Shape (R, 1)."""
    status: torch.Tensor
    """int8 (R, P)."""
    stream: torch.Tensor
    """Batches drawn in advance, int64 (R, steps * B)."""
    stream_start: torch.Tensor
    """Step at which the drawn batches begin, (R,)."""
    position: torch.Tensor
    """Steps taken, (R,)."""
    limit: torch.Tensor
    """Budget of steps, (R,)."""
    code: torch.Tensor
    size: torch.Tensor
    """Largest |a_L| met so far, (R,)."""
    n_steps: torch.Tensor
    """Last step that moved the weights, (R,)."""
    n_updates: torch.Tensor
    n_violators: torch.Tensor

    @classmethod
    def empty(
        cls, network: Network, n_train: int, drawn: int, slots: int, options: dict
    ) -> PackState:
        """Return a pack of empty slots; `options` are dtype and device, `drawn` is steps * B."""
        device = options["device"]
        shapes = [(slots, *shape) for shape in network.shapes()]
        input_dim = network.input_dim

        def integers(*shape: int) -> torch.Tensor:
            return torch.zeros(slots, *shape, dtype=torch.int64, device=device)

        return cls(
            weights=[torch.zeros(shape, **options) for shape in shapes],
            start=[torch.zeros(shape, **options) for shape in shapes],
            x=torch.zeros(slots, n_train, input_dim, **options),
            y=torch.ones(slots, n_train, **options),
            f0=torch.zeros(slots, n_train, **options),
            alpha=torch.ones(slots, 1, **options),
            temperature=torch.zeros(slots, 1, **options),
            status=torch.zeros(slots, n_train, dtype=torch.int8, device=device),
            stream=integers(drawn),
            stream_start=integers(),
            position=integers(),
            limit=integers(),
            code=torch.full((slots,), EMPTY, dtype=torch.int64, device=device),
            size=torch.zeros(slots, **options),
            n_steps=integers(),
            n_updates=integers(),
            n_violators=integers(),
        )

    @property
    def slots(self) -> int:
        """R, empty slots included."""
        return self.code.shape[0]

    def select(self, slots: list[int]) -> PackState:
        """Return a smaller pack with some of the replicas."""
        chosen = torch.tensor(slots, device=self.code.device)

        def pick(value: torch.Tensor | Weights) -> torch.Tensor | Weights:
            if isinstance(value, list):
                return [tensor[chosen] for tensor in value]
            return value[chosen]

        return PackState(**{f.name: pick(getattr(self, f.name)) for f in fields(self)})


@dataclass(frozen=True)
class Plan:
    """What is the same for all replicas of a pack; nothing here changes a result but `block`."""

    network: Network
    batch_size: int
    quadratic: bool
    """Loss relu(1 - y F)^2 / 2 rather than relu(1 - y F)."""
    window: int
    """Steps of the stream that one round walks at most."""
    block: int
    """Points of a batch per product; fixed, because rounding depends on it."""
    rows_at_once: int
    """Points per product of the look-ahead, for the sake of caches and memory."""


def play_round(pack: PackState, plan: Plan, n_rows: int) -> None:
    """Let every replica look ahead by `n_rows` points and take at most one step."""
    n_drawn = pack.stream.shape[1] // plan.batch_size
    offset = pack.position - pack.stream_start
    ready = (pack.code == RUNNING) & (offset + plan.window <= n_drawn)
    reach = torch.arange(plan.window * plan.batch_size, device=offset.device)
    places = (offset * plan.batch_size)[:, None] + reach
    ahead = pack.stream.gather(1, places.clamp_(max=pack.stream.shape[1] - 1))

    look(pack, plan, ahead, ready, n_rows)
    batch, at_candidate = _walk(pack, plan, ahead, ready)
    _step(pack, plan, batch, at_candidate)
    settle(pack, ready)


def look(
    pack: PackState, plan: Plan, ahead: torch.Tensor, ready: torch.Tensor, n_rows: int
) -> None:
    """Evaluate the next unknown points of the stream, then any others, and set their status."""
    n_train = pack.y.shape[1]
    everyone = torch.arange(n_train, device=ahead.device).expand(pack.slots, -1)
    queue = torch.cat((ahead, everyone), 1)
    unknown = pack.status.gather(1, queue) == UNKNOWN
    rank = unknown.cumsum(1)
    place = (rank - 1).masked_fill_(~unknown | (rank > n_rows), n_rows)
    # Whoever finds no place goes to the last column, which is cut off.
    todo = queue.new_zeros(pack.slots, n_rows + 1).scatter_(1, place, queue)[:, :n_rows]

    f, square = _outputs(pack, plan, todo)
    pack.size.copy_(torch.maximum(pack.size, square.amax(1).sqrt()))
    margin = pack.y.gather(1, todo) * pack.alpha * (f - pack.f0.gather(1, todo))
    slack = rounding_unit(plan.network, pack.weights, pack.alpha) * pack.size[:, None]
    # NaN and infinity fail both comparisons, so that they become candidates.
    safe = (margin > 1 + slack) & (margin < torch.inf)
    before = pack.status.gather(1, todo)
    found = torch.full_like(before, CANDIDATE).masked_fill_(safe, SAFE)
    changes = (before == UNKNOWN) & ready[:, None]
    pack.status.scatter_(1, todo, torch.where(changes, found, before))


def _outputs(pack: PackState, plan: Plan, todo: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    parts = [
        plan.network.outputs(pack.weights, rows_of(pack.x, places))
        for places in todo.split(plan.rows_at_once, 1)
    ]
    f, square = zip(*parts, strict=True)
    return torch.cat(f, 1), torch.cat(square, 1)


def _walk(
    pack: PackState, plan: Plan, ahead: torch.Tensor, ready: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Advance to the first batch that is not known to be safe.

    Returns
    -------
    tuple of tensor
        That batch (R, B), and whether it holds a candidate, so that it is to be applied (R,).
    """
    shape = (pack.slots, plan.window, plan.batch_size)
    status = pack.status.gather(1, ahead).view(shape)
    candidate = (status == CANDIDATE).any(2)
    blocked = candidate | (status == UNKNOWN).any(2)
    place, at_candidate = advance_to(pack, plan, candidate, blocked, ready)
    batch = ahead.view(shape).gather(1, place[..., None].expand(-1, -1, plan.batch_size))
    return batch[:, 0], at_candidate


def advance_to(
    pack: PackState,
    plan: Plan,
    candidate: torch.Tensor,
    blocked: torch.Tensor,
    ready: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Advance to the first blocked step of the window.

    Parameters
    ----------
    candidate, blocked
        Whether the batch of each step of the window holds a candidate, or a point that is not
        known to be safe; shape (R, window).

    Returns
    -------
    tuple of tensor
        Place of that step in the window (R, 1), and whether its batch is to be applied (R,).
    """
    steps = torch.arange(plan.window, device=blocked.device)
    first = steps.expand_as(blocked).masked_fill(~blocked, plan.window).amin(1)
    first = torch.minimum(first, pack.limit - pack.position).clamp_(min=0)
    pack.position.add_(first * ready)
    place = first.clamp(max=plan.window - 1)[:, None]
    at_candidate = candidate.gather(1, place)[:, 0] & (first < plan.window)
    at_candidate &= ready & (pack.position < pack.limit)
    return place, at_candidate


def _step(pack: PackState, plan: Plan, batch: torch.Tensor, chosen: torch.Tensor) -> None:
    """Take one step with the batch of every chosen replica: w += T sum slope y grad f."""
    parts = [_forward(pack, plan, places) for places in batch.split(plan.block, 1)]
    tape = parts[0][1] if len(parts) == 1 else None
    apply_step(pack, plan, batch, torch.cat([f for f, _ in parts], 1), tape, chosen)


def apply_step(
    pack: PackState,
    plan: Plan,
    batch: torch.Tensor,
    f: torch.Tensor,
    tape: Tape | None,
    chosen: torch.Tensor,
    valid: torch.Tensor | None = None,
) -> None:
    """Move the weights by the violators of every chosen replica's batch, and count.

    Parameters
    ----------
    batch
        Points (R, n).
    f
        Outputs at them.
    tape
        Of the forward pass, where it was one product; otherwise violators are evaluated again.
    valid
        Which points are the batch, the first one included; the others repeat it. None for all.
    """
    y = pack.y.gather(1, batch)
    margin = y * pack.alpha * (f - pack.f0.gather(1, batch))
    if valid is not None:
        margin = torch.where(valid, margin, margin[:, :1])
    violator = ~(margin >= 1)
    pulls = violator & (f != 0)
    if valid is not None:
        pulls &= valid
    finite = torch.isfinite(margin).all(1)
    moved = chosen & finite & pulls.any(1)
    pulls &= moved[:, None]
    slope = pack.temperature * y * (1 - margin if plan.quadratic else 1)
    slope = slope.masked_fill(~pulls, 0)
    if tape is not None:
        _add(pack, plan, plan.network.gradients(pack.weights, tape, slope), moved)
    else:
        _add(pack, plan, _sum_gradients(pack, plan, batch, slope, pulls), moved)

    pack.code.masked_fill_(chosen & ~finite, DIVERGED)
    pack.position.add_((chosen & finite).long())
    pack.n_steps.copy_(torch.where(moved, pack.position, pack.n_steps))
    pack.n_updates.add_(moved.long())
    pack.n_violators.add_(pulls.sum(1))
    before = pack.status.gather(1, batch)
    found = torch.full_like(before, SAFE).masked_fill_(violator, INERT)
    passed = (chosen & finite & ~moved)[:, None]
    pack.status.scatter_(1, batch, torch.where(passed, found, before))
    pack.status.masked_fill_(moved[:, None], UNKNOWN)
    pack.code.masked_fill_(moved & (pack.n_updates % DIVERGENCE_CHECK == 0), CHECK)


def _forward(
    pack: PackState, plan: Plan, places: torch.Tensor
) -> tuple[torch.Tensor, Tape | None]:
    """Evaluate points of the training set; keep the tape if they are a whole batch."""
    x = rows_of(pack.x, places)
    if places.shape[1] == plan.batch_size:
        return plan.network.forward(pack.weights, x)
    return plan.network.outputs(pack.weights, x)[0], None


def _sum_gradients(
    pack: PackState, plan: Plan, batch: torch.Tensor, slope: torch.Tensor, pulls: torch.Tensor
) -> Weights:
    """Return the gradients of a large batch from its violators alone, in the batch's order."""
    order = torch.sort(pulls.to(torch.int8), dim=1, descending=True, stable=True).indices
    batch, slope = batch.gather(1, order), slope.gather(1, order)
    n_used = plan.batch_size
    if not pulls.is_cuda:  # a recorded graph cannot depend on how many there are
        n_used = max(1, int(pulls.sum(1).max()))
    total: Weights = []
    for first in range(0, n_used, plan.block):
        part = slice(first, first + plan.block)
        _, tape = plan.network.forward(pack.weights, rows_of(pack.x, batch[:, part]))
        gradients = plan.network.gradients(pack.weights, tape, slope[:, part])
        total = [a.add_(b) for a, b in zip(total, gradients, strict=True)] if total else gradients
    return total


def _add(pack: PackState, plan: Plan, gradients: Weights, moved: torch.Tensor) -> None:
    scales = plan.network.scales()
    for w, gradient, scale in zip(pack.weights, gradients, scales, strict=True):
        still = ~moved.view(-1, *[1] * (w.dim() - 1))
        # Not 0 times a gradient: that of a replica that overflowed is NaN.
        w.add_(gradient.masked_fill_(still, 0), alpha=scale * scale)


def settle(pack: PackState, ready: torch.Tensor) -> None:
    """Note which replicas are fitted, or can only use up their budget."""
    open_ = ((pack.status == UNKNOWN) | (pack.status == CANDIDATE)).any(1)
    inert = (pack.status == INERT).any(1)
    running = ready & (pack.code == RUNNING)
    pack.code.masked_fill_(running & (pack.position >= pack.limit), EXHAUSTED)
    pack.code.masked_fill_(running & ~open_, FITTED)
    pack.code.masked_fill_(running & ~open_ & inert, EXHAUSTED)


def rows_of(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the rows (R, n, d) of `x` (R, P, d) at `places` (R, n)."""
    slots, n_train, input_dim = x.shape
    first = n_train * torch.arange(slots, device=x.device)
    flat = x.view(-1, input_dim).index_select(0, (places + first[:, None]).view(-1))
    return flat.view(slots, -1, input_dim)


def rounding_unit(network: Network, weights: Weights, alpha: torch.Tensor) -> torch.Tensor:
    """Return the rounding error of F in the look-ahead per unit of |a_L|, shape (R, 1)."""
    out = weights[-1]
    eps = torch.finfo(out.dtype).eps
    norm = out.square().sum(1, keepdim=True).sqrt()
    return _ROUNDING_FACTOR * eps * (len(network.layers) + 1) * alpha * norm
