"""The torch-replicas backend: many trainings in one set of tensors, on a CPU or a GPU.

It trains the networks that have no compiled kernel, and every network on a GPU. The rounds
themselves are in :mod:`trainers.replicas.pack`; here slots of a pack are filled with replicas,
served when they stand still, measured when they end, and filled again. What a replica measures
does not depend on its neighbours: on a CPU batched products do the same arithmetic for every
number of replicas; on a GPU, where the library chooses its algorithm by that number, a pack
always has the same number of slots, filled or not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from search_spaces import InvalidSettingError, Point
from search_spaces.choices import SELECTIONS
from trainers.batches.fixed_size import batch_indices
from trainers.batches.horizon import ADAPTIVE, LookAhead
from trainers.measurement import Measurement
from trainers.memory import budget
from trainers.models.batched import Network, network_of
from trainers.models.cnn import check_known
from trainers.models.replica import Replica
from trainers.replicas.final import End, evaluate, measure, squared_changes
from trainers.replicas.pack import CHECK, DIVERGED, EMPTY, RUNNING, PackState, Plan, play_round
from trainers.replicas.selection import (
    draw_selections,
    padded_size,
    play_selected_round,
    selected_window,
)
from trainers.stopping import divergence_limit, step_limit

_BLOCK = 16
"""Points of a batch per product."""
_WINDOW_DRAWS = 1024
"""Draws of the stream that one round walks."""
_WINDOWS_DRAWN = 8
"""Windows of the stream drawn at once."""


@dataclass(frozen=True)
class Machine:
    """What is fast on a kind of device; on a CPU nothing here changes a result."""

    slots: int
    """Replicas at the same time, if they fit into memory."""
    memory_bytes: int | None
    """What a pack may take; None for the budget of :mod:`trainers.memory`. On a GPU it decides
    the number of slots, hence the arithmetic, and must not depend on the user."""
    product_bytes: int
    """What the activations of one product may take."""
    rounds_per_visit: int
    """Rounds between two visits of the host."""
    round_cost: float
    """Multiply-adds that take as long as a round takes on top of its rows."""


MACHINES = {
    "cpu": Machine(
        slots=16, memory_bytes=None, product_bytes=2**22, rounds_per_visit=1, round_cost=2e7
    ),
    "cuda": Machine(
        slots=256, memory_bytes=2**34, product_bytes=2**30, rounds_per_visit=16, round_cost=1e9
    ),
}
"""The numbers of cuda are estimates: they were never measured."""


def train_replicas(
    replicas: Iterable[Replica],
    device: str = "cpu",
    look_ahead: int = ADAPTIVE,
    slots: int | None = None,
) -> list[Measurement]:
    """Train replicas of points that differ at most in temperature, alpha and budget.

    Parameters
    ----------
    replicas
        Taken one by one, when a slot is free.
    device
        cpu or cuda.
    look_ahead
        Points that a round evaluates, or ADAPTIVE; no value changes a result.
    slots
        Replicas trained at the same time; on a CPU no value changes a result.

    Raises
    ------
    InvalidSettingError
        If there is no GPU, or a point has a setting that packs of replicas do not know.
    """
    check_device(device)
    waiting = enumerate(replicas)
    first = next(waiting, None)
    if first is None:
        return []
    check_known(first[1].point, "backend=torch-replicas")
    return _Engine(first[1], device, look_ahead, slots).run(itertools.chain([first], waiting))


def check_device(device: str) -> None:
    """Raise InvalidSettingError unless `device` is there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidSettingError(
            f"device=cuda needs a GPU that torch {torch.__version__} can use, and there is none; "
            "use device=cpu"
        )


def family(point: Point) -> tuple[tuple[str, object], ...]:
    """Return what replicas must share to be trained in one set of tensors."""
    free = ("temperature", "alpha", "max_presentations", "n_test", "observables")
    return tuple((key, value) for key, value in asdict(point).items() if key not in free)


def most_slots(network: Network, point: Point, machine: Machine) -> int:
    """Return how many replicas of a point share a pack, at least one."""
    rows = point.n_train * (network.input_dim + 2) + _BLOCK * network.row_entries
    numbers = rows + 4 * network.n_weights
    stream = 8 * _WINDOWS_DRAWN * (_WINDOW_DRAWS + int(point.batch_size))
    if point.sampling in SELECTIONS:
        stream = _WINDOWS_DRAWN * selected_window(point.n_train) * point.n_train
    size = numbers * np.dtype(point.dtype).itemsize + stream
    memory = budget() if machine.memory_bytes is None else machine.memory_bytes
    return max(1, min(machine.slots, memory // size))


def plan_of(point: Point, network: Network, rows_at_once: int) -> Plan:
    """Return what the replicas of a point have in common."""
    selects = point.sampling in SELECTIONS
    block = min(point.n_train if selects else point.batch_size, _BLOCK)
    return Plan(
        network=network,
        batch_size=padded_size(point.n_train, block) if selects else point.batch_size,
        quadratic=point.loss == "quadratic_hinge",
        window=selected_window(point.n_train)
        if selects
        else max(1, _WINDOW_DRAWS // point.batch_size),
        block=block,
        rows_at_once=rows_at_once,
    )


class _Engine:
    """A pack, the replicas in its slots, and the results so far."""

    def __init__(self, replica: Replica, device: str, look_ahead: int, slots: int | None) -> None:
        point, self._machine = replica.point, MACHINES[device]
        self._family = family(point)
        self._network = network_of(replica)
        self._options = {"dtype": getattr(torch, point.dtype), "device": torch.device(device)}
        self._slots = slots or most_slots(self._network, point, self._machine)
        row_bytes = self._network.row_entries * self._options["dtype"].itemsize
        rows = max(1, self._machine.product_bytes // row_bytes)
        self._rows_alone = min(64, rows)
        self._selects = point.sampling in SELECTIONS
        self._plan = plan_of(point, self._network, max(1, rows // self._slots))
        overhead = self._machine.round_cost / (self._slots * self._network.multiply_adds)
        self._look_ahead = LookAhead(overhead + 3 * int(point.batch_size), look_ahead)
        self._results: dict[int, Measurement] = {}
        self._held: list[tuple[int, Replica] | None] = []
        self._drawn_to: list[int] = []
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._memory: Any = None
        """What the graphs share: one of them runs at a time."""

    def run(self, waiting: Iterator[tuple[int, Replica]]) -> list[Measurement]:
        """Train all replicas; results in the order given."""
        torch.set_float32_matmul_precision("highest")
        begin = list(itertools.islice(waiting, self._slots))
        slots = len(begin) if self._options["device"].type == "cpu" else self._slots
        n_train = begin[0][1].point.n_train
        per_step = n_train if self._selects else self._plan.batch_size
        n_drawn = self._plan.window * _WINDOWS_DRAWN * per_step
        self._held, self._drawn_to = [None] * slots, [0] * slots
        self._pack = PackState.empty(self._network, n_train, n_drawn, slots, self._options)
        if self._selects:  # flags of all points instead of lists of some
            self._pack.stream = self._pack.stream.bool()
        with torch.no_grad():
            for slot, task in enumerate(begin):
                self._load(slot, task)
            while any(held is not None for held in self._held):
                self._play()
                self._serve(waiting)
        return [self._results[k] for k in sorted(self._results)]

    def _load(self, slot: int, task: tuple[int, Replica] | None) -> None:
        """Put a replica before its first step into a slot, or leave it empty."""
        pack, self._held[slot] = self._pack, task
        if task is None:
            pack.code[slot] = EMPTY
            return
        replica = task[1]
        point = replica.point
        assert family(point) == self._family
        for k, (array, scale) in enumerate(
            zip(replica.weights, self._network.scales(), strict=True)
        ):
            pack.weights[k][slot] = torch.from_numpy(scale * array).to(**self._options)
            pack.start[k][slot] = pack.weights[k][slot]
        pack.x[slot] = torch.from_numpy(self._network.arrange(replica.x_train))
        pack.y[slot] = torch.from_numpy(replica.y_train)
        weights = [w[slot : slot + 1] for w in pack.weights]
        f0, pack.size[slot] = evaluate(self._network, weights, pack.x[slot], self._rows_alone)
        pack.f0[slot] = f0
        pack.alpha[slot], pack.temperature[slot] = point.alpha, point.temperature
        for counter in (pack.position, pack.n_steps, pack.n_updates, pack.n_violators):
            counter[slot] = 0
        pack.limit[slot] = step_limit(point)
        pack.status[slot] = 0
        pack.code[slot] = RUNNING
        self._draw(slot, 0)

    def _draw(self, slot: int, first: int) -> None:
        """Draw the batches of a replica from step `first` on."""
        held = self._held[slot]
        assert held is not None
        point, seed = held[1].point, held[1].batch_seed
        n_steps = self._plan.window * _WINDOWS_DRAWN
        if self._selects:
            batches = draw_selections(point, seed, first, n_steps)
        else:
            shape = (point.n_train, point.batch_size)
            batches = batch_indices(seed, first, n_steps, *shape, point.sampling)
        self._pack.stream[slot] = torch.from_numpy(batches.reshape(-1))
        self._pack.stream_start[slot] = first
        self._drawn_to[slot] = first + n_steps

    def _play(self) -> None:
        """Play some rounds and learn how often they moved the weights."""
        rows, n_rounds = self._look_ahead.rows, self._machine.rounds_per_visit
        before = self._pack.n_updates.sum()
        running = int((self._pack.code == RUNNING).sum())
        for _ in range(n_rounds):
            self._round(rows)
        moved = int(self._pack.n_updates.sum() - before)
        self._look_ahead.learn(moved, n_rounds * running, rows)

    def _play_round(self, rows: int) -> None:
        (play_selected_round if self._selects else play_round)(self._pack, self._plan, rows)

    def _round(self, rows: int) -> None:
        if self._options["device"].type == "cpu":
            self._play_round(rows)
        elif rows in self._graphs:
            self._graphs[rows].replay()
        else:
            self._graphs[rows] = self._record(rows)

    def _record(self, rows: int) -> torch.cuda.CUDAGraph:
        """Play three rounds on a side stream, as torch asks, then record one."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._play_round(rows)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory):
            self._play_round(rows)
        self._memory = self._memory or graph.pool()
        return graph

    def _serve(self, waiting: Iterator[tuple[int, Replica]]) -> None:
        """Help every replica that stands still; make the pack smaller when few are left."""
        pack = self._pack
        codes, positions = torch.stack((pack.code, pack.position)).tolist()
        for slot, (code, position) in enumerate(zip(codes, positions, strict=True)):
            if code == CHECK:
                code = pack.code[slot] = DIVERGED if self._is_unstable(slot) else RUNNING
            if code == RUNNING:
                if position + self._plan.window > self._drawn_to[slot]:
                    self._draw(slot, position)
            elif code != EMPTY:
                self._finish(slot, int(code))
                self._load(slot, next(waiting, None))
        live = [slot for slot, held in enumerate(self._held) if held is not None]
        if self._options["device"].type == "cpu" and 0 < 2 * len(live) <= pack.slots:
            self._pack = pack.select(live)
            self._held = [self._held[slot] for slot in live]
            self._drawn_to = [self._drawn_to[slot] for slot in live]

    def _is_unstable(self, slot: int) -> bool:
        weights, start = ([w[slot] for w in ws] for ws in (self._pack.weights, self._pack.start))
        scales = self._network.scales()
        norm = sum(squared_changes(start, None, scales))
        change = sum(squared_changes(weights, start, scales)) / norm
        held = self._held[slot]
        assert held is not None
        return not math.sqrt(change) <= divergence_limit(held[1].point.alpha)

    def _finish(self, slot: int, code: int) -> None:
        """Measure the replica of a slot."""
        held, pack = self._held[slot], self._pack
        assert held is not None
        end = End(
            network=self._network,
            weights=[w[slot : slot + 1] for w in pack.weights],
            start=[w[slot : slot + 1] for w in pack.start],
            x=pack.x[slot],
            y=pack.y[slot],
            f0=pack.f0[slot],
            size=pack.size[slot],
            code=code,
            n_steps=int(pack.n_steps[slot]),
            n_updates=int(pack.n_updates[slot]),
            n_violators=int(pack.n_violators[slot]),
            rows_at_once=self._rows_alone,
            block=self._plan.block,
        )
        self._results[held[0]] = measure(end, held[1])
