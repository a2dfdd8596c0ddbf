"""What a study runs: one class per experiment, behind one contract.

The driver, the ledger, the executors and MLflow know nothing of what is measured. A package of a
user's adds its own as an entry point of the group ``sgd_thermometer.experiments``, which names a
subclass of :class:`studies.contracts.Experiment`; its workers find it in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.contracts import Configuration, Experiment
from studies.registry import Registry

EXPERIMENTS: Registry[Experiment] = Registry(
    "experiment",
    "experiments",
    {
        "training": "studies.experiments.training:Training",
        "perceptron-dynamics": "studies.experiments.perceptron_dynamics:FluctuationRuns",
        "gradient-noise": "studies.experiments.gradient_noise:GradientNoise",
        "escape": "studies.experiments.escape:Escape",
        "large-batch-noise": "studies.experiments.large_batch_noise:LargeBatchNoise",
    },
)
"""The experiments by name."""


def load_experiment(name: str) -> Experiment:
    """Return an experiment, or raise InvalidSettingError for an unknown name."""
    return EXPERIMENTS.load(name)


def add_experiment(name: str, experiment: Experiment) -> None:
    """Make an experiment of your own known in this process; a task has to do so in its worker."""
    EXPERIMENTS.add(name, experiment)


def read_configuration(plain: Mapping[str, Any]) -> Configuration:
    """Return the configuration of a record or payload; a training has no `experiment` in it."""
    return EXPERIMENTS.load(plain.get("experiment", "training")).read(dict(plain))
