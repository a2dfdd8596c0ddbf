"""The perceptron's training dynamics, simulated or solved: temperatures, or replicas and widths.

Both methods measure the same observables at the same settings, so that a study lays theory over
simulation. A seed is that of data, start, selection and noise for a simulation, of the Monte
Carlo copies for the theory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.mean_field.memory import shares_histories
from analysis.mean_field.problem import SolveDynamicsError
from analysis.mean_field.solver import MEMORY_LIMIT, check_memory
from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from search_spaces.configuration import Configuration
from search_spaces.grid import Setting, named
from search_spaces.numbers import positive_integer, positive_number
from search_spaces.perceptron_dynamics import (
    MARGIN_LOSSES,
    TASKS,
    PerceptronDynamics,
)
from search_spaces.selection import (
    PERSISTENCE_CONVENTIONS,
    check_persistence_time,
    convert_persistence_time,
)
from studies.contracts import Scanned
from studies.experiments.grid import GridExperiment
from studies.experiments.perceptron_rows import (
    DYNAMICS,
    dynamics_of,
    mean_field_problem,
    measure_rows,
    solver_sizes,
    steps,
)
from studies.memory import memory_bound

if TYPE_CHECKING:
    from analysis.effective_temperature.table import TemperatureTable

METHODS = ("simulation", "mean_field")
QUANTITIES = ("temperature", "replicas")
BACKENDS = ("numba", "torch")
"""Of simulations; `torch` runs all seeds of a unit at once, on a GPU if there is one."""


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidSettingError(f"{name}={value!r} is not a finite number")
    return float(value)


def _optional(name: str, value: object) -> float | None:
    return None if value is None else positive_number(name, value)


SETTINGS = (
    named("method", "simulation", METHODS, "Simulation, or mean-field theory"),
    named(
        "quantity", "temperature", QUANTITIES, "Temperatures, or distances of replicas and widths"
    ),
    Setting("load", 4.0, positive_number, "Samples per weight"),
    Setting("learning_rate", 0.05, positive_number, "eta"),
    Setting("active_fraction", 0.5, _number, "b, the mean fraction of samples in use"),
    Setting(
        "persistence_time", None, _optional, "tau of the selection; null for a new one per step"
    ),
    named(
        "persistence_convention", "active", PERSISTENCE_CONVENTIONS, "What tau is the mean time of"
    ),
    named("loss", "quadratic_hinge", MARGIN_LOSSES, "Loss of a margin"),
    Setting("target_margin", 1.0, _number, "Margin at which a sample is fitted"),
    Setting("ridge", 0.0, _number, "Strength of the quadratic penalty"),
    Setting("langevin_temperature", 0.0, _number, "Temperature of added white noise"),
    Setting("initial_scale", 1.0, positive_number, "Standard deviation of the initial weights"),
    named("task", "random", TASKS, "Labels"),
    Setting("separation", 1.0, _number, "Distance of the clusters of a mixture"),
    Setting("burn_in_time", 6.0, positive_number, "eta t before anything is measured"),
    Setting("window_time", 4.0, positive_number, "eta t over which a response is followed"),
    Setting("n_windows", 6, positive_integer, "Windows per run"),
    Setting("field_strength", 0.1, positive_number, "Field that twins differ by"),
    Setting("duration", 30.0, positive_number, "eta t after which replicas are compared"),
    Setting("n_weights", 500, positive_integer, "Weights of a simulation"),
    Setting("n_copies", 3000, positive_integer, "Monte Carlo copies of the theory"),
    Setting("memory", MEMORY_LIMIT, positive_number, "Gigabytes that a worker may use"),
)
_ONLY = {
    "temperature": ("burn_in_time", "window_time", "n_windows"),
    "replicas": ("duration",),
}


def _check_memory(configuration: Configuration, limit: float) -> None:
    problem = mean_field_problem(dynamics_of(configuration))
    try:
        check_memory(problem, **solver_sizes(configuration), limit=limit)
    except SolveDynamicsError as error:
        times = (
            "duration"
            if configuration["quantity"] == "replicas"
            else "burn_in_time + 1.5 window_time"
        )
        raise InvalidSettingError(
            f"{error}; n_steps is ({times}) / learning_rate, n_copies sets the samples, "
            "--memory the limit"
        ) from None


def _check_simulation(configuration: Configuration, limit: float) -> None:
    """Refuse data beyond `limit` gigabytes: M times N numbers of four bytes per seed."""
    n, load = configuration["n_weights"], configuration["load"]
    needed = 4e-9 * load * n**2
    if needed > limit:
        raise InvalidSettingError(
            f"n_weights={n} at load={load:g} needs {needed:.3g} GB of data, more than the "
            f"limit of {limit:g} GB; n_weights={math.isqrt(int(limit / (4e-9 * load)))} fits, and "
            "--memory sets the limit"
        )


def _check_window(configuration: Configuration) -> None:
    n_steps = steps(configuration, "window_time")
    if n_steps < 8:
        raise InvalidSettingError(
            f"window_time={configuration['window_time']:g} is {n_steps} steps of "
            f"learning_rate={configuration['learning_rate']:g}; at least 8 are needed"
        )


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


class FluctuationRuns(GridExperiment):
    """Simulations and solutions over settings of the dynamics."""

    name = "perceptron-dynamics"
    axes = SETTINGS
    shown = ("method", "quantity", "load", "learning_rate", "active_fraction", "persistence_time")
    params = (*shown, "loss", "ridge", "langevin_temperature", "task", "n_weights")

    def build(self, values: dict[str, Any]) -> Mapping[str, Any]:
        """Check the dynamics, convert the persistence time, and keep the settings that matter."""
        kept = dict(values)
        convention = kept.pop("persistence_convention")
        b, tau = kept["active_fraction"], kept["persistence_time"]
        if tau is not None and 0 < b < 1:
            check_persistence_time(tau, b, kept["learning_rate"], convention)
            kept["persistence_time"] = convert_persistence_time(tau, b, convention)
        dynamics = PerceptronDynamics(**{name: kept[name] for name in DYNAMICS})
        mean_field_problem(dynamics)
        simulated = kept["method"] == "simulation"
        other = QUANTITIES[1 - QUANTITIES.index(kept["quantity"])]
        # The memory limit decides what may run, not what comes out.
        unused = [*_ONLY[other], "memory", "n_copies" if simulated else "n_weights"]
        if not simulated or kept["quantity"] == "replicas":
            unused.append("field_strength")
        return {name: value for name, value in kept.items() if name not in unused}

    def grows(self, key: str, old: Any, new: Any) -> bool:
        """Whether a setting kept all of its values; the memory decides nothing that comes out."""
        return key == "memory" or super().grows(key, old, new)

    def check(self, spec: Scanned, device: str = "cpu", is_here: bool = True) -> str:
        """Refuse what needs too much memory and windows that are too short."""
        allowed = memory_bound()
        for scan in spec.spaces().values():
            limit = min(scan.values["memory"]) if allowed is None else allowed / 1e9
            for configuration in scan.points():
                if configuration["method"] == "mean_field":
                    _check_memory(configuration, limit)
                    continue
                _check_simulation(configuration, limit)
                if configuration["quantity"] == "temperature":
                    _check_window(configuration)
        return check_name("backend", "numba" if spec.backend == "auto" else spec.backend, BACKENDS)

    def prepare(self, spec: Scanned, backend: str) -> None:
        """Compile once here, rather than in every worker at the same time."""
        from trainers.fluctuations.simulation import replica_seeds, simulate

        simulate(PerceptronDynamics(n_weights=10, active_fraction=0.5), replica_seeds(0, 1), [1])

    def measure(
        self, configuration: Configuration, seeds: Sequence[int], backend: str, device: str = "cpu"
    ) -> list[dict[str, Any]]:
        """Return one row per seed."""
        from threadpoolctl import threadpool_limits

        # Sums of matrix products depend on the number of threads.
        with threadpool_limits(1, user_api="blas"):
            return measure_rows(configuration, seeds, backend)

    def expected_seconds(self, configuration: Configuration) -> float:
        """Rough time of one seed."""
        if configuration["method"] == "mean_field":
            sizes = solver_sizes(configuration)
            n_steps, copies = sizes["n_steps"], sizes["n_replicas"] * sizes["n_response"]
            tangent = copies * float(configuration["active_fraction"]) * n_steps**3 / 6
            if shares_histories(mean_field_problem(dynamics_of(configuration))):
                tangent *= 0.5 if configuration["langevin_temperature"] > 0 else 0.02
            return 0.05 + 6e-10 * tangent + 2e-9 * sizes["n_samples"] * n_steps**2
        if configuration["quantity"] == "replicas":
            n_steps = steps(configuration, "duration")
        else:
            windows = configuration["n_windows"] * steps(configuration, "window_time")
            n_steps = steps(configuration, "burn_in_time") + 2 * windows
        samples = float(configuration["active_fraction"] * configuration["load"])
        return 0.01 + n_steps * (6e-5 + 8e-10 * samples * float(configuration["n_weights"]) ** 2)

    def average(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return means and standard errors of the numbers of a configuration."""
        averages: dict[str, float] = {}
        for name in rows[0]:
            values: list[Any] = [row.get(name) for row in rows]
            if name in self.keys or name == "seed" or not all(_is_finite(v) for v in values):
                continue
            averages[name] = float(np.mean(values))
            if len(values) > 1:
                averages[f"{name}_stderr"] = float(np.std(values, ddof=1) / math.sqrt(len(values)))
        averages["n_seeds"] = float(len(rows))
        return averages

    def read_table(self, path: Path) -> TemperatureTable:
        """Read and check the table."""
        from analysis.effective_temperature.table import TemperatureTable

        return TemperatureTable.read_csv(path)

    def conditional_on(self, spec: Scanned) -> str:
        """Return the law from which the data are drawn."""
        return "Gaussian inputs in many dimensions"
