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

import numpy as np
import torch
from numba import njit
from threadpoolctl import threadpool_limits

from benchmarks import replicas
from benchmarks.peers import Run, train_jax, train_torch
from search_spaces import Point, Seeds, presentation_budget
from trainers import compile_kernels, train_pack
from trainers.kernels import train_replica
from trainers.mlp_kernel import block_rows
from trainers.models import prepare_replica
from trainers.preparation import aligned_empty

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
    scaling_widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    scaling_batches: tuple[int, ...] = (1, 4, 16, 64, 256)
    replicas: replicas.ReplicaPlan = field(default_factory=replicas.ReplicaPlan)


QUICK = Plan((64,), (1, 16), 2, 1, (64, 1024), (64, 256), (1, 64), replicas.QUICK)


def make_point(n_train: int, width: int, batch_size: int) -> Point:
    """Return a point of the digits at T = 0.1 and alpha = 100."""
    return Point.create(
        n_train=n_train, temperature=TEMPERATURE, batch_size=batch_size, width=width,
        depth=DEPTH, alpha=ALPHA,
        max_presentations=presentation_budget(n_train, TEMPERATURE, batch_size, ALPHA, DEPTH),
    )  # fmt: skip


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


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def peers_table(plan: Plan) -> tuple[str, float]:
    """Compare all programs; return the table and the seconds JAX takes to compile a shape."""
    rows, compiling = [], []
    for width in plan.widths:
        bound = product_bound(width)
        for batch_size in plan.batch_sizes:
            point = make_point(1024, width, batch_size)
            costs = measure(point, list(PROGRAMS), plan.n_seeds, plan.rounds)
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


def scaling_table(points: list[Point], column: str) -> str:
    """Return cost of the kernel against one parameter."""
    rows = []
    for point in points:
        cost = measure(point, ["kernel"], 4, 3)["kernel"]
        presentations = np.mean([run.presentations for run in cost.runs.values()])
        share = product_bound(point.width) / cost.microseconds_each
        symbol = {"P": point.n_train, "h": point.width, "B": point.batch_size}[column]
        rows.append([str(symbol), f"{cost.milliseconds:.2f}", f"{presentations:.0f}"])
        rows[-1] += [f"{cost.microseconds_each:.3g}", f"{100 * share:.2g} %"]
        print(column, *rows[-1], flush=True)
    header = [column, "ms per training", "presentations", "us per presentation"]
    return table([*header, "matrix products alone"], rows)


def machine() -> str:
    """Describe processor and versions."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0].split(":")[1].strip() if names else model
    flags = " with AVX-512" if cpuinfo.exists() and "avx512f" in cpuinfo.read_text() else ""
    packages = ("numba", "numpy", "scipy", "torch", "jax", "jaxlib")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{model}{flags}, {os.cpu_count()} cores of which one is used, {platform.system()}, "
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
        against_p = scaling_table([make_point(n, 64, 1) for n in plan.scaling_sizes], "P")
        against_h = scaling_table([make_point(256, h, 4) for h in plan.scaling_widths], "h")
        against_b = scaling_table([make_point(1024, 64, b) for b in plan.scaling_batches], "B")
        together = table(replicas.HEADER, replicas.replicas_rows(plan.replicas))
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

Against B (h = 64, P = 1024):

{against_b}

## Many replicas in one set of tensors

The backend torch-replicas, which trains convolutional networks and everything on a GPU, one thread. Digits, P = {replicas.N_TRAIN}, T = {replicas.TEMPERATURE:g}, B = 1; whole trainings with their tests. Where CPU and GPU cross: {"see the rows" if torch.cuda.is_available() else "not measured, for want of a GPU"}.

{together}
"""  # noqa: E501


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases; docs stay untouched")
    quick = parser.parse_args().quick
    page = write_page(QUICK if quick else Plan())
    if quick:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
