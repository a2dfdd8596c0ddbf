"""What a study runs: one module per experiment, behind one contract.

An experiment knows its settings, how to measure a configuration, and how its rows are averaged
and read back. The driver, the ledger, the executors and MLflow know none of this. Importing a
module of this package loads neither torch nor numba; measuring does.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any, cast

from search_spaces.choices import check_name
from studies.contracts import Configuration, Experiment

EXPERIMENTS = (
    "training",
    "perceptron-dynamics",
    "gradient-noise",
    "escape",
    "large-batch-noise",
)
"""Names of the experiments; each is a module, with underscores."""

_added: dict[str, Experiment] = {}


def load_experiment(name: str) -> Experiment:
    """Return the module of an experiment.

    Raises
    ------
    InvalidSettingError
        For an unknown name.
    """
    if name in _added:
        return _added[name]
    check_name("experiment", name, EXPERIMENTS)
    return _module(name)


def add_experiment(name: str, experiment: Experiment) -> None:
    """Make an experiment of your own known in this process; a task has to do so in its worker."""
    _added[name] = experiment


@functools.cache
def _module(name: str) -> Experiment:
    return cast(Experiment, importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))


def read_configuration(plain: Mapping[str, Any]) -> Configuration:
    """Return the configuration of a record or payload; a training has no `experiment` in it."""
    return load_experiment(plain.get("experiment", "training")).read(dict(plain))
