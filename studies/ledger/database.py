"""A ledger in a database, which several drivers may share.

It holds the same trials as a journal. The study's spec is kept beside them, since a driver on
another host has no folder to look into.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from search_spaces import InvalidSettingError
from studies.contracts import Configuration
from studies.ledger.base import RECORD, Ledger
from studies.ledger.claims import LEASE_SECONDS, ClaimLostError, Claims, Key
from studies.ledger.connection import Database, is_outage
from studies.specs.growth import check_growth
from studies.specs.spec import StudySpec
from studies.units import Unit

_SPEC = "spec"
_SINCE = (
    "SELECT trial_id, number, CAST(state AS VARCHAR(20)) FROM trials "
    "WHERE study_id = :study AND (trial_id > :last OR trial_id IN :open) ORDER BY trial_id"
)

_log = logging.getLogger(__name__)


class DatabaseLedger(Ledger):
    """An Optuna study in a database.

    Parameters
    ----------
    writable
        Make the study if it is not there and allow :meth:`record`; for drivers.
    lease
        Seconds after which the claims of a driver that died are taken over.
    """

    def __init__(
        self,
        database: Database,
        study_name: str,
        writable: bool = False,
        lease: float = LEASE_SECONDS,
    ) -> None:
        self.repairs = []
        self._database = database
        self._is_writable = writable
        self._stored: dict[str, BaseDistribution] | None = None
        self._failed: set[Key] = set()
        self._looked_at = -1
        self._unfinished: set[int] = set()
        database.check()
        try:
            self._open(study_name, writable)
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise InvalidSettingError(_sentence(database, error)) from None
        # What failed before is tried again.
        self._failed.clear()
        if writable:
            self.claims = Claims(database, self._backend.engine, self._study_id, lease)
            events = self._backend.scoped_session
            sqlalchemy.event.listen(events, "before_commit", self.claims.before_commit)

    def _open(self, study_name: str, writable: bool) -> None:
        if writable:
            engine = sqlalchemy.create_engine(self._database.url, **self._database.options)
            try:
                with self._database.alone(engine):
                    self._backend = self._database.open(create=True)
                    Claims.create_table(self._backend.engine)
                    optuna.create_study(
                        storage=self._backend, study_name=study_name, load_if_exists=True
                    )
            finally:
                engine.dispose()
        elif self._database.has_studies():
            self._backend = self._database.open(create=False)
        else:
            raise InvalidSettingError(f"{self._database.shown} holds no studies")
        storage = optuna.storages.get_storage(self._backend)
        try:
            study = optuna.load_study(storage=storage, study_name=study_name)
        except KeyError:
            raise InvalidSettingError(
                f"{self._database.shown} holds no study {study_name!r}"
            ) from None
        self._start(storage, study)

    def __enter__(self) -> DatabaseLedger:
        if self.claims is not None:
            self.claims.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self.claims is not None:
            self.claims.__exit__(*error)
        self.close()

    def close(self) -> None:
        """End the connections; asked again, the ledger makes new ones."""
        self._backend.engine.dispose()

    def claim_study(self) -> None:
        """Claim the whole study, for a design that one driver has to carry out."""
        assert self.claims is not None
        self.claims.take_study()

    def held_spec(self) -> dict[str, Any] | None:
        """Return the plain spec that the study was last driven with."""
        held = self.study.user_attrs.get(_SPEC)
        return dict(held) if isinstance(held, dict) else None

    def agree(self, spec: StudySpec) -> StudySpec:
        """Make `spec` the one that the database holds, and return it with what was extended.

        Raises
        ------
        InvalidSettingError
            If the spec that it holds cannot grow into this one.
        """
        return self._database.patiently(lambda: self._agree(spec))

    def _agree(self, spec: StudySpec) -> StudySpec:
        with self._database.alone(self._backend.engine):
            held = self.held_spec()
            if held is not None:
                before = StudySpec.from_plain(held)
                if spec.extension is None:
                    spec = replace(spec, extension=before.extension)
                check_growth(before, spec, f"the study in {self._database.shown}")
            if held != spec.to_plain():
                self.study.set_user_attr(_SPEC, spec.to_plain())
        return spec

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states, in the order of their numbers, whoever made them."""
        if not self._is_writable:
            return super().trials(*states)
        return self._database.patiently(lambda: Ledger.trials(self, *states))

    def refresh(self) -> None:
        """Read the trials that finished since the last look, however many there were before."""
        look = self._finished_since
        finished = self._database.patiently(look) if self._is_writable else look()
        if not self._read:
            # All at once is faster.
            super().refresh()
            return
        for trial_id, number in finished:
            if number not in self._read:
                self._remember(self._trial(trial_id))

    def _finished_since(self) -> list[tuple[int, int]]:
        """Return id and number of trials that were not finished, or not there, at the last look.

        Optuna locks a study while it makes a trial, so that ids become visible in their order.
        """
        query = sqlalchemy.text(_SINCE).bindparams(
            sqlalchemy.bindparam("open", sorted(self._unfinished), expanding=True)
        )
        with self._backend.engine.connect() as connection:
            asked = {"study": self._study_id, "last": self._looked_at}
            rows = [tuple(row) for row in connection.execute(query, asked)]
        self._looked_at = max([self._looked_at, *(row[0] for row in rows)])
        self._unfinished = {row[0] for row in rows if row[2] not in ("COMPLETE", "FAIL", "PRUNED")}
        return [(row[0], row[1]) for row in rows if row[2] in ("COMPLETE", "FAIL")]

    def _trial(self, trial_id: int) -> FrozenTrial:
        if not self._is_writable:
            return self._storage.get_trial(trial_id)
        return self._database.patiently(lambda: self._storage.get_trial(trial_id))

    def is_settled(self, key: Key) -> bool:
        """Whether a replica was measured, or failed since the ledger was opened."""
        point, seed = key
        return seed in self.done().get(point, ()) or key in self._failed

    def ask(
        self,
        sampler: BaseSampler,
        distributions: dict[str, BaseDistribution],
        attrs: dict[str, Any],
    ) -> Trial:
        """Ask for a new trial; one whose asking was cut short by the database is given up."""
        before = len(self.trials())

        def attempt() -> Trial:
            for trial in Ledger.trials(self, TrialState.RUNNING):
                if trial.number >= before:
                    self.study.tell(trial.number, state=TrialState.FAIL)
            return Ledger.ask(self, sampler, distributions, attrs)

        return self._database.patiently(attempt)

    def close_trial(self, number: int, state: TrialState, reason: str = "") -> None:
        """End a trial that holds no measurement."""

        def attempt() -> None:
            if not self._is_finished(number):
                Ledger.close_trial(self, number, state, reason)

        self._database.patiently(attempt)

    def together(self) -> AbstractContextManager[None]:
        """Change nothing: every record is a transaction of its own, which ends its claim."""
        return nullcontext()

    def _remember(self, trial: FrozenTrial, point: Configuration | None = None) -> None:
        super()._remember(trial, point)
        if trial.state is TrialState.FAIL and RECORD in trial.user_attrs:
            _, failed = self._failures[-1]
            self._failed.update((failed.point.identity, seed) for seed in failed.seeds)

    def _store(
        self,
        unit: Unit,
        state: TrialState,
        attrs: dict[str, Any],
        distributions: dict[str, BaseDistribution],
        value: float | None,
    ) -> None:
        if self.claims is None:
            raise RuntimeError("the ledger was opened for reading")
        storable = self._compatible(distributions)
        store = super()._store
        self._once(unit, lambda: store(unit, state, dict(attrs), storable, value))

    def _once(self, unit: Unit, store: Callable[[], None]) -> None:
        """Record a unit once: while the claim is ours, which the record ends."""
        claims = self.claims
        assert claims is not None

        def attempt() -> None:
            if unit.trial is not None and self._is_finished(unit.trial):
                self.refresh()
                return
            with claims.recording(unit):
                store()

        keys = {(unit.point.identity, seed) for seed in unit.seeds}
        while True:
            try:
                return self._database.patiently(attempt)
            except ClaimLostError:
                # Either an earlier attempt was recorded after all, or the lease ran out.
                taken = claims.take(keys)
                self.refresh()
                if taken < keys or all(map(self.is_settled, keys)):
                    claims.release(taken)
                    return None

    def _is_finished(self, number: int) -> bool:
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return self._storage.get_trial(trial_id).state.is_finished()

    def _compatible(self, distributions: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Leave out what Optuna's database refuses: other choices than it already holds."""
        if self._stored is None:
            self._stored = {}
            for trial in self.trials():
                for name, distribution in trial.distributions.items():
                    self._stored.setdefault(name, distribution)
        kept = {}
        for name, distribution in distributions.items():
            try:
                check_distribution_compatibility(
                    self._stored.setdefault(name, distribution), distribution
                )
            except ValueError:
                continue
            kept[name] = distribution
        return kept


def held_spec(database: Database, study_name: str) -> dict[str, Any] | None:
    """Return the plain spec of a study in a database, None if it has not been driven.

    Raises
    ------
    InvalidSettingError
        If the database cannot be used.
    """
    database.check()
    if not database.has_studies():
        return None
    try:
        storage = database.open(create=False)
        held = storage.get_study_user_attrs(storage.get_study_id_from_name(study_name))
        storage.engine.dispose()
    except KeyError:
        return None
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise InvalidSettingError(_sentence(database, error)) from None
    return held.get(_SPEC)


def _sentence(database: Database, error: Exception) -> str:
    cause = error.__cause__ if error.__cause__ is not None else error
    if is_outage(error):
        return f"storage={database.shown} does not answer: {_first_line(cause)}"
    return f"storage={database.shown} cannot hold a study: {_first_line(cause)}"


def _first_line(error: BaseException) -> str:
    lines = str(getattr(error, "orig", None) or error).strip().splitlines() or ["unknown"]
    return " ".join(lines[0].split())
