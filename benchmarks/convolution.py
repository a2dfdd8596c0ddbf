"""Whole trainings of the convolutional network, compiled and as replicas in tensors.

``python -m benchmarks.convolution`` prints the table alone; ``--quick`` a shorter one. Times are
CPU times of one thread, which other work on the machine disturbs less than wall times.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import table
from search_spaces import Point, Seeds
from trainers import train
from trainers.data import dataset_of
from trainers.images.backend import compile_image_kernels
from trainers.models.batched import Convolution, build_network

ALPHA, BUDGET = 100.0, 10**7
_ROUND_SECONDS = 0.2


@dataclass(frozen=True)
class ConvolutionPlan:
    """How much is measured: data, P, T and whether the replicas in tensors are measured too."""

    cases: tuple[tuple[str, int, float, bool], ...] = (
        ("digits", 64, 0.3, True),
        ("digits", 256, 0.3, True),
        ("digits", 1024, 0.3, True),
        ("glyphs", 64, 1.0, True),
        ("glyphs", 256, 1.0, True),
        ("glyphs", 1024, 1.0, False),
        ("glyphs", 2048, 1.0, False),
    )


QUICK = ConvolutionPlan((("digits", 256, 0.3, True), ("glyphs", 64, 1.0, True)))


def forward_seconds(point: Point) -> float:
    """Return the CPU time of the matrix products of one image alone, by numpy's BLAS."""
    shape = dataset_of(point).input_shape
    assert shape is not None
    layers = build_network(point.width, point.depth, 0, shape).layers
    generator = np.random.default_rng(0)
    factors = [
        [generator.standard_normal(size, dtype=point.dtype) for size in sizes]
        for layer in layers
        if isinstance(layer, Convolution)
        for sizes in [((layer.positions, layer.fan_in), (layer.fan_in, layer.fan_out))]
    ]
    best = np.inf
    for _ in range(5):
        begin, n = time.process_time(), 0
        while time.process_time() - begin < _ROUND_SECONDS / 5:
            for rows, matrix in factors:
                rows @ matrix
            n += 1
        best = min(best, (time.process_time() - begin) / n)
    return best


def convolution_rows(plan: ConvolutionPlan) -> list[list[str]]:
    """Return the rows of the table: what was trained, its cost, and the share of the bound."""
    compile_image_kernels("float32")
    rows = []
    with threadpool_limits(1):
        for data, n_train, temperature, both in plan.cases:
            point = Point.create(
                model="cnn", data=data, n_train=n_train, temperature=temperature, batch_size=1,
                alpha=ALPHA, max_presentations=BUDGET,
            )  # fmt: skip
            bound = forward_seconds(point)
            for backend in ("numba", "torch-replicas") if both else ("numba",):
                begin = time.process_time()
                result = train(point, Seeds.shared(0), backend)
                seconds = time.process_time() - begin
                n = result.n_presentations
                share = f"{100 * n * bound / seconds:.2g} %"
                rows.append(
                    [
                        data, str(n_train), f"{temperature:g}", backend, f"{seconds:.3g}", str(n),
                        str(result.n_updates), f"{n / seconds:.3g}", share,
                    ]
                )  # fmt: skip
                print(*rows[-1], flush=True)
    return rows


HEADER = [
    "data", "P", "T", "backend", "CPU s per training", "presentations", "updates",
    "presentations per CPU s", "forward products alone",
]  # fmt: skip


def section(plan: ConvolutionPlan) -> str:
    """Return the section of the page."""
    return f"""## Convolutional network

Four 3x3 convolutions of 32 channels, alpha = {ALPHA:g}, B = 1, one thread, CPU time of one training with its data, f0 and final measurement. *Forward products alone*: the share of the time that the matrix products of these presentations take by themselves in a BLAS; a presentation of a point that is known at the present weights costs nothing, an update about three presentations.

{table(HEADER, convolution_rows(plan))}
"""  # noqa: E501


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases")
    print(section(QUICK if parser.parse_args().quick else ConvolutionPlan()))


if __name__ == "__main__":
    main()
