"""The largest stable learning rate of a network, from a pilot of sixteen short trainings.

For perceptrons with three layers eta_max = 7/K is calibrated (:mod:`search_spaces.windows`).
Other networks get their own number: four learning rates, found by bisection on the lattice of
quarter decades around 7/K, each tried with the same four replicas.
"""

from __future__ import annotations

import math

from search_spaces import InvalidSettingError, Point, Seeds
from search_spaces.windows import expected_presentations, lattice_temperature
from trainers.stopping import StopReason
from trainers.trainer import train_pack

PILOT_SEEDS = range(4)
_MOST_FITTED = 3
_HALF_WIDTH = 8
"""Lattice points on either side of 7/K that the four halvings can tell apart."""
_PER_DECADE = 4
_N_TRAIN, _ALPHA = 256, 100.0
_PATIENCE = 4.0
"""Presentations, in units of what a typical training needs, after which one counts as unstable."""


def measure_stable_learning_rate(
    point: Point, kernel: float, backend: str = "auto", device: str = "cpu"
) -> float:
    """Return the largest learning rate at which at least three of four replicas are fitted.

    A function of data, network and backend: P = 256 (or that of the point, if smaller), B = 1,
    alpha = 100 and the seeds are fixed, and the result is a number 10^(k/4).

    Parameters
    ----------
    kernel
        Mean NTK diagonal K.

    Raises
    ------
    InvalidSettingError
        If none of the learning rates from 0.07/K on is stable.
    """
    centre = round(_PER_DECADE * math.log10(7.0 / kernel))
    stable, unstable = centre - _HALF_WIDTH, centre + _HALF_WIDTH
    while unstable - stable > 1:
        middle = (stable + unstable) // 2
        if _is_stable(point, middle, kernel, backend, device):
            stable = middle
        else:
            unstable = middle
    if stable == centre - _HALF_WIDTH:
        raise InvalidSettingError(
            f"model={point.model} is not stable at any learning rate from "
            f"{lattice_temperature(stable + 1, _PER_DECADE):g} on; give the temperatures"
        )
    return lattice_temperature(stable, _PER_DECADE)


def _is_stable(point: Point, k: int, kernel: float, backend: str, device: str) -> bool:
    """Whether most of the pilot's replicas are fitted at learning rate 10^(k/4)."""
    n_train = min(point.n_train, _N_TRAIN)
    rate = lattice_temperature(k, _PER_DECADE)
    expected = expected_presentations(n_train, rate, 1, _ALPHA, point.depth, kernel)
    pilot = Point.from_dict(
        {
            **point.to_dict(),
            "n_train": n_train,
            "n_test": 1,
            "alpha": _ALPHA,
            "temperature": rate,
            "batch_size": 1,
            "sampling": "without_replacement",
            "observables": (),
            "max_presentations": math.ceil(_PATIENCE * expected),
        }
    )
    tasks = [(pilot, Seeds.shared(seed)) for seed in PILOT_SEEDS]
    results = train_pack(tasks, backend, device)
    return sum(r.stop_reason == StopReason.FITTED for r in results) >= _MOST_FITTED
