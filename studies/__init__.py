"""Many experiments: the only layer that knows Ray, Optuna and MLflow.

Importing it imports none of them: :class:`Study` and its companions load on first use.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

_NAMES = {
    "study": "Study",
    "run_options": "RunOptions RunSummary",
    "contracts": "Experiment Kind Result",
    "experiments": "add_experiment load_experiment",
    "experiments.grid": "GridExperiment",
    "specs.spec": "StudySpec",
    "specs.resolve": "resolve_spec",
    "specs.yaml_files": "load_recipe recipe_names",
    "specs.listing": "study_schema",
    "plans.critical_temperature_sampler": "CriticalTemperatureSampler",
    "plans.samplers": "make_sampler planned_distributions",
    "execution.executors": "Executor SerialExecutor",
    "execution.ray_executor": "RayExecutor",
    "results.replay": "ColumnComparison Replay replay_point",
    "results.status": "StudyStatus read_status",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def _check_siblings() -> None:
    """Refuse to run with a foreign package of the same name as one of ours."""
    home = Path(__file__).resolve().parent.parent
    for name in ("analysis", "search_spaces", "trainers"):
        found = importlib.util.find_spec(name)
        origin = getattr(found, "origin", None)
        if origin is None or Path(origin).resolve().parent.parent != home:
            raise ImportError(
                f"the package {name!r} was found at {origin}, but sgd-thermometer's is in {home}; "
                "run from another folder, or use the console script 'thermometer'"
            )


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"studies.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'studies' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]


_check_siblings()
