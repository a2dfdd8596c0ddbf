"""Which configurations are complete, and what MLflow is told of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studies.contracts import Configuration
from studies.experiments import load_experiment
from studies.folder import StudyFolder
from studies.ledger.base import Block
from studies.tracking.client import import_mlflow
from studies.tracking.runs import PARENT_TAG
from studies.tracking.texts import number_text
from studies.tracking.tracked import TrackedRuns, last_store
from studies.tracking.tracker import MlflowTracker, NullTracker
from studies.tracking.uri import store_uri
from studies.tracking.values import ConfigurationResult
from studies.units import Unit


class ConfigurationFeed:
    """Collects the replicas of each configuration and logs it once, when all are there.

    Parameters
    ----------
    planned
        Number of replicas of each planned configuration, by its identity.
    n_seeds
        The number for all others.
    grows
        Whether a configuration that is complete may still get more replicas.
    """

    def __init__(
        self,
        planned: Mapping[str, int],
        n_seeds: int,
        tracker: MlflowTracker | NullTracker,
        grows: bool = False,
    ) -> None:
        self._planned = planned
        self._n_seeds = n_seeds
        self._tracker = tracker
        self._grows = grows
        self._rows: dict[str, dict[int, dict[str, Any]]] = {}

    def add(self, unit: Unit, rows: list[dict[str, Any]]) -> None:
        """Take the rows of a finished unit."""
        identity = unit.point.identity
        held = self._rows.setdefault(identity, {})
        held.update(zip(unit.seeds, rows, strict=True))
        if len(held) < self._planned.get(identity, self._n_seeds):
            return
        if not self._tracker.holds(identity, len(held)):
            self._tracker.log(configuration_result(unit.point, held))
        if not self._grows:
            del self._rows[identity]

    def add_blocks(self, blocks: Iterable[Block]) -> None:
        """Take what is in the ledger."""
        for block in blocks:
            self.add(Unit(block.point, block.seeds), block.rows)


def configuration_result(
    point: Configuration, rows: Mapping[int, dict[str, Any]]
) -> ConfigurationResult:
    """Return what the run of a configuration shows, from the rows of its seeds."""
    experiment = load_experiment(point.experiment)
    columns = point.columns()
    return ConfigurationResult(
        identity=point.identity,
        label=point.label,
        n_seeds=len(rows),
        params={n: number_text(columns[n]) for n in experiment.params if n in columns},
        metrics=experiment.average([rows[seed] for seed in sorted(rows)]),
    )


def configuration_runs(folder: StudyFolder, uri: str | None = None) -> tuple[str, list[str]]:
    """Return experiment id and ids of the runs of the study's configurations."""
    ids = folder.read_state().get("mlflow", {})
    experiment, store = ids.get("experiment_id", "1"), last_store(folder.tracked)
    if store is not None:
        tracked = TrackedRuns(folder.tracked, *store)
        if tracked.parent == ids.get("run_id"):
            return experiment, [run_id for run_id, n_seeds in tracked.runs.values() if n_seeds]
    client = import_mlflow().MlflowClient(tracking_uri=uri or store_uri(folder))
    parent = f"= '{ids['run_id']}'" if "run_id" in ids else "LIKE '%'"
    runs = client.search_runs([experiment], f"tags.`{PARENT_TAG}` {parent}", max_results=1000)
    return experiment, [run.info.run_id for run in runs]
