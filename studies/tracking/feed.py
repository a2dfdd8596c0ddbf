"""What a store lacks of a ledger: live, configuration by configuration, and at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from studies.contracts import Configuration
from studies.experiments import load_experiment
from studies.folder import StudyFolder
from studies.ledger.base import Block, Ledger
from studies.specs.spec import StudySpec
from studies.tracking.client import import_mlflow, short_requests
from studies.tracking.runs import PARENT_TAG, search_runs
from studies.tracking.texts import number_text
from studies.tracking.tracker import MlflowTracker, NullTracker
from studies.tracking.uri import store_uri
from studies.tracking.values import ConfigurationResult
from studies.units import Unit

Rows = dict[int, dict[str, Any]]
"""Rows of one configuration by seed."""


def by_configuration(blocks: Iterable[Block]) -> dict[str, tuple[Configuration, Rows]]:
    """Return what was measured of each configuration, by its identity."""
    found: dict[str, tuple[Configuration, Rows]] = {}
    for block in blocks:
        _, rows = found.setdefault(block.point.identity, (block.point, {}))
        rows.update(zip(block.seeds, block.rows, strict=True))
    return found


def missing(
    measured: Mapping[str, tuple[Configuration, Rows]], held: Mapping[str, int]
) -> Iterator[tuple[Configuration, Rows]]:
    """Yield the configurations of which a store does not hold the means of all replicas.

    Parameters
    ----------
    held
        Number of replicas whose means the store holds, by identity of the configuration.
    """
    for identity, (point, rows) in measured.items():
        if held.get(identity, 0) != len(rows):
            yield point, rows


def configuration_result(point: Configuration, rows: Rows) -> ConfigurationResult:
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


class ConfigurationFeed:
    """Logs each configuration once, when all its replicas are in the ledger.

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
        ledger: Ledger,
        planned: Mapping[str, int],
        n_seeds: int,
        tracker: MlflowTracker | NullTracker,
        grows: bool = False,
    ) -> None:
        self._ledger = ledger
        self._planned = planned
        self._n_seeds = n_seeds
        self._tracker = tracker
        self._grows = grows
        self._rows: dict[str, tuple[Configuration, Rows]] | None = None
        tracker.on_open(self.compare)

    @classmethod
    def of(
        cls, spec: StudySpec, ledger: Ledger, tracker: MlflowTracker | NullTracker
    ) -> ConfigurationFeed:
        """Return the feed of a study."""
        n_seeds = 1 if spec.is_adaptive else spec.space.n_seeds
        plan = spec.planned() if spec.is_planned else ()
        planned = {point.identity: len(seeds) for point, seeds in plan}
        return cls(ledger, planned, n_seeds, tracker, spec.is_adaptive)

    def add(self, unit: Unit, rows: list[dict[str, Any]]) -> None:
        """Take the rows of a finished unit, which is in the ledger already."""
        if self._rows is not None:  # before, the store is not open: then the ledger is read
            identity = unit.point.identity
            _, held = self._rows.setdefault(identity, (unit.point, {}))
            held.update(zip(unit.seeds, rows, strict=True))
            if len(held) >= self._planned.get(identity, self._n_seeds):
                self._tracker.log(configuration_result(unit.point, held))
                if not self._grows:
                    del self._rows[identity]
        self._tracker.exchange()

    def compare(self) -> None:
        """Log what the ledger has and the store neither holds nor is about to get."""
        measured = by_configuration(self._ledger.blocks())
        complete = {
            identity: (point, rows)
            for identity, (point, rows) in measured.items()
            if len(rows) >= self._planned.get(identity, self._n_seeds)
        }
        for point, rows in missing(complete, self._tracker.taken()):
            self._tracker.log(configuration_result(point, rows))
        kept = measured if self._grows else measured.keys() - complete.keys()
        self._rows = {identity: measured[identity] for identity in kept}


def configuration_runs(folder: StudyFolder, uri: str | None = None) -> tuple[str, list[str]]:
    """Return experiment id and ids of the runs of the study's configurations.

    Without ids if a server does not answer.
    """
    from mlflow.exceptions import MlflowException

    ids = folder.read_state().get("mlflow", {})
    experiment = ids.get("experiment_id", "1")
    parent = f"= '{ids['run_id']}'" if "run_id" in ids else "LIKE '%'"
    client = import_mlflow().MlflowClient(tracking_uri=uri or store_uri(folder))
    try:
        with short_requests():
            runs = search_runs(client, experiment, f"tags.`{PARENT_TAG}` {parent}")
            return experiment, [run.info.run_id for run in runs]
    except MlflowException:
        return experiment, []
