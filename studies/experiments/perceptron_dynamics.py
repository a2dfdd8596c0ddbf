"""The perceptron's training dynamics, simulated or solved: temperatures, or replicas and widths.

Both methods measure the same observables at the same settings, so that a study lays theory over
simulation. A seed is that of data, start, selection and noise for a simulation, of the Monte
Carlo copies for the theory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.boundary import boundary_width, mean_field_distance, replica_distance
from analysis.dmft import MEMORY_LIMIT, check_memory, solve_dmft
from analysis.dynamics_problem import DynamicsProblem, SolveDynamicsError
from analysis.effective_temperature import (
    FluctuationRecord,
    fluctuations_from_dmft,
    measure_temperatures,
)
from analysis.temperature_table import TemperatureTable
from search_spaces import InvalidSettingError, Seeds
from search_spaces.choices import check_name
from search_spaces.configuration import Configuration
from search_spaces.grid import GridSpace, Setting
from search_spaces.perceptron_dynamics import (
    MARGIN_LOSSES,
    PERSISTENCE_CONVENTIONS,
    TASKS,
    PerceptronDynamics,
    convert_persistence_time,
)
from search_spaces.point import positive_integer, positive_number

if TYPE_CHECKING:
    from studies.spec import StudySpec

METHODS = ("simulation", "mean_field")
QUANTITIES = ("temperature", "replicas")
SHOWN = ("method", "quantity", "load", "learning_rate", "active_fraction", "persistence_time")
PARAMS = (*SHOWN, "loss", "ridge", "langevin_temperature", "task", "n_weights")


def _one_of(allowed: tuple[str, ...]) -> Any:
    return lambda name, value: check_name(name, value, allowed)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidSettingError(f"{name}={value!r} is not a finite number")
    return float(value)


def _optional(name: str, value: object) -> float | None:
    return None if value is None else positive_number(name, value)


SETTINGS = (
    Setting("method", "simulation", _one_of(METHODS)),
    Setting("quantity", "temperature", _one_of(QUANTITIES)),
    Setting("load", 4.0, positive_number),
    Setting("learning_rate", 0.05, positive_number),
    Setting("active_fraction", 0.5, _number),
    Setting("persistence_time", None, _optional),
    Setting("persistence_convention", "active", _one_of(PERSISTENCE_CONVENTIONS)),
    Setting("loss", "quadratic_hinge", _one_of(MARGIN_LOSSES)),
    Setting("target_margin", 1.0, _number),
    Setting("ridge", 0.0, _number),
    Setting("langevin_temperature", 0.0, _number),
    Setting("initial_scale", 1.0, positive_number),
    Setting("task", "random", _one_of(TASKS)),
    Setting("separation", 1.0, _number),
    Setting("burn_in_time", 6.0, positive_number),
    Setting("window_time", 4.0, positive_number),
    Setting("n_windows", 6, positive_integer),
    Setting("field_strength", 0.1, positive_number),
    Setting("duration", 30.0, positive_number),
    Setting("n_weights", 500, positive_integer),
    Setting("n_copies", 3000, positive_integer),
    Setting("memory", MEMORY_LIMIT, positive_number),
)
KEYS = (*(setting.name for setting in SETTINGS), "n_seeds", "first_seed")
_ONLY = {
    "temperature": ("burn_in_time", "window_time", "n_windows"),
    "replicas": ("duration",),
}
_DYNAMICS = tuple(field.name for field in fields(PerceptronDynamics))


def _build(values: dict[str, Any]) -> Mapping[str, Any]:
    """Check the dynamics, convert the persistence time, and keep the settings that matter."""
    kept = dict(values)
    given = kept.pop("persistence_convention")
    if kept["persistence_time"] is not None and 0 < kept["active_fraction"] < 1:
        kept["persistence_time"] = convert_persistence_time(
            kept["persistence_time"], kept["active_fraction"], given
        )
    dynamics = PerceptronDynamics(**{name: kept[name] for name in _DYNAMICS})
    _problem(dynamics)
    simulated = kept["method"] == "simulation"
    other = QUANTITIES[1 - QUANTITIES.index(kept["quantity"])]
    unused = [*_ONLY[other], "n_copies" if simulated else "n_weights"]
    if not simulated or kept["quantity"] == "replicas":
        unused.append("field_strength")
    if simulated:
        unused.append("memory")
    return {name: value for name, value in kept.items() if name not in unused}


def _problem(dynamics: PerceptronDynamics) -> DynamicsProblem:
    """Return the mean-field problem, whose checks include stability."""
    try:
        return DynamicsProblem(**dynamics.mean_field_settings())
    except SolveDynamicsError as error:
        raise InvalidSettingError(str(error)) from None


def _dynamics(configuration: Configuration) -> PerceptronDynamics:
    known = dict(configuration.settings)
    return PerceptronDynamics(**{name: known[name] for name in _DYNAMICS if name in known})


def _steps(configuration: Configuration, name: str) -> int:
    """Return a time in steps."""
    return max(1, round(configuration[name] / configuration["learning_rate"]))


def _solver_sizes(configuration: Configuration) -> dict[str, int]:
    """Return the arguments of the solver that fix its time and memory."""
    n = configuration["n_copies"]
    if configuration["quantity"] == "replicas":
        steps, response, replicas = _steps(configuration, "duration"), n, 2
    else:
        window = _steps(configuration, "window_time")
        # Origins over half a window, so that windows and drifts can be compared.
        steps = _steps(configuration, "burn_in_time") + window + window // 2 + 1
        # Persistent selection needs all kernels from the same copies.
        response = n if configuration["persistence_time"] is not None else max(100, n // 3)
        replicas = 1
    return {"n_steps": steps, "n_samples": n, "n_response": response, "n_replicas": replicas}


def space(**settings: Any) -> GridSpace:
    """Return the space of these settings."""
    return GridSpace("perceptron-dynamics", SETTINGS, _build, **settings)


def grows(key: str, old: Any, new: Any) -> bool:
    """Whether a setting kept all of its values."""
    before, after = (v if isinstance(v, list | tuple) else [v] for v in (old, new))
    return set(before) <= set(after)


def read(plain: dict[str, Any]) -> Configuration:
    """Return the configuration of a record."""
    settings = {key: value for key, value in plain.items() if key != "experiment"}
    return Configuration.create("perceptron-dynamics", settings)


def check(spec: StudySpec) -> str:
    """Refuse mean-field solutions that need too much memory."""
    for configuration in spec.points():
        if configuration["method"] == "mean_field":
            problem = _problem(_dynamics(configuration))
            try:
                check_memory(
                    problem, **_solver_sizes(configuration), limit=configuration["memory"]
                )
            except SolveDynamicsError as error:
                raise InvalidSettingError(str(error)) from None
        elif configuration["quantity"] == "temperature":
            steps = _steps(configuration, "window_time")
            if steps < 8:
                raise InvalidSettingError(
                    f"window_time={configuration['window_time']:g} is {steps} steps of "
                    f"learning_rate={configuration['learning_rate']:g}; at least 8 are needed"
                )
    return "numba"


def prepare(spec: StudySpec, backend: str) -> None:
    """Compile once here, rather than in every worker at the same time."""
    from trainers.perceptron_simulation import replica_seeds, simulate

    simulate(PerceptronDynamics(n_weights=10, active_fraction=0.5), replica_seeds(0, 1), [1])


def measure(
    configuration: Configuration, seeds: Sequence[int], backend: str
) -> list[dict[str, Any]]:
    """Return one row per seed."""
    from threadpoolctl import threadpool_limits

    method = _METHODS[configuration["method"], configuration["quantity"]]
    # Sums of matrix products depend on the number of threads.
    with threadpool_limits(1, user_api="blas"):
        return [method(configuration, seed) for seed in seeds]


def _simulated_temperature(configuration: Configuration, seed: int) -> dict[str, Any]:
    from trainers.response import measure_response

    dynamics = _dynamics(configuration)
    found = measure_response(
        dynamics,
        Seeds.shared(seed),
        burn_in=_steps(configuration, "burn_in_time"),
        length=_steps(configuration, "window_time"),
        n_windows=configuration["n_windows"],
        field_strength=configuration["field_strength"],
    )
    seen = found.observables
    record = FluctuationRecord.from_windows(
        found.displacement[None], found.response[None], seen["loss"][None], seen["norm"][None]
    )
    means = {name: float(seen[name].mean()) for name in ("loss", "violated", "squared_slope")}
    return _temperature_row(dynamics, record, means, float(seen["norm"].mean()))


def _mean_field_temperature(configuration: Configuration, seed: int) -> dict[str, Any]:
    dynamics, sizes = _dynamics(configuration), _solver_sizes(configuration)
    memory = configuration["memory"]
    solution = solve_dmft(_problem(dynamics), **sizes, seed=seed, memory_limit=memory)
    start = _steps(configuration, "burn_in_time")
    length = _steps(configuration, "window_time")
    record = fluctuations_from_dmft([solution], start, length)
    means = {
        name: float(getattr(solution.samples, name)[start:].mean())
        for name in ("loss", "violated", "squared_slope")
    }
    norm = float(np.diagonal(solution.correlation)[start:].mean())
    return _temperature_row(dynamics, record, means, norm)


def _temperature_row(
    dynamics: PerceptronDynamics, record: FluctuationRecord, means: dict[str, float], norm: float
) -> dict[str, Any]:
    found = measure_temperatures(record)
    return {
        **{f"temperature_{name}": value for name, value in found.slopes.items()},
        "temperature_bare": _problem(dynamics).bare_temperature(means["squared_slope"]),
        "train_loss": means["loss"],
        "violated": means["violated"],
        "squared_norm": norm,
        "displacement": json.dumps(_plain(record.displacement[0])),
        "response": json.dumps(_plain(record.response[0])),
        "drifts": json.dumps({name: _plain(values[0]) for name, values in record.series.items()}),
    }


def _plain(values: np.ndarray) -> list[float]:
    return [float(f"{value:.7g}") for value in values]


def _simulated_replicas(configuration: Configuration, seed: int) -> dict[str, Any]:
    from trainers.perceptron_simulation import replica_seeds, simulate

    dynamics = _dynamics(configuration)
    run = simulate(dynamics, replica_seeds(seed, 2), [_steps(configuration, "duration")])
    first, second = run.weights[-1]
    distance = replica_distance(first, second)
    norms = run.observables["norm"][-1]
    gamma = run.margins / np.sqrt(norms)[:, None]
    touching = boundary_width(run.margins, 1.0, dynamics.target_margin).contact
    width = boundary_width(gamma, 1.0, dynamics.target_margin)
    seen = {name: float(values[-1].mean()) for name, values in run.observables.items()}
    return {
        "replica_distance": distance.weights,
        "replica_angle": distance.angle,
        "replica_disagreement": distance.disagreement,
        "width_mean": width.mean,
        "width_contact": touching,
        "width_hard": width.hard,
        "width_spread": width.spread,
        "train_loss": seen["loss"],
        "train_error": seen["error"],
        "violated": seen["violated"],
        "squared_norm": seen["norm"],
    }


def _mean_field_replicas(configuration: Configuration, seed: int) -> dict[str, Any]:
    dynamics, sizes = _dynamics(configuration), _solver_sizes(configuration)
    memory = configuration["memory"]
    solution = solve_dmft(_problem(dynamics), **sizes, seed=seed, memory_limit=memory)
    norm = float(solution.correlation[-1, -1])
    distance = mean_field_distance(norm, float(solution.replica_distance[-1]))
    width = boundary_width(solution.margins, norm, dynamics.target_margin)
    return {
        "replica_distance": distance.weights,
        "replica_angle": distance.angle,
        "replica_disagreement": distance.disagreement,
        "width_mean": width.mean,
        "width_contact": width.contact,
        "width_hard": width.hard,
        "width_spread": width.spread,
        "train_loss": float(solution.samples.loss[-1]),
        "train_error": float(solution.samples.error[-1]),
        "violated": float(solution.samples.violated[-1]),
        "squared_norm": norm,
    }


_METHODS = {
    ("simulation", "temperature"): _simulated_temperature,
    ("mean_field", "temperature"): _mean_field_temperature,
    ("simulation", "replicas"): _simulated_replicas,
    ("mean_field", "replicas"): _mean_field_replicas,
}


def expected_seconds(configuration: Configuration) -> float:
    """Rough time of one seed."""
    if configuration["method"] == "mean_field":
        sizes = _solver_sizes(configuration)
        steps, copies = sizes["n_steps"], sizes["n_replicas"] * sizes["n_response"]
        tangent = copies * configuration["active_fraction"] * steps**3 / 6
        return 0.05 + 6e-10 * tangent + 2e-9 * sizes["n_samples"] * steps**2
    steps = _steps(configuration, "duration") if configuration["quantity"] == "replicas" else 0
    if not steps:
        windows = configuration["n_windows"] * _steps(configuration, "window_time")
        steps = _steps(configuration, "burn_in_time") + 2 * windows
    n = configuration["n_weights"]
    return 0.01 + steps * (
        6e-5 + 8e-10 * configuration["active_fraction"] * configuration["load"] * n**2
    )


def seed_columns(seed: int) -> dict[str, int]:
    """Return nothing: the seed is that of everything random."""
    return {}


def average(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return means and standard errors of the numbers of a configuration."""
    averages: dict[str, float] = {}
    for name in rows[0]:
        values = [row.get(name) for row in rows]
        if name in KEYS or name == "seed" or not all(_is_finite(v) for v in values):
            continue
        averages[name] = float(np.mean(values))
        if len(values) > 1:
            averages[f"{name}_stderr"] = float(np.std(values, ddof=1) / math.sqrt(len(values)))
    averages["n_seeds"] = float(len(rows))
    return averages


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def read_table(path: Path) -> TemperatureTable:
    """Read and check the table."""
    return TemperatureTable.read_csv(path)


def conditional_on(spec: StudySpec) -> str:
    """Return the law from which the data are drawn."""
    return "Gaussian inputs in many dimensions"
