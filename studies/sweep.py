"""A sweep: the trainings that a study lacks, with the one extension of a range without T_c."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from studies import provenance
from studies.execution.driver import Budget, Driver, Listener, Outcome
from studies.execution.interrupt import Interrupt
from studies.execution.phases import STARTING, TRAINING, Phases
from studies.execution.places import start_executor
from studies.execution.progress import Progress
from studies.folder import StudyFolder
from studies.ledger.base import Ledger
from studies.ledger.choice import shared
from studies.plans.extension import propose_extension
from studies.plans.work import missing_work, work_distributions
from studies.results.table import table_rows
from studies.run_options import RunOptions
from studies.specs.spec import StudySpec
from studies.units import Work


@dataclass
class Sweep:
    """What one run of a study trains, while it owns folder and ledger."""

    spec: StudySpec
    """Grows by the extension."""
    folder: StudyFolder
    ledger: Ledger
    backend: str
    options: RunOptions
    phases: Phases
    work: Work = field(init=False)
    """What is missing."""

    def __post_init__(self) -> None:
        self.work = missing_work(self.spec, self.ledger, self.backend)

    def run(self, settled: Listener) -> Outcome:
        """Train what is missing, extend a range that does not bracket T_c, train that."""
        budget = Budget(self.options.max_points, self.options.max_hours)
        outcome = self._train(settled, budget) if self.work else Outcome()
        if self._extend(outcome):
            outcome = outcome.and_then(self._train(settled, budget.without(outcome.trained)))
        if self.ledger.claims is not None:
            self.ledger.refresh()
        return outcome

    def _extend(self, outcome: Outcome) -> bool:
        """Extend ranges that do not bracket T_c, once; return whether there is more to train."""
        spec = self.spec
        if not spec.may_extend or outcome.interrupted or outcome.failed:
            return False
        if missing_work(spec, self.ledger, self.backend):
            return False
        rows = table_rows(self.ledger.blocks())
        extension = propose_extension(spec.space, spec.thresholds[0], rows)
        self.spec = self.ledger.agree(replace(spec, extension=extension))
        self.folder.write(self.folder.spec, self.spec.to_yaml())
        self.work = missing_work(self.spec, self.ledger, self.backend)
        return bool(extension)

    def _train(self, settled: Listener, budget: Budget) -> Outcome:
        spec, ledger, quiet = self.spec, self.ledger, self.options.quiet
        spec.experiment.prepare(spec, self.backend)
        distributions, made_by = work_distributions(spec), provenance.driver(spec.digest)
        done = ledger.n_done
        # How many trainings an adaptive design takes is known only at its end.
        planned = None if spec.is_adaptive else spec.n_trainings()
        with self.phases.phase(STARTING, f"starting {self.options.executor}"):
            executor = start_executor(self.backend, self.options)
        try:
            driver = Driver(ledger, executor, distributions, spec.objective, made_by, settled)
            with (
                self.phases.phase(TRAINING),
                Interrupt() as interrupt,
                Progress(planned, done, quiet) as progress,
            ):
                return driver.run(shared(self.work, ledger), progress, budget, interrupt)
        finally:
            executor.shutdown()
