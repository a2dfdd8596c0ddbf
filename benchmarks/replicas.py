"""Throughput of the replica engine against the number of replicas and the width.

``python -m benchmarks.replicas`` prints the table alone; ``--quick`` a shorter one.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch

from search_spaces import Point, Seeds, presentation_budget
from trainers import train_pack
from trainers.models.replica import prepare_replica
from trainers.replicas.engine import train_replicas

N_TRAIN, TEMPERATURE, ALPHA = 256, 0.3, 100.0


@dataclass(frozen=True)
class ReplicaPlan:
    """How much is measured."""

    widths: tuple[tuple[str, int], ...] = (("mlp", 64), ("mlp", 256), ("cnn", 32), ("cnn", 64))
    cpu_slots: tuple[int, ...] = (1, 4, 16)
    many_cpu_slots: tuple[int, ...] = (64, 256, 1024)
    """More of them, of the first model alone."""
    gpu_slots: tuple[int, ...] = (1, 16, 64, 256, 1024)


QUICK = ReplicaPlan((("mlp", 64), ("cnn", 32)), (1, 8), (), (1, 64))


def make_point(model: str, width: int) -> Point:
    """Return a point of the digits."""
    point = Point.create(
        model=model, width=width, n_train=N_TRAIN, temperature=TEMPERATURE, batch_size=1,
        alpha=ALPHA, max_presentations=1,
    )  # fmt: skip
    budget = presentation_budget(N_TRAIN, TEMPERATURE, 1, ALPHA, point.depth)
    return Point.from_dict({**point.to_dict(), "max_presentations": budget})


def throughput(point: Point, slots: int, device: str) -> tuple[float, float]:
    """Return presentations per second and milliseconds per training of a full pack."""
    replicas = [prepare_replica(point, Seeds.shared(seed)) for seed in range(slots)]
    train_replicas(replicas[:1], device, slots=slots)
    begin = time.perf_counter()
    results = train_replicas(replicas, device, slots=slots)
    seconds = time.perf_counter() - begin
    return sum(r.n_presentations for r in results) / seconds, 1e3 * seconds / slots


def kernel_throughput(point: Point, n_seeds: int = 16) -> tuple[float, float]:
    """Return the same for the compiled kernel, one replica after the other."""
    tasks = [(point, Seeds.shared(seed)) for seed in range(n_seeds)]
    train_pack(tasks[:1])
    begin = time.perf_counter()
    results = train_pack(tasks)
    seconds = time.perf_counter() - begin
    return sum(r.n_presentations for r in results) / seconds, 1e3 * seconds / n_seeds


def replicas_rows(plan: ReplicaPlan) -> list[list[str]]:
    """Return the rows of the table: model, h, where, replicas, rate, time per training."""
    torch.set_num_threads(1)
    rows = []
    for model, width in plan.widths:
        point = make_point(model, width)
        slots = plan.cpu_slots + (plan.many_cpu_slots if not rows else ())
        cases = [(f"CPU, {n}", throughput, (point, n, "cpu")) for n in slots]
        cases.insert(0, ("CPU, compiled kernel", kernel_throughput, (point,)))
        if torch.cuda.is_available():
            name = torch.cuda.get_device_name()
            cases += [(f"{name}, {n}", throughput, (point, n, "cuda")) for n in plan.gpu_slots]
        for label, measure, arguments in cases:
            rate, milliseconds = measure(*arguments)
            rows.append([model, str(width), label, f"{rate:.3g}", f"{milliseconds:.3g}"])
            print(*rows[-1], flush=True)
        if not torch.cuda.is_available():
            rows.append([model, str(width), "GPU", "not measured", "not measured"])
    return rows


def where_it_pays(rows: list[list[str]]) -> str:
    """Say at how many replicas on the CPU each model's rate is within 10 % of its best."""
    words = []
    for model, width in dict.fromkeys((row[0], row[1]) for row in rows):
        rates = {
            row[2].removeprefix("CPU, "): float(row[3])
            for row in rows
            if row[:2] == [model, width] and row[2].startswith("CPU, ")
        }
        kernel = rates.pop("compiled kernel", None)
        best = max(rates.values())
        first = next(name for name, rate in rates.items() if rate >= 0.9 * best)
        words.append(f"{model}, h = {width}: more than {first} replicas do not pay")
        if kernel is not None:
            words[-1] += f" (the compiled kernel is {kernel / best:.2g} times as fast as the best)"
    return "On the CPU, by presentations per second: " + "; ".join(words) + "."


HEADER = ["model", "h", "replicas", "presentations per second", "ms per training"]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases")
    replicas_rows(QUICK if parser.parse_args().quick else ReplicaPlan())


if __name__ == "__main__":
    main()
