"""The ledger: every finished configuration, with its block of seeds, as an Optuna trial.

The journal file is the only source of truth; table, report and MLflow are made from it. Only
the process that owns the folder writes it.

Each trial is read once, when it is written or when the ledger is opened, so that asking what is
done costs the same whether a hundred or a hundred thousand trainings are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from search_spaces import InvalidSettingError
from studies.contracts import Configuration
from studies.experiments import read_configuration
from studies.ledger.journal_backend import JournalBackend
from studies.ledger.journal_repair import repair_end, repair_records
from studies.specs.spec import StudySpec
from studies.units import Unit

if TYPE_CHECKING:
    from studies.ledger.claims import Claims

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

    claims: Claims | None = None
    """What this driver holds of a study that several may share; None for the only driver."""

    def __init__(self, path: Path, study_name: str, writable: bool = False) -> None:
        if not writable and not path.exists():
            raise InvalidSettingError(f"{path} does not exist; nothing was measured here yet")
        self.repairs = repair_end(path) if writable else []
        self._journal = JournalBackend(path)
        try:
            storage = JournalStorage(self._journal)
        except ValueError:
            if not writable:
                raise InvalidSettingError(
                    f"{path} has a damaged record; 'thermometer run' on this folder mends it"
                ) from None
            self.repairs += repair_records(path)
            storage = JournalStorage(self._journal)
        try:
            study = optuna.load_study(storage=storage, study_name=study_name)
        except KeyError:
            if not writable:
                raise InvalidSettingError(f"{path} holds no study {study_name!r}") from None
            study = optuna.create_study(storage=storage, study_name=study_name)
        self._start(storage, study)

    def _start(self, storage: BaseStorage, study: optuna.Study) -> None:
        self._storage = storage
        self.study = study
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._read: set[int] = set()
        self._blocks: list[Block] = []
        self._failures: list[tuple[int, Failure]] = []
        self._done: dict[str, set[int]] = defaultdict(set)
        self.n_done = 0
        """How many trainings are finished."""
        self.refresh()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store; a journal is open only while it is read or written."""

    def agree(self, spec: StudySpec) -> StudySpec:
        """Return the spec to go by; beside a journal that is the folder's."""
        return spec

    def refresh(self) -> None:
        """Read the trials that finished since the ledger was opened, whoever wrote them.

        The ledger knows what it wrote itself.
        """
        for trial in self.trials(TrialState.COMPLETE, TrialState.FAIL):
            if trial.number not in self._read:
                self._remember(trial)

    def _remember(self, trial: FrozenTrial, point: Configuration | None = None) -> None:
        self._read.add(trial.number)
        if trial.state is TrialState.COMPLETE:
            block = _block(trial, point)
            self._blocks.append(block)
            done = self._done[block.point.identity]
            self.n_done -= len(done)
            done.update(block.seeds)
            self.n_done += len(done)
        elif RECORD in trial.user_attrs:
            self._failures.append((trial.number, _failure(trial)))

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states, in the order of their numbers."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def blocks(self) -> list[Block]:
        """Return everything measured so far, in the order of the trials' numbers."""
        return sorted(self._blocks, key=lambda block: block.trial)

    def blocks_after(self, n_read: int) -> list[Block]:
        """Return what was measured after the first `n_read` blocks, in the order of reading."""
        return self._blocks[n_read:]

    def done(self) -> Mapping[str, Set[int]]:
        """Return the finished seeds of every configuration, by its identity."""
        return self._done

    def failures(self) -> list[Failure]:
        """Return the units that failed and were not measured by a later attempt."""
        failures: dict[tuple[str, tuple[int, ...]], Failure] = {}
        for _, failed in sorted(self._failures, key=lambda item: item[0]):
            identity = failed.point.identity
            done = self._done.get(identity, set())
            left = tuple(seed for seed in failed.seeds if seed not in done)
            if left:
                failures[identity, left] = replace(failed, seeds=left)
        return list(failures.values())

    def invalid(self) -> list[str]:
        """Return why each invalid proposal of a sampler was not trained."""
        return [str(t.user_attrs.get(REASON, "")) for t in self.trials(TrialState.PRUNED)]

    def together(self) -> AbstractContextManager[None]:
        """Make what is recorded in a context durable at its end, in one write."""
        return self._journal.together()

    def ask(
        self,
        sampler: BaseSampler,
        distributions: dict[str, BaseDistribution],
        attrs: dict[str, Any],
    ) -> Trial:
        """Return a new running trial with these user attributes, its parameters sampled."""
        self.study.sampler = sampler
        trial = self.study.ask(fixed_distributions=distributions)
        for key, attr in attrs.items():
            trial.set_user_attr(key, attr)
        return trial

    def close_trial(self, number: int, state: TrialState, reason: str = "") -> None:
        """End a trial that holds no measurement."""
        if reason:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(
                self._study_id, number
            )
            self._storage.set_trial_user_attr(trial_id, REASON, reason)
        self.study.tell(number, state=state)

    def record(
        self,
        unit: Unit,
        rows: list[dict[str, Any]],
        provenance: dict[str, Any],
        objective: str,
        distributions: dict[str, BaseDistribution],
    ) -> None:
        """Store a measured unit as a complete trial.

        It is on the disk when this, or the context of :meth:`together` around it, returns.
        """
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
            finished = optuna.trial.create_trial(
                state=state,
                value=value,
                params={name: settings[name] for name in distributions},
                distributions=distributions,
                user_attrs=attrs,
            )
            trial_id = self._storage.create_new_trial(self._study_id, finished)
        else:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(
                self._study_id, unit.trial
            )
            for key, attr in attrs.items():
                self._storage.set_trial_user_attr(trial_id, key, attr)
            self.study.tell(unit.trial, value, state=state)
        # As it reads back from the storage, so that a reopened ledger holds the same.
        self._remember(self._storage.get_trial(trial_id), unit.point)


def _block(trial: FrozenTrial, point: Configuration | None) -> Block:
    record = trial.user_attrs[RECORD]
    finished = trial.datetime_complete
    return Block(
        trial=trial.number,
        point=point or read_configuration(record["point"]),
        seeds=tuple(record["seeds"]),
        rows=record["rows"],
        provenance=trial.user_attrs.get(PROVENANCE, {}),
        finished=finished.timestamp() if finished is not None else 0.0,
    )


def _failure(trial: FrozenTrial) -> Failure:
    record = trial.user_attrs[RECORD]
    reason = trial.user_attrs.get(REASON, "unknown")
    return Failure(read_configuration(record["point"]), tuple(record["seeds"]), reason)


def _mean(rows: list[dict[str, Any]], objective: str) -> float | None:
    values = [row[objective] for row in rows if row.get(objective) is not None]
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None
