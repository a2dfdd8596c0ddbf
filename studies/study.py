"""A study: create or reopen its folder, run what is missing, read its table, write its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from search_spaces import InvalidSettingError, SearchSpace
from studies.contracts import Result
from studies.execution.driver import Outcome
from studies.execution.phases import ANALYSIS, REPORT, TRACKING, Phases
from studies.execution.places import EXECUTORS, check_places, pilot_device
from studies.folder import StudyFolder
from studies.kinds import KINDS
from studies.ledger.base import Ledger
from studies.ledger.choice import Opened, open_study
from studies.memory import allow_memory, bounded_memory, read_memory
from studies.plans.samplers import check_sampler
from studies.results.state import is_current, write_state
from studies.results.summary import run_summary, study_result
from studies.results.table import provenance_rows, table_rows, to_csv
from studies.run_options import RunOptions, RunSummary
from studies.specs.growth import check_growth
from studies.specs.measured_windows import with_measured_windows
from studies.specs.spec import StudySpec
from studies.sweep import Sweep
from studies.tracking.feed import ConfigurationFeed
from studies.tracking.tracker import MlflowTracker, NullTracker, start_tracker
from studies.tracking.uri import check_store

__all__ = ["EXECUTORS", "RunOptions", "RunSummary", "Study"]


class Study:
    """A named, resumable collection of points in one folder.

    Parameters
    ----------
    name
        Name of the study.
    space
        What to scan, or a complete :class:`studies.specs.spec.StudySpec`.
    folder
        Where it lives; ``runs/NAME`` by default.
    storage
        URL of a database that holds the ledger, ``postgresql+psycopg://USER@HOST/DATABASE`` or
        ``sqlite:///FILE``; the journal in the folder, or what the folder says, by default.

    Raises
    ------
    InvalidSettingError
        If the folder holds another study, or one that cannot grow into this one.
    """

    def __init__(
        self,
        name: str,
        space: SearchSpace | StudySpec,
        folder: str | Path | None = None,
        storage: str | None = None,
    ) -> None:
        if isinstance(space, SearchSpace):
            space = StudySpec.from_plain({"study": name, **space.to_plain()})
        opened = open_study(StudyFolder(folder or Path("runs") / name), space.study, storage)
        held = opened.held
        # To plan a large study takes seconds; most often nothing has changed.
        if held is not None and held != space.to_plain():
            before = StudySpec.from_plain(held)
            if before.study != space.study:
                raise InvalidSettingError(
                    f"{opened.folder.path} holds the study {before.study!r}, not {name!r}"
                )
            if space.extension is None:
                space = replace(space, extension=before.extension)
            check_growth(before, space, opened.place)
        self._begin(space, opened)

    def _begin(self, spec: StudySpec, opened: Opened) -> None:
        self.spec = spec
        self.folder = opened.folder
        self._opened = opened
        self._phases = Phases(quiet=True)

    @classmethod
    def resolved(cls, spec: StudySpec, opened: Opened) -> Study:
        """Return the study of a spec that what was opened is known to grow into."""
        study = cls.__new__(cls)
        study._begin(spec, opened)
        return study

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """Return the study that a folder holds."""
        existing = StudyFolder.existing(folder)
        spec = existing.read_spec()
        opened = open_study(existing, spec.study)
        if opened.held not in (None, spec.to_plain()):
            spec = StudySpec.from_plain(opened.held or {})
        return cls.resolved(spec, opened)

    def table(self) -> Any:
        """Return what was measured so far: for trainings an `analysis.MeasurementTable`."""
        return self.spec.experiment.read_table(self.folder.table)

    def run(self, options: RunOptions | None = None) -> RunSummary:
        """Train what is missing, then write table, report and MLflow runs.

        Raises
        ------
        InvalidSettingError
            Before anything is written, if the settings cannot be run here.
        LockFolderError
            If another driver owns the folder.
        """
        options = options or RunOptions()
        self._phases = Phases(options.quiet)
        backend = self.check(options)
        self.spec = replace(self.spec, backend=backend)
        with self._driven(options) as ledger:
            for repair in ledger.repairs:
                options.say(f"repaired the ledger: {repair}")
            sweep = Sweep(self.spec, self.folder, ledger, backend, options, self._phases)
            if not sweep.work and self._shows_all_of(ledger, options):
                headline = self.folder.read_state().get("headline", "")
                done = f"all {ledger.n_done} trainings are in {self.folder.path} already"
                options.say(f"nothing to train: {done}")
                return self._summary(ledger, Outcome(), headline, self.folder.report)
            return self._run(sweep)

    @contextmanager
    def _driven(self, options: RunOptions) -> Iterator[Ledger]:
        """Hold the folder and its ledger against other drivers."""
        self.folder.create()
        with self.folder.owned():
            ledger, self.spec = self._opened.drive(self.spec, options.lease)
            with ledger:
                yield ledger

    def ledger(self) -> Ledger:
        """Return the ledger, for reading."""
        return self._opened.read(self.spec.study)

    def report(self) -> Path:
        """Analyse the table again and rewrite report, tables and figures."""
        return self.write_report(self.analyse(), self.ledger())

    def check(self, options: RunOptions) -> str:
        """Refuse what cannot work, before anything is written; return the backend.

        Raises
        ------
        InvalidSettingError
            Saying what cannot work here.
        """
        self._opened = self._opened.elsewhere(options.storage)
        if self._opened.database is not None:
            self._opened.database.check()
        memory = None if options.memory is None else read_memory(options.memory)
        allow_memory(memory)
        if self.spec.lacks_window:
            self.spec = with_measured_windows(self.spec, pilot_device(options), options.say)
        if not (self.spec.is_planned or self.spec.is_adaptive):
            check_sampler(self.spec)
        with bounded_memory(memory):
            backend = check_places(self.spec, options)
        if options.tracking:
            check_store(self.folder, options.tracking_uri)
        self.folder.check_writable()
        return backend

    def _run(self, sweep: Sweep) -> RunSummary:
        tracker = start_tracker(self.folder, self.spec, sweep.options)
        try:
            return self._run_tracked(sweep, tracker)
        except BaseException:
            # MLflow's run does not stay open because this process ends.
            tracker.close()
            raise

    def _run_tracked(self, sweep: Sweep, tracker: MlflowTracker | NullTracker) -> RunSummary:
        ledger, options = sweep.ledger, sweep.options
        feed = ConfigurationFeed.of(self.spec, ledger, tracker)
        outcome = sweep.run(feed.add)
        self.spec = sweep.spec
        blocks = ledger.blocks()
        self.folder.write(self.folder.table, to_csv(table_rows(blocks)))
        self.folder.write(self.folder.provenance, to_csv(provenance_rows(blocks)))
        if outcome.interrupted or not blocks:
            tracker.close()
            reason = "the run was interrupted" if outcome.interrupted else "nothing was measured"
            return self._summary(ledger, outcome, f"no law: {reason}", None)
        with self._phases.phase(ANALYSIS, "analysing"):
            result = self.analyse()
        with self._phases.phase(TRACKING, "logging to MLflow" if options.tracking else ""):
            ids = tracker.settle()
        with self._phases.phase(REPORT, "writing the report"):
            report = self.write_report(result, ledger, options.command, ids)
        with self._phases.phase(TRACKING, tracker.waiting):
            shown = study_result(self.spec, self.folder, ledger, result, ids)
            ids = tracker.finish(shown)
        kept = ids if options.tracking else None
        write_state(self.folder, self.spec, result.headline(), options.command, kept)
        return self._summary(ledger, outcome, result.headline(), report)

    def analyse(self) -> Result:
        """Return what the study's kind makes of its table, e.g. the scaling laws."""
        return KINDS.load(self.spec.kind).analyse(self.table(), self.spec)

    def write_report(
        self,
        result: Result,
        ledger: Ledger,
        command: str = "",
        ids: Mapping[str, str] | None = None,
    ) -> Path:
        """Write report, tables and figures; command and MLflow's ids as known by default."""
        # Drawing takes a second to import, which a run with nothing to train need not pay.
        from analysis.report.page import write_report
        from studies.results.context import report_context

        state = self.folder.read_state()
        known = state.get("mlflow", {}) if ids is None else ids
        command = command or str(state.get("command", ""))
        context = report_context(self.spec, ledger, command, known)
        content = KINDS.load(self.spec.kind).content(result, context)
        return write_report(content, self.folder.path, context)

    def _shows_all_of(self, ledger: Ledger, options: RunOptions) -> bool:
        """Whether report and MLflow already show everything that is in the ledger."""
        table = to_csv(table_rows(ledger.blocks()))
        return is_current(self.folder, self.spec, table, options)

    def _summary(
        self, ledger: Ledger, outcome: Outcome, headline: str, report: Path | None
    ) -> RunSummary:
        seconds = self._phases.seconds
        return run_summary(self.spec, self.folder, ledger, seconds, outcome, headline, report)
