"""Particles with the noise laws of SGD: escapes, schedules, stationary laws, a trained network.

One setting, `dynamics`, says what is simulated; the settings that it does not use are dropped from
its configurations. A row is one block of paths; theory is added by the analysis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search_spaces import InvalidSettingError
from search_spaces.choices import ACTIVATIONS
from search_spaces.configuration import Configuration
from search_spaces.grid import Setting, named
from search_spaces.numbers import positive_integer, positive_number
from studies.contracts import Scanned
from studies.experiments.escape_blocks import (
    BOXES,
    DIRECTIONS,
    SCHEDULES,
    network_point,
    run_block,
)
from studies.experiments.grid import (
    GridExperiment,
)
from studies.experiments.networks import read_not_negative, read_text

USED = {
    "levy": ("tail_index", "mean_time", "dt"),
    "box": ("box", "dt"),
    "schedule": ("tail_index", "schedule", "n_steps"),
    "well": ("sigma_h", "barrier", "dt"),
    "stationary": ("convention", "sigma_h", "dt"),
    "random_curvature": ("curvature", "learning_rate"),
    "regression": ("learning_rate", "batch_size", "share"),
    "network": ("activation", "epoch", "direction", "width_factor"),
}
"""Settings of each kind of dynamics beside n_paths."""


def _tail_index(name: str, raw: Any) -> float:
    value = positive_number(name, raw)
    if value >= 2:
        raise InvalidSettingError(f"{name}={raw!r} must be below 2: a Gaussian does not jump")
    return value


SETTINGS = (
    named("dynamics", "levy", tuple(USED), "What is simulated"),
    Setting("n_paths", 500, positive_integer, "Paths per seed"),
    Setting("tail_index", 1.5, _tail_index, "Index of the stable jumps, below 2"),
    Setting("mean_time", 400.0, positive_number, "Mean escape time that the noise is scaled to"),
    named("box", "four", tuple(BOXES), "Box with one tail index per coordinate"),
    named("schedule", "constant", SCHEDULES, "How eta and noise change over a run"),
    Setting("n_steps", 4000, positive_integer, "Steps of a schedule"),
    named(
        "convention",
        "ito",
        ("ito", "stratonovich", "paper"),
        "How noise that depends on the place is read",
    ),
    Setting(
        "sigma_h", 8.0, read_not_negative, "Noise that grows with the distance from the minimum"
    ),
    Setting("barrier", 0.1, positive_number, "Height of the well"),
    Setting("curvature", 0.1, positive_number, "Mean of the random curvature"),
    Setting("learning_rate", 0.1, positive_number, "eta of random_curvature and regression"),
    Setting("batch_size", 1, positive_integer, "B of the regression"),
    Setting("share", 1.0, positive_number, "Probability that an input of the regression is not 0"),
    Setting("activation", "relu", read_text, "Activation of the network", ACTIVATIONS),
    Setting("epoch", 30, positive_integer, "Epochs after which the network's noise is measured"),
    named("direction", "top", DIRECTIONS, "Direction in weight space that is followed"),
    Setting("width_factor", 1.0, positive_number, "Half width in units of the stationary width"),
    Setting("dt", 0.01, positive_number, "Time step"),
)


class Escape(GridExperiment):
    """Simulated blocks of paths of one kind of dynamics, or of several."""

    name = "escape"
    axes = SETTINGS
    shown = ("dynamics", "tail_index", "sigma_h")
    params = tuple(setting.name for setting in SETTINGS)

    def build(self, values: dict[str, Any]) -> Mapping[str, Any]:
        used = USED[values["dynamics"]]
        return {name: values[name] for name in ("dynamics", "n_paths", *used)}

    def check(self, spec: Scanned, device: str = "cpu", is_here: bool = True) -> str:
        """Refuse a network that has no torch description."""
        if any(c["dynamics"] == "network" for c in spec.points()):
            from trainers.noise.sample_losses import check_describable

            for configuration in spec.points():
                if configuration["dynamics"] == "network":
                    check_describable(network_point(dict(configuration.settings)))
        return "numba"

    def prepare(self, spec: Scanned, backend: str) -> None:
        """Compile the walks once, not in every worker."""
        from trainers.diffusion.models import (
            PowerLawDynamics,
            simulate_levy,
            simulate_regression,
            simulate_schedule,
        )

        simulate_levy(1.5, 0.1, 1.0, max_time=0.1, n_paths=1, seed=0)
        simulate_schedule(1.5, np.ones(2), np.ones(2), n_paths=1, seed=0)
        dynamics = PowerLawDynamics(1.0, 0.1)
        dynamics.samples(1, 1, burn_time=0.0, interval=0.1, dt=0.1, seed=0)
        dynamics.exit_times(1.0, dt=0.1, max_time=0.2, n_paths=1, seed=0)
        simulate_regression(0.1, n_paths=1, n_kept=1, n_burn=0, seed=0)

    def measure(
        self, configuration: Configuration, seeds: Sequence[int], backend: str, device: str = "cpu"
    ) -> list[dict[str, Any]]:
        """Simulate one block of paths per seed."""
        settings = dict(configuration.settings)
        return [run_block(settings, seed) for seed in seeds]

    def expected_seconds(self, configuration: Configuration) -> float:
        """Rough time of one block of paths, from its number of steps."""
        s = dict(configuration.settings)
        kind, paths = s["dynamics"], s["n_paths"]
        if kind == "levy":
            steps = s["mean_time"] / s["dt"]
        elif kind == "box":
            steps = {"four": 48.3 * 4, "three": 339 * 3, "two": 657 * 2}[s["box"]] / s["dt"]
        elif kind == "schedule":
            steps = 0.6 * s["n_steps"]
        elif kind == "well":
            steps = 50 / s["dt"]
        elif kind == "stationary":
            steps = 130 / s["dt"]
        elif kind == "random_curvature":
            steps = 210 / (s["curvature"] * s["learning_rate"])
        elif kind == "regression":
            steps = 210 / s["learning_rate"] * s["batch_size"]
        else:
            return 0.03 * float(s["epoch"])
        return 0.05 + 1.2e-7 * float(paths * steps)

    def conditional_on(self, spec: Scanned) -> str:
        """Return the models."""
        return "these model dynamics"
