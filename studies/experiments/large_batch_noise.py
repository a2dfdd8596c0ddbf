"""One arm of the comparison of large batches with and without injected noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from search_spaces import Point
from search_spaces.configuration import Configuration
from search_spaces.grid import Setting, named
from search_spaces.numbers import positive_integer, positive_number
from studies.contracts import Scanned
from studies.experiments.grid import (
    GridExperiment,
    plain_number,
)
from studies.experiments.networks import (
    check_networks,
    data_of,
    network_point,
    network_settings,
    read_not_negative,
    settle_network,
)

ARMS = ("large", "small", "gaussian", "sign", "isotropic", "scaled_rate")


SETTINGS = (
    *network_settings(width=32, depth=1, n_train=500),
    Setting("n_test", 700, positive_integer, "Test points"),
    Setting(
        "n_validation", 100, positive_integer, "Points, of the test set, that choose when to stop"
    ),
    Setting("large", 256, positive_integer, "The large batch size"),
    Setting("small", 8, positive_integer, "The small batch size whose noise is injected"),
    Setting("rate_factor", 4.0, positive_number, "Factor of eta in the arm scaled_rate"),
    Setting("label_noise", 0.2, read_not_negative, "Share of training labels that are flipped"),
    Setting("learning_rate", 1.0, positive_number, "eta"),
    named("schedule", "constant", ("constant", "cosine"), "How eta changes over a run"),
    Setting("n_steps", 1500, positive_integer, "Updates of a run"),
    named("arm", list(ARMS), ARMS, "Which noise is injected"),
)


def _point(values: Mapping[str, Any]) -> Point:
    """Return the network; raises if the large batch exceeds the data."""
    return network_point(values, values["large"], "n_test")


def _comparison(values: Mapping[str, Any]) -> Any:
    from trainers.noise.large_batch import Comparison

    names = ("small", "n_steps", "label_noise", "schedule", "rate_factor", "n_validation")
    return Comparison(_point(values), **{name: values[name] for name in names})


class LargeBatchNoise(GridExperiment):
    """The grid over arms and settings."""

    name = "large-batch-noise"
    axes = SETTINGS
    shown = ("label_noise", "learning_rate", "schedule", "n_steps", "arm")
    params = (*shown, "large", "small", "n_train", "data", "model", "loss")

    def build(self, values: dict[str, Any]) -> Mapping[str, Any]:
        values = settle_network(values, SETTINGS)
        _point(values)
        return values

    def check(self, spec: Scanned, device: str = "cpu", is_here: bool = True) -> str:
        """Refuse what cannot be run, before anything is."""
        for configuration in spec.points():
            comparison = _comparison(dict(configuration.settings))
            comparison.check()
            check_networks([comparison.point])
        return "torch"

    def prepare(self, spec: Scanned, backend: str) -> None:
        """Compile the batch stream once, not in every worker."""
        from trainers.batches.fixed_size import batch_indices

        batch_indices(0, 0, 1, 2, 1, "without_replacement")

    def measure(
        self, configuration: Configuration, seeds: Sequence[int], backend: str, device: str = "cpu"
    ) -> list[dict[str, Any]]:
        """Train one arm for every seed."""
        from trainers.noise.large_batch import run_arm
        from trainers.threads import one_torch_thread

        comparison = _comparison(dict(configuration.settings))
        with one_torch_thread():
            found = [asdict(run_arm(comparison, configuration["arm"], seed)) for seed in seeds]
        return [
            {k: v if isinstance(v, int) else plain_number(v) for k, v in row.items()}
            for row in found
        ]

    def expected_seconds(self, configuration: Configuration) -> float:
        """Rough time of one arm."""
        settings = dict(configuration.settings)
        passes = 2 if settings["arm"] == "isotropic" else 1
        steps, large = int(settings["n_steps"]), int(settings["large"])
        return 0.1 + passes * steps * (3e-4 + 1e-6 * large)

    def conditional_on(self, spec: Scanned) -> str:
        """Return the data."""
        return data_of(spec.points())
