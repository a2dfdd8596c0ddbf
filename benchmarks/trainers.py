"""Whole trainings by the compiled kernel, a jitted JAX loop and a plain PyTorch loop.

``python -m benchmarks.trainers`` writes docs/benchmarks.md; ``--quick`` prints a shorter one.
Times are wall times of one thread. Programs take turns on the same replicas, each replica is
trained several times, and its best time counts, because other work only ever adds to it.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import njit
from threadpoolctl import threadpool_limits

from benchmarks import convolution, replicas
from benchmarks.machine import processor, table
from benchmarks.peers import Run, train_jax, train_torch
from search_spaces import Point, Seeds, presentation_budget
from trainers import compile_kernels, train_pack
from trainers.kernels.backend import train_replica
from trainers.kernels.mlp import block_rows
from trainers.kernels.preparation import aligned_empty
from trainers.models.replica import prepare_replica

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
TEMPERATURE, ALPHA, DEPTH = 0.1, 100.0, 3
MAX_TORCH_SECONDS = 30.0
ONCE_SECONDS = 2.0
"""Trainings that last longer are not repeated."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    widths: tuple[int, ...] = (64, 128)
    batch_sizes: tuple[int, ...] = (1, 4, 16)
    n_seeds: int = 3
    rounds: int = 3
    scaling_sizes: tuple[int, ...] = (64, 128, 256, 512, 1024)
    glyph_sizes: tuple[int, ...] = (64, 256, 1024, 4096, 16384)
    scaling_widths: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    scaling_batches: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    packs: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    variants: bool = True
    replicas: replicas.ReplicaPlan = field(default_factory=replicas.ReplicaPlan)


QUICK = Plan(
    (64,), (1, 16), 2, 1, (64, 1024), (64, 1024), (64, 256), (1, 64), (1, 64), False,
    replicas.QUICK,
)  # fmt: skip

VARIANTS: dict[str, dict[str, Any]] = {
    "relu, hinge": {},
    "with biases": {"bias": True},
    "tanh": {"activation": "tanh"},
    "gelu": {"activation": "gelu"},
    "quadratic hinge": {"loss": "quadratic_hinge", "temperature": 0.001},
    "logistic": {"loss": "logistic", "temperature": 0.01},
    "jumps": {"scheme": "jump"},
    "full batch": {"sampling": "full_batch", "batch_size": 256, "temperature": 0.001},
    "float64": {"dtype": "float64"},
}
"""What departs from the default in each row of the table of variants (P = 256)."""


def make_point(n_train: int, width: int, batch_size: int, **others: Any) -> Point:
    """Return a point of the digits, unless `others` say so, at T = 0.1 and alpha = 100."""
    settings = {"temperature": TEMPERATURE, "batch_size": batch_size} | others
    # At a large batch, eta = T B would be unstable.
    temperature = min(settings["temperature"], 1.6 / settings["batch_size"])
    budget = presentation_budget(n_train, temperature, settings["batch_size"], ALPHA, DEPTH)
    settings |= {"temperature": temperature, "max_presentations": budget}
    return Point.create(n_train=n_train, width=width, depth=DEPTH, alpha=ALPHA, **settings)


def train_sweep(point: Point, seeds: Seeds) -> Run:
    """Train a replica that was trained at another temperature before, as in a sweep."""
    begin = time.perf_counter()
    (result,) = train_pack([(point, seeds)])
    return Run(time.perf_counter() - begin, result.n_presentations, result.stop_reason == "fitted")


def train_alone(point: Point, seeds: Seeds) -> Run:
    """Train a replica of which nothing is kept: split, w0 and f0 are made anew."""
    begin = time.perf_counter()
    result = train_replica(prepare_replica(point, seeds))
    return Run(time.perf_counter() - begin, result.n_presentations, result.stop_reason == "fitted")


PROGRAMS: dict[str, Callable[[Point, Seeds], Run]] = {
    "kernel": train_sweep,
    "kernel, one training alone": train_alone,
    "JAX, jitted": lambda point, seeds: train_jax(prepare_replica(point, seeds)),
    "PyTorch": lambda p, seeds: train_torch(prepare_replica(p, seeds), MAX_TORCH_SECONDS),
}


@dataclass
class Cost:
    """Best time of each replica, and the presentations it took."""

    runs: dict[int, Run]
    first: float = float("nan")
    """Seconds of the very first training, with compilation."""

    def add(self, seed: int, run: Run) -> None:
        """Keep the run if it is the fastest of its replica."""
        if seed not in self.runs or run.seconds < self.runs[seed].seconds:
            self.runs[seed] = run

    @property
    def milliseconds(self) -> float:
        """Mean time of a training."""
        return 1e3 * float(np.mean([run.seconds for run in self.runs.values()]))

    @property
    def microseconds_each(self) -> float:
        """Time per presentation."""
        presentations = np.mean([run.presentations for run in self.runs.values()])
        return 1e3 * self.milliseconds / float(presentations)

    @property
    def is_whole(self) -> bool:
        """Whether every training ended fitted."""
        return all(run.fitted for run in self.runs.values())


def measure(point: Point, names: list[str], n_seeds: int, rounds: int) -> dict[str, Cost]:
    """Train replicas of a point with several programs in turns."""
    costs = {name: Cost({}) for name in names}
    for name in names:
        costs[name].first = PROGRAMS[name](point, Seeds.shared(0)).seconds
    for _ in range(rounds):
        for seed in range(n_seeds):
            for name in names:
                if seed in costs[name].runs and costs[name].runs[seed].seconds > ONCE_SECONDS:
                    continue
                # A training of the kernel takes milliseconds: one interruption would spoil it.
                for _ in range(4 if name.startswith("kernel") else 1):
                    costs[name].add(seed, PROGRAMS[name](point, Seeds.shared(seed)))
    return costs


@njit(cache=True)
def _forward_products(rows, first, hidden, buffers, n):
    for _ in range(n):
        np.dot(rows, first, buffers[0])
        for layer in range(hidden.shape[0]):
            np.dot(buffers[layer % 2], hidden[layer], buffers[(layer + 1) % 2])


def product_bound(width: int, input_dim: int = 64) -> float:
    """Return the microseconds that the forward matrix products alone take per presentation."""
    block, dtype = block_rows(width), np.dtype("float32")
    arrays = [
        aligned_empty(shape, dtype)
        for shape in (
            (block, input_dim), (input_dim, width), (DEPTH - 1, width, width), (2, block, width),
        )
    ]  # fmt: skip
    for array in arrays:
        array[...] = 0.01
    _forward_products(*arrays, 1)
    repeats = max(1, 2 * 10**8 // (block * (DEPTH - 1) * width**2))
    times = []
    for _ in range(15):
        begin = time.perf_counter()
        _forward_products(*arrays, repeats)
        times.append(time.perf_counter() - begin)
    return 1e6 * min(times) / (repeats * block)


def peers_table(plan: Plan) -> tuple[str, float]:
    """Compare all programs; return the table and the seconds JAX takes to compile a shape."""
    rows, compiling = [], []
    for width in plan.widths:
        for batch_size in plan.batch_sizes:
            point = make_point(1024, width, batch_size)
            bound = product_bound(width)
            costs = measure(point, list(PROGRAMS), plan.n_seeds, plan.rounds)
            bound = min(bound, product_bound(width))
            ours, jitted = costs["kernel"], costs["JAX, jitted"]
            compiling.append(jitted.first - jitted.milliseconds / 1e3)
            for name, cost in costs.items():
                row = [str(width), str(batch_size), name, f"{cost.milliseconds:.1f}"]
                row += [
                    f"{cost.microseconds_each:.2f}",
                    f"{cost.milliseconds / ours.milliseconds:.3g}",
                ]
                row += [f"{100 * bound / cost.microseconds_each:.2g} %"]
                row[3] += "" if cost.is_whole else " (cut short)"
                rows.append(row)
                print(" ".join(row), flush=True)
    header = ["h", "B", "program", "ms per training", "us per presentation"]
    header += ["time / kernel", "matrix products alone"]
    return table(header, rows), float(np.median(compiling))


def scaling_table(points: dict[str, Point], column: str) -> str:
    """Return cost of the kernel against one parameter; the bound is measured in turn with it."""
    rows = []
    for symbol, point in points.items():
        bound = product_bound(point.width, input_dim(point))
        seeds, rounds = (2, 1) if point.n_train * point.width > 2**19 else (4, 3)
        cost = measure(point, ["kernel"], seeds, rounds)["kernel"]
        bound = min(bound, product_bound(point.width, input_dim(point)))
        presentations = np.mean([run.presentations for run in cost.runs.values()])
        share = bound / cost.microseconds_each
        ended = "" if cost.is_whole else " (not all fitted)"
        rows.append([symbol, f"{cost.milliseconds:.2f}{ended}", f"{presentations:.0f}"])
        rows[-1] += [f"{cost.microseconds_each:.3g}", f"{100 * share:.2g} %"]
        print(column, *rows[-1], flush=True)
    header = [column, "ms per training", "presentations", "us per presentation"]
    return table([*header, "matrix products alone"], rows)


def input_dim(point: Point) -> int:
    """Return d."""
    return 784 if point.data == "glyphs" else 64


def pack_table(sizes: tuple[int, ...]) -> str:
    """Return the cost per training against the number of replicas in a pack, P = 64."""
    point, rows = make_point(64, 64, 1), []
    for size in sizes:
        tasks = [(point, Seeds.shared(seed)) for seed in range(size)]
        times = {"first time": [], "again": []}
        for attempt in range(3):
            # Other seeds every time: of these nothing is kept.
            fresh = [(point, Seeds.shared(seed + 10**6 * (attempt + 1))) for seed in range(size)]
            for name, pack in (("first time", fresh), ("again", tasks)):
                begin = time.perf_counter()
                train_pack(pack)
                times[name].append(1e3 * (time.perf_counter() - begin) / size)
        rows.append([str(size), *(f"{min(values):.2f}" for values in times.values())])
        print("pack", *rows[-1], flush=True)
    return table(["replicas", "ms per training, first time", "ms, trained before"], rows)


def stops_paying(rows: str) -> str:
    """Return from which row of a scaling table on the products are less than 20 % of the time."""
    cells = [line.strip("| ").split(" | ") for line in rows.splitlines()[2:]]
    low = [row[0] for row in cells if float(row[-1].split()[0]) < 20]
    return ", ".join(low) if low else "none"


def _column(rows: str, k: int) -> dict[str, float]:
    """Return the first number of cell `k` of each row by its first cell."""
    cells = [line.strip("| ").split(" | ") for line in rows.splitlines()[2:]]
    return {row[0]: float(row[k].split()[0]) for row in cells}


def settles(rows: str, k: int, symbol: str, gain: float = 0.1) -> str:
    """Say from which row on no later one is lower in column `k` by more than a share `gain`.

    >>> settles("| B | ms |\\n| --- | --- |\\n| 1 | 9 |\\n| 4 | 5.1 |\\n| 16 | 5 |", 1, "B")
    'stops paying at B = 4 (5.1): no larger B is more than 10 % below'
    """
    values = _column(rows, k)
    names = list(values)
    for i, name in enumerate(names):
        if all(values[later] >= (1 - gain) * values[name] for later in names[i:]):
            break
    if name == names[-1]:
        return f"still pays at {symbol} = {name} ({values[name]:g}), the largest measured"
    return (
        f"stops paying at {symbol} = {name} ({values[name]:g}): no larger {symbol} is more than "
        f"{100 * gain:g} % below"
    )


def machine() -> str:
    """Describe processor and versions."""
    packages = ("numba", "numpy", "scipy", "torch", "jax", "jaxlib")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{processor()}, {os.cpu_count()} cores of which one is used, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}. GPU: not measured."
    )


def compilation_seconds() -> float:
    """Return the seconds to load the compiled kernel from the disk cache in this process."""
    begin = time.perf_counter()
    compile_kernels("float32")
    return time.perf_counter() - begin


def write_page(plan: Plan) -> str:
    """Measure everything and return the page."""
    loading = compilation_seconds()
    with threadpool_limits(1):
        compared, jax_seconds = peers_table(plan)
        by_p = {str(n): make_point(n, 64, 1) for n in plan.scaling_sizes}
        by_glyphs = {str(n): make_point(n, 64, 1, data="glyphs") for n in plan.glyph_sizes}
        by_h = {str(h): make_point(256, h, 4) for h in plan.scaling_widths}
        by_b = {str(b): make_point(1024, 64, b) for b in plan.scaling_batches}
        against_p, against_glyphs = scaling_table(by_p, "P"), scaling_table(by_glyphs, "P")
        against_h, against_b = scaling_table(by_h, "h"), scaling_table(by_b, "B")
        packed = pack_table(plan.packs)
        names = VARIANTS if plan.variants else list(VARIANTS)[:4]
        kinds = {n: make_point(256, 64, **({"batch_size": 4} | VARIANTS[n])) for n in names}
        variants = scaling_table(kinds, "variant")
        together_rows = replicas.replicas_rows(plan.replicas)
        together = table(replicas.HEADER, together_rows)
    return f"""# Benchmarks

Written by `make bench`. {machine()}

Digits parity, alpha = {ALPHA:g}, T = {TEMPERATURE:g}, three hidden layers, float32. A training runs until every datum is fitted, tests included; the peers test all P points after every P presentations. Programs take turns on the same {plan.n_seeds} replicas (same data, w0 and batches); each replica's best of {plan.rounds} rounds counts (of one, if it takes more than {ONCE_SECONDS:g} s), then the mean. A PyTorch training is cut short, and its time per presentation taken, after {MAX_TORCH_SECONDS:g} s.

## Peers, P = 1024

*Matrix products alone*: the share of the time that the forward products of these presentations take by themselves. *Kernel*: a replica that was trained at another temperature before, as most are in a sweep; *one training alone* also draws the split and w0 and evaluates f0.

{compared}

Compilation, apart: kernel, from the disk cache, {loading:.1f} s per process (about half a minute per dtype when it is installed); JAX: {jax_seconds:.1f} s per shape.

## Scaling of the kernel

Against P (h = 64, B = 1):

{against_p}

Against h (P = 256, B = 4):

{against_h}

Against B (h = 64, P = 1024; T = 0.1, or 1.6/B where that is less):

{against_b}

Against P, images of 28x28 pixels (glyphs, h = 64, B = 1):

{against_glyphs}

Where it stops paying. In microseconds per presentation a larger P {settles(against_p, 3, "P")}. In milliseconds per training a larger B {settles(against_b, 1, "B")}. Products are less than a fifth of the time, so that a faster product would not pay, at P = {stops_paying(against_p)}; h = {stops_paying(against_h)}; B = {stops_paying(against_b)}.

## Replicas in a pack

P = 64, h = 64, B = 1. What is kept of a replica (split, w0, f0) saves the difference, as long as it fits into the memory of a worker.

{packed}

R replicas in a pack, in milliseconds per training: the first time a larger R {settles(packed, 1, "R")}; of replicas trained before it {settles(packed, 2, "R")}.

## Variants of the dynamics

P = 256, h = 64, B = 4 unless the name says otherwise. Temperatures differ: compare the time per presentation. The logistic loss takes every gradient and cannot look ahead; tanh and gelu take a ratio of polynomials per neuron in single precision.

{variants}

## Many replicas in one set of tensors

The backend torch-replicas, which trains everything on a GPU, one thread. Digits, P = {replicas.N_TRAIN}, T = {replicas.TEMPERATURE:g}, B = 1; whole trainings with their tests. Where CPU and GPU cross: {"see the rows" if torch.cuda.is_available() else "not measured, for want of a GPU"}.

{together}

{replicas.where_it_pays(together_rows)}

{convolution.section(convolution.QUICK if plan.n_seeds < 3 else convolution.ConvolutionPlan())}"""  # noqa: E501


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases; docs stay untouched")
    quick = parser.parse_args().quick
    page = write_page(QUICK if quick else Plan())
    if quick:
        print(page)
    else:
        PAGE.write_text(page + _studies(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _studies(before: str) -> str:
    """The section on whole studies, which is measured apart and kept."""
    _, heading, text = before.partition("\n## Designs of a study")
    return heading + text


if __name__ == "__main__":
    main()
