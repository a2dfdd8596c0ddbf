"""Rows of the experiment `perceptron-dynamics`: one configuration measured with one method.

Importing this module loads neither torch nor numba; simulating does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.effective_temperature.boundary import (
    BoundaryWidth,
    ReplicaDistance,
    boundary_width,
    mean_field_distance,
    replica_distance,
)
from analysis.effective_temperature.slopes import (
    FluctuationRecord,
    fluctuations_from_dmft,
    measure_temperatures,
)
from analysis.mean_field.problem import DynamicsProblem, SolveDynamicsError
from analysis.mean_field.solver import DmftSolution, solve_dmft
from search_spaces import InvalidSettingError, Seeds
from search_spaces.configuration import Configuration
from search_spaces.perceptron_dynamics import PerceptronDynamics

if TYPE_CHECKING:
    from trainers.fluctuations.response import ResponseRecord
    from trainers.fluctuations.simulation import Trajectory

DYNAMICS = tuple(field.name for field in fields(PerceptronDynamics))
"""Settings that fix the dynamics; the others say how it is measured."""
Row = dict[str, Any]


def mean_field_problem(dynamics: PerceptronDynamics) -> DynamicsProblem:
    """Return the mean-field problem, whose checks include stability.

    Raises
    ------
    InvalidSettingError
        If the learning rate is beyond stability.
    """
    try:
        return DynamicsProblem(**dynamics.mean_field_settings())
    except SolveDynamicsError as error:
        raise InvalidSettingError(str(error)) from None


def dynamics_of(configuration: Configuration) -> PerceptronDynamics:
    """Return the dynamics of a configuration."""
    known = dict(configuration.settings)
    return PerceptronDynamics(**{name: known[name] for name in DYNAMICS if name in known})


def steps(configuration: Configuration, name: str) -> int:
    """Return a time eta t as a number of steps."""
    time, rate = float(configuration[name]), float(configuration["learning_rate"])
    return max(1, round(time / rate))


def solver_sizes(configuration: Configuration) -> dict[str, int]:
    """Return the arguments of the solver that fix its time and memory."""
    n = configuration["n_copies"]
    if configuration["quantity"] == "replicas":
        n_steps, response, replicas = steps(configuration, "duration"), n, 2
    else:
        window = steps(configuration, "window_time")
        # Origins over half a window, so that windows and drifts can be compared.
        n_steps = steps(configuration, "burn_in_time") + window + window // 2 + 1
        # Persistent selection needs all kernels from the same copies.
        response = n if configuration["persistence_time"] is not None else max(100, n // 3)
        replicas = 1
    return {"n_steps": n_steps, "n_samples": n, "n_response": response, "n_replicas": replicas}


def measure_rows(configuration: Configuration, seeds: Sequence[int], backend: str) -> list[Row]:
    """Return one row per seed; `backend` is ``numba`` or ``torch`` and concerns simulations."""
    replicas = configuration["quantity"] == "replicas"
    if configuration["method"] == "mean_field":
        solve = _solved_replicas if replicas else _solved_temperature
        return [solve(configuration, seed) for seed in seeds]
    if replicas:
        return [
            _simulated_replicas(configuration, run) for run in _runs(configuration, seeds, backend)
        ]
    return [
        _simulated_temperature(configuration, record)
        for record in _responses(configuration, seeds, backend)
    ]


def _runs(configuration: Configuration, seeds: Sequence[int], backend: str) -> list[Trajectory]:
    from trainers.fluctuations.simulation import replica_seeds, simulate

    dynamics, at = dynamics_of(configuration), [steps(configuration, "duration")]
    groups = [replica_seeds(seed, 2) for seed in seeds]
    if backend == "torch":
        from trainers.fluctuations.batch import best_device, simulate_batch

        return simulate_batch(dynamics, groups, at, best_device())
    return [simulate(dynamics, group, at) for group in groups]


def _responses(
    configuration: Configuration, seeds: Sequence[int], backend: str
) -> list[ResponseRecord]:
    from trainers.fluctuations.response import measure_response

    dynamics, labels = dynamics_of(configuration), [Seeds.shared(seed) for seed in seeds]
    options = {
        "burn_in": steps(configuration, "burn_in_time"),
        "length": steps(configuration, "window_time"),
        "n_windows": configuration["n_windows"],
        "field_strength": configuration["field_strength"],
    }
    if backend == "torch":
        from trainers.fluctuations.batch import best_device, measure_response_batch

        return measure_response_batch(dynamics, labels, **options, device=best_device())
    return [measure_response(dynamics, label, **options) for label in labels]


def _simulated_temperature(configuration: Configuration, found: ResponseRecord) -> Row:
    seen = found.observables
    record = FluctuationRecord.from_windows(
        found.displacement[None], found.response[None], seen["loss"][None], seen["norm"][None]
    )
    names = ("loss", "violated", "squared_slope", "norm")
    means = {name: float(seen[name].mean()) for name in names}
    return _temperature_row(dynamics_of(configuration), record, means)


def _solve(configuration: Configuration, dynamics: PerceptronDynamics, seed: int) -> DmftSolution:
    # The study has checked the memory before it began.
    sizes = solver_sizes(configuration)
    return solve_dmft(mean_field_problem(dynamics), **sizes, seed=seed, memory_limit=math.inf)


def _solved_temperature(configuration: Configuration, seed: int) -> Row:
    dynamics = dynamics_of(configuration)
    solution = _solve(configuration, dynamics, seed)
    start = steps(configuration, "burn_in_time")
    record = fluctuations_from_dmft([solution], start, steps(configuration, "window_time"))
    means = {
        name: float(getattr(solution.samples, name)[start:].mean())
        for name in ("loss", "violated", "squared_slope")
    }
    means["norm"] = float(np.diagonal(solution.correlation)[start:].mean())
    return _temperature_row(dynamics, record, means)


def _temperature_row(
    dynamics: PerceptronDynamics, record: FluctuationRecord, means: dict[str, float]
) -> Row:
    found = measure_temperatures(record)
    return {
        **{f"temperature_{name}": value for name, value in found.slopes.items()},
        "temperature_bare": mean_field_problem(dynamics).bare_temperature(means["squared_slope"]),
        "train_loss": means["loss"],
        "violated": means["violated"],
        "squared_norm": means["norm"],
        "displacement": json.dumps(_plain(record.displacement[0])),
        "response": json.dumps(_plain(record.response[0])),
        "drifts": json.dumps({name: _plain(values[0]) for name, values in record.series.items()}),
    }


def _plain(values: np.ndarray) -> list[float]:
    return [float(f"{value:.7g}") for value in values]


def _simulated_replicas(configuration: Configuration, run: Trajectory) -> Row:
    dynamics = dynamics_of(configuration)
    seen = {name: float(values[-1].mean()) for name, values in run.observables.items()}
    width = boundary_width(run.margins, seen["norm"], dynamics.target_margin)
    return _replica_row(replica_distance(*run.weights[-1]), width, seen)


def _solved_replicas(configuration: Configuration, seed: int) -> Row:
    dynamics = dynamics_of(configuration)
    solution = _solve(configuration, dynamics, seed)
    norm = float(solution.correlation[-1, -1])
    names = ("loss", "error", "violated")
    seen = {name: float(getattr(solution.samples, name)[-1]) for name in names}
    distance = mean_field_distance(norm, float(solution.replica_distance[-1]))
    width = boundary_width(solution.margins, norm, dynamics.target_margin)
    return _replica_row(distance, width, {**seen, "norm": norm})


def _replica_row(distance: ReplicaDistance, width: BoundaryWidth, seen: dict[str, float]) -> Row:
    return {
        "replica_distance": distance.weights,
        "replica_angle": distance.angle,
        "replica_disagreement": distance.disagreement,
        "width_mean": width.mean,
        "width_contact": width.contact,
        "width_hard": width.hard,
        "width_spread": width.spread,
        "train_loss": seen["loss"],
        "train_error": seen["error"],
        "violated": seen["violated"],
        "squared_norm": seen["norm"],
    }
