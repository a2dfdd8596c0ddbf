"""A training that costs a given time and nothing else, as an experiment of its own.

It multiplies matrices a fixed number of times, without a pause, so that all programs that are
compared do the same work; what it returns depends on its one parameter.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search_spaces.configuration import Configuration
from studies.contracts import Scanned
from studies.execution.worker import run_pack
from studies.experiments import add_experiment
from studies.experiments.grid import GridExperiment

NAME = "busy"


def work(x: float, products: int) -> float:
    """Multiply 64x64 matrices so many times; return a number between 1/2 and 1.

    All numbers stay near one: a processor takes ten times longer for those near the smallest it
    knows, and what a training costs must not depend on its parameter.
    """
    matrix = np.full((64, 64), (1 + x) / 128)
    kept, scale = np.ones((64, 64)), 0.0
    for _ in range(products):
        kept = matrix @ kept
        scale = float(kept[0, 0])
        kept /= scale
    return scale


def products_in(milliseconds: float) -> int:
    """Return how many products take so long on this machine, as the best of several attempts."""
    n, best = 2000, float("inf")
    for _ in range(7):
        begin = time.thread_time()
        work(0.5, n)
        best = min(best, time.thread_time() - begin)
    return max(1, round(1e-3 * milliseconds * n / best))


def configuration(x: float, products: int, seconds: float) -> Configuration:
    """Return a training."""
    return Configuration.create(NAME, {"x": x, "products": products, "seconds": seconds})


class Busy(GridExperiment):
    """The experiment; its configurations are made by :func:`configuration`."""

    name = NAME
    axes = ()
    shown = ("x", "products")
    params = shown

    def check(self, spec: Scanned, device: str = "cpu", is_here: bool = True) -> str:
        """Accept everything."""
        return "busy"

    def measure(
        self, configuration: Configuration, seeds: Sequence[int], backend: str, device: str = "cpu"
    ) -> list[dict[str, Any]]:
        """Return one row per seed."""
        return [{"score": work(configuration["x"], configuration["products"])} for _ in seeds]

    def expected_seconds(self, configuration: Configuration) -> float:
        """Return the time of one training."""
        return float(configuration["seconds"])

    def average(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return the mean score."""
        return {"score": sum(row["score"] for row in rows) / len(rows)}

    def conditional_on(self, spec: Scanned) -> str:
        """Return nothing: no interval is made of it."""
        return "nothing"


def busy_pack(payload: list[dict[str, Any]], backend: str) -> list[dict[str, Any]]:
    """Train a pack in a worker."""
    know_busy()
    return run_pack(payload, backend)


def know_busy() -> None:
    """Make the experiment known in this process."""
    add_experiment(NAME, Busy())
