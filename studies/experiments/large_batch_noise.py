"""One arm of the comparison of large batches with and without injected noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from search_spaces import Point
from search_spaces.configuration import Configuration
from search_spaces.grid import GridSpace, Setting
from search_spaces.numbers import positive_integer, positive_number
from studies.experiments.grid import (
    average_numbers,
    grows,
    plain_number,
    read,
    read_table,
    seed_columns,
)
from studies.experiments.networks import (
    check_networks,
    data_of,
    network_point,
    network_settings,
    one_of,
    read_not_negative,
    settle_network,
)

if TYPE_CHECKING:
    from studies.specs.spec import StudySpec

__all__ = ["grows", "read", "read_table", "seed_columns"]

ARMS = ("large", "small", "gaussian", "sign", "isotropic", "scaled_rate")


SETTINGS = (
    *network_settings(width=32, depth=1, n_train=500),
    Setting("n_test", 700, positive_integer),
    Setting("n_validation", 100, positive_integer),
    Setting("large", 256, positive_integer),
    Setting("small", 8, positive_integer),
    Setting("rate_factor", 4.0, positive_number),
    Setting("label_noise", 0.2, read_not_negative),
    Setting("learning_rate", 1.0, positive_number),
    Setting("schedule", "constant", one_of("constant", "cosine")),
    Setting("n_steps", 1500, positive_integer),
    Setting("arm", list(ARMS), one_of(*ARMS)),
)
KEYS = (*(setting.name for setting in SETTINGS), "n_seeds", "first_seed")
SHOWN = ("label_noise", "learning_rate", "schedule", "n_steps", "arm")
PARAMS = (*SHOWN, "large", "small", "n_train", "data", "model", "loss")


def space(**settings: Any) -> GridSpace:
    """Return the grid over arms and settings."""
    return GridSpace("large-batch-noise", SETTINGS, _build, **settings)


def _build(values: dict[str, Any]) -> Mapping[str, Any]:
    values = settle_network(values, SETTINGS)
    _point(values)
    return values


def _point(values: Mapping[str, Any]) -> Point:
    """Return the network; raises if the large batch exceeds the data."""
    return network_point(values, values["large"], "n_test")


def _comparison(values: Mapping[str, Any]) -> Any:
    from trainers.noise.large_batch import Comparison

    names = ("small", "n_steps", "label_noise", "schedule", "rate_factor", "n_validation")
    return Comparison(_point(values), **{name: values[name] for name in names})


def check(spec: StudySpec) -> str:
    """Refuse what cannot be run, before anything is."""
    for configuration in spec.points():
        comparison = _comparison(dict(configuration.settings))
        comparison.check()
        check_networks([comparison.point])
    return "torch"


def prepare(spec: StudySpec, backend: str) -> None:
    """Compile the batch stream once, not in every worker."""
    from trainers.batches.fixed_size import batch_indices

    batch_indices(0, 0, 1, 2, 1, "without_replacement")


def measure(
    configuration: Configuration, seeds: Sequence[int], backend: str
) -> list[dict[str, Any]]:
    """Train one arm for every seed."""
    from trainers.noise.large_batch import run_arm
    from trainers.noise.walk import one_thread

    comparison = _comparison(dict(configuration.settings))
    with one_thread():
        found = [asdict(run_arm(comparison, configuration["arm"], seed)) for seed in seeds]
    return [
        {k: v if isinstance(v, int) else plain_number(v) for k, v in row.items()} for row in found
    ]


def expected_seconds(configuration: Configuration) -> float:
    """Rough time of one arm."""
    settings = dict(configuration.settings)
    passes = 2 if settings["arm"] == "isotropic" else 1
    return 0.1 + passes * settings["n_steps"] * (3e-4 + 1e-6 * settings["large"])


def average(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return means of what was measured."""
    return average_numbers(rows, KEYS)


def conditional_on(spec: StudySpec) -> str:
    """Return the data."""
    return data_of(spec.points())
