"""The ledger: every finished configuration, with its block of seeds, as an Optuna trial.

The journal file is the only source of truth; table, report and MLflow are made from it. Only
the process that owns the folder writes it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from search_spaces import InvalidSettingError
from studies.experiments import Configuration, read_configuration
from studies.journal import repair_journal
from studies.packs import Unit

optuna.logging.set_verbosity(optuna.logging.WARNING)

RECORD = "record"
PROVENANCE = "provenance"
REASON = "reason"


@dataclass(frozen=True)
class Block:
    """What one trial measured: a configuration and one row per seed."""

    trial: int
    point: Configuration
    seeds: tuple[int, ...]
    rows: list[dict[str, Any]]
    provenance: dict[str, Any]
    finished: float
    """When, in seconds since the epoch."""


@dataclass(frozen=True)
class Failure:
    """A unit that could not be trained, and why."""

    point: Configuration
    seeds: tuple[int, ...]
    reason: str


class Ledger:
    """An Optuna study on a journal file.

    Parameters
    ----------
    path
        The journal; created if `writable`.
    writable
        Repair the journal first and allow :meth:`record`; for the owner of the folder only.
    """

    def __init__(self, path: Path, study_name: str, writable: bool = False) -> None:
        self.repairs = repair_journal(path) if writable else []
        if not writable and not path.exists():
            raise InvalidSettingError(f"{path} does not exist; nothing was measured here yet")
        try:
            self._storage = JournalStorage(JournalFileBackend(str(path)))
            self.study = optuna.load_study(storage=self._storage, study_name=study_name)
        except ValueError:
            raise InvalidSettingError(
                f"{path} has a damaged record; 'thermometer run' on this folder mends it"
            ) from None
        except KeyError:
            if not writable:
                raise InvalidSettingError(f"{path} holds no study {study_name!r}") from None
            self.study = optuna.create_study(storage=self._storage, study_name=study_name)

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states, in the order of their numbers."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def blocks(self) -> list[Block]:
        """Return everything measured so far."""
        return [_block(trial) for trial in self.trials(TrialState.COMPLETE)]

    def done(self) -> dict[str, set[int]]:
        """Return the finished seeds of every configuration, by its identity."""
        done: dict[str, set[int]] = defaultdict(set)
        for block in self.blocks():
            done[block.point.identity].update(block.seeds)
        return done

    def failures(self) -> list[Failure]:
        """Return the units that failed and were not measured by a later attempt."""
        done = self.done()
        failures: dict[tuple[str, tuple[int, ...]], Failure] = {}
        for trial in self.trials(TrialState.FAIL):
            record = trial.user_attrs.get(RECORD)
            if record is None:
                continue
            point = read_configuration(record["point"])
            left = tuple(s for s in record["seeds"] if s not in done[point.identity])
            if left:
                reason = trial.user_attrs.get(REASON, "unknown")
                failures[point.identity, left] = Failure(point, left, reason)
        return list(failures.values())

    def invalid(self) -> list[str]:
        """Return why each invalid proposal of a sampler was not trained."""
        return [str(t.user_attrs.get(REASON, "")) for t in self.trials(TrialState.PRUNED)]

    def record(
        self,
        unit: Unit,
        rows: list[dict[str, Any]],
        provenance: dict[str, Any],
        objective: str,
        distributions: dict[str, BaseDistribution],
    ) -> None:
        """Store a measured unit as a complete trial: one durable write."""
        record = {"point": unit.point.to_dict(), "seeds": list(unit.seeds), "rows": rows}
        attrs = {RECORD: record, PROVENANCE: provenance}
        self._store(unit, TrialState.COMPLETE, attrs, distributions, _mean(rows, objective))

    def record_failure(
        self, unit: Unit, reason: str, distributions: dict[str, BaseDistribution]
    ) -> None:
        """Store a unit that could not be trained as a failed trial."""
        record = {"point": unit.point.to_dict(), "seeds": list(unit.seeds)}
        self._store(unit, TrialState.FAIL, {RECORD: record, REASON: reason}, distributions, None)

    def _store(
        self,
        unit: Unit,
        state: TrialState,
        attrs: dict[str, Any],
        distributions: dict[str, BaseDistribution],
        value: float | None,
    ) -> None:
        if state is TrialState.COMPLETE and value is None:
            attrs[REASON] = "the objective is not a finite number"
            value = math.inf
        if unit.trial is None:
            settings = unit.point.to_dict()
            self.study.add_trial(
                optuna.trial.create_trial(
                    state=state,
                    value=value,
                    params={name: settings[name] for name in distributions},
                    distributions=distributions,
                    user_attrs=attrs,
                )
            )
            return
        study_id = self._storage.get_study_id_from_name(self.study.study_name)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, unit.trial)
        for key, attr in attrs.items():
            self._storage.set_trial_user_attr(trial_id, key, attr)
        self.study.tell(unit.trial, value, state=state)


def _block(trial: FrozenTrial) -> Block:
    record = trial.user_attrs[RECORD]
    finished = trial.datetime_complete
    return Block(
        trial=trial.number,
        point=read_configuration(record["point"]),
        seeds=tuple(record["seeds"]),
        rows=record["rows"],
        provenance=trial.user_attrs.get(PROVENANCE, {}),
        finished=finished.timestamp() if finished is not None else 0.0,
    )


def _mean(rows: list[dict[str, Any]], objective: str) -> float | None:
    values = [row[objective] for row in rows if row.get(objective) is not None]
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None
