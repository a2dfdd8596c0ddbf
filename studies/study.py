"""A study: create or reopen its folder, run what is missing, read its table, write its report."""

from __future__ import annotations

import functools
import hashlib
import html
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution

from search_spaces import InvalidSettingError, SearchSpace
from studies import provenance
from studies.adaptive import AdaptiveWork, adaptive_distributions
from studies.driver import Budget, Driver, Outcome
from studies.executors import Executor, RayExecutor, SerialExecutor, check_reachable
from studies.extension import propose_extension
from studies.folder import StudyFolder
from studies.growth import check_growth
from studies.interrupt import Interrupt
from studies.kinds import Result, load_kind
from studies.ledger import Ledger
from studies.memory import allow_memory, bounded_memory, read_memory
from studies.packs import PackQueue, Unit, Work
from studies.plan import trainings_asked_for
from studies.progress import Progress, announce
from studies.records import provenance_rows, table_rows, to_csv
from studies.run_options import RunOptions, RunSummary
from studies.samplers import (
    AskedWork,
    check_sampler,
    planned_distributions,
)
from studies.spec import StudySpec
from studies.tracking import (
    ConfigurationFeed,
    MlflowTracker,
    NullTracker,
    absolute_uri,
    check_local_store,
    check_tracking_uri,
    local_uri,
    without_password,
)
from studies.windows import with_measured_windows
from studies.worker import Task, device_argument, limited, run_pack

__all__ = ["EXECUTORS", "RunOptions", "RunSummary", "Study"]

EXECUTORS = ("ray", "serial")


class Study:
    """A named, resumable collection of points in one folder.

    Parameters
    ----------
    name
        Name of the study.
    space
        What to scan, or a complete :class:`studies.spec.StudySpec`.
    folder
        Where it lives; ``runs/NAME`` by default.

    Raises
    ------
    InvalidSettingError
        If the folder holds another study, or one that cannot grow into this one.
    """

    def __init__(
        self, name: str, space: SearchSpace | StudySpec, folder: str | Path | None = None
    ) -> None:
        if isinstance(space, SearchSpace):
            space = StudySpec.from_plain({"study": name, **space.to_plain()})
        self.spec = space
        self.folder = StudyFolder(folder or Path("runs") / name)
        held = self.folder.held_spec()
        if held is not None:
            before = StudySpec.from_plain(held)
            if before.study != self.spec.study:
                raise InvalidSettingError(
                    f"{self.folder.path} holds the study {before.study!r}, not {name!r}"
                )
            if self.spec.extension is None:
                self.spec = replace(self.spec, extension=before.extension)
            check_growth(before, self.spec)

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """Return the study that a folder holds."""
        existing = StudyFolder.existing(folder)
        spec = existing.read_spec()
        return cls(spec.study, spec, existing.path)

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
        backend = self.check(options)
        self.spec = replace(self.spec, backend=backend)
        self.folder.create()
        with self.folder.owned():
            self.folder.write(self.folder.spec, self.spec.to_yaml())
            ledger = Ledger(self.folder.ledger, self.spec.study, writable=True)
            for repair in ledger.repairs:
                options.say(f"repaired the ledger: {repair}")
            work = self._work(ledger, backend)
            if not work and self._is_current(ledger, options):
                return self._nothing_to_do(ledger, options)
            return self._run(ledger, work, backend, options)

    def report(self) -> Path:
        """Analyse the table again and rewrite report, tables and figures."""
        ledger = Ledger(self.folder.ledger, self.spec.study)
        command = str(self.folder.read_state().get("command", ""))
        return self._write_report(self.analyse(), ledger, command)

    def check(self, options: RunOptions) -> str:
        """Refuse what cannot work, before anything is written; return the backend.

        Raises
        ------
        InvalidSettingError
            Saying what cannot work here.
        """
        memory = None if options.memory is None else read_memory(options.memory)
        allow_memory(memory)
        if self.spec.lacks_window:
            self.spec = with_measured_windows(self.spec, options.device, options.say)
        if not (self.spec.is_planned or self.spec.is_adaptive):
            check_sampler(self.spec)
        where = device_argument(self.spec.experiment, options.device)
        with bounded_memory(memory):
            backend = self.spec.experiment.check(self.spec, **where)
        if options.executor not in EXECUTORS:
            raise InvalidSettingError(
                f"executor={options.executor!r} is unknown; allowed: {', '.join(EXECUTORS)}"
            )
        if options.address is not None:
            check_reachable(options.address)
        if options.tracking and options.tracking_uri is not None:
            check_tracking_uri(options.tracking_uri)
        elif options.tracking:
            check_local_store(self.folder)
        self.folder.check_writable()
        return backend

    def _work(self, ledger: Ledger, backend: str) -> Work:
        if self.spec.is_adaptive:
            return AdaptiveWork(self.spec, ledger)
        if not self.spec.is_planned:
            return AskedWork(self.spec, ledger)
        done = ledger.done()
        missing = (
            (point, [seed for seed in seeds if seed not in done.get(point.identity, ())])
            for point, seeds in self.spec.planned()
        )
        return PackQueue(missing, getattr(self.spec.experiment, "TOGETHER", {}).get(backend, 1))

    def _run(self, ledger: Ledger, work: Work, backend: str, options: RunOptions) -> RunSummary:
        tracker = self._tracker(options)
        n_seeds = 1 if self.spec.is_adaptive else self.spec.space.n_seeds
        feed = ConfigurationFeed(self._seeds_by_point(), n_seeds, tracker)
        for block in ledger.blocks():
            feed.add(Unit(block.point, block.seeds), block.rows)
        outcome, budget = Outcome(), Budget(options.max_points, options.max_hours)
        if work:
            outcome = self._train(ledger, work, backend, options, feed, budget)
        if self._extend(ledger, outcome, backend):
            work, left = self._work(ledger, backend), budget.without(outcome.trained)
            more = self._train(ledger, work, backend, options, feed, left)
            outcome = outcome.and_then(more)
        blocks = ledger.blocks()
        self.folder.write(self.folder.table, to_csv(table_rows(blocks)))
        self.folder.write(self.folder.provenance, to_csv(provenance_rows(blocks)))
        if outcome.interrupted or not blocks:
            tracker.close()
            reason = "the run was interrupted" if outcome.interrupted else "nothing was measured"
            return self._summary(ledger, outcome, f"no law: {reason}", None)
        announce("writing the report", options.quiet)
        result = self.analyse()
        report = self._write_report(result, ledger, options.command)
        estimates = result.to_dict()["estimates"]
        ids = tracker.finish(estimates, _note(self.spec, result), self._artifacts())
        self._write_state(ids, options, result.headline())
        return self._summary(ledger, outcome, result.headline(), report)

    def _extend(self, ledger: Ledger, outcome: Outcome, backend: str) -> bool:
        """Extend ranges that do not bracket T_c, once; return whether there is more to train."""
        spec = self.spec
        unfinished = outcome.interrupted or outcome.failed
        if not spec.may_extend or unfinished or self._work(ledger, backend):
            return False
        rows = table_rows(ledger.blocks())
        extension = propose_extension(spec.space, spec.thresholds[0], rows)
        self.spec = replace(spec, extension=extension)
        self.folder.write(self.folder.spec, self.spec.to_yaml())
        return bool(extension)

    def _train(
        self,
        ledger: Ledger,
        work: Work,
        backend: str,
        options: RunOptions,
        feed: ConfigurationFeed,
        budget: Budget,
    ) -> Outcome:
        self.spec.experiment.prepare(self.spec, backend)
        distributions = self._distributions()
        done = sum(len(block.seeds) for block in ledger.blocks())
        # How many trainings an adaptive design takes is known only at its end.
        planned = None if self.spec.is_adaptive else self.spec.n_trainings()
        objective, commit = self.spec.objective, provenance.commit()
        announce(f"starting {options.executor}", options.quiet)
        executor = _executor(backend, options)
        try:
            driver = Driver(ledger, executor, distributions, objective, commit, feed.add)
            with (
                Interrupt() as interrupt,
                Progress(planned, done, options.quiet) as progress,
            ):
                return driver.run(work, progress, budget, interrupt)
        finally:
            executor.shutdown()

    def _distributions(self) -> dict[str, BaseDistribution]:
        if self.spec.is_adaptive:
            return adaptive_distributions(self.spec)
        if self.spec.is_planned:
            return planned_distributions(self.spec.points())
        return {}  # every trial asked for has its own

    def _seeds_by_point(self) -> dict[str, int]:
        """Return how many replicas make each planned configuration complete."""
        if not self.spec.is_planned:
            return {}
        return {point.identity: len(seeds) for point, seeds in self.spec.planned()}

    def _tracker(self, options: RunOptions) -> MlflowTracker | NullTracker:
        if not options.tracking:
            return NullTracker()
        plain = self.spec.to_plain()
        settings = {key: value for key, value in plain.items() if value is not None}
        uri, name = options.tracking_uri, options.experiment_name
        return MlflowTracker(self.folder, self.spec.study, settings, uri, name)

    def analyse(self) -> Result:
        """Return what the study's kind makes of its table, e.g. the scaling laws."""
        return load_kind(self.spec.kind).analyse(self.table(), self.spec)

    def _write_report(self, result: Result, ledger: Ledger, command: str) -> Path:
        # Drawing takes a second to import, which a run with nothing to train need not pay.
        from analysis.report import write_report
        from studies.context import report_context

        context = report_context(self.spec, ledger, command)
        content = load_kind(self.spec.kind).content(result, context)
        return write_report(content, self.folder.path, context)

    def _artifacts(self) -> list[Path]:
        names = (
            "report.html",
            "report.json",
            "references.bib",
            "table.csv",
            "spec.yaml",
            "figures",
        )
        tables = load_kind(self.spec.kind).TABLES
        return [self.folder.path / name for name in (*names, *tables)]

    def _is_tracked(self, options: RunOptions) -> bool:
        """Whether the MLflow store that is asked for holds the result."""
        if not options.tracking:
            return True
        uri = self.folder.read_state().get("mlflow", {}).get("uri")
        if options.tracking_uri is not None:
            return bool(uri == without_password(absolute_uri(options.tracking_uri)))
        return uri is not None and (
            uri != local_uri(self.folder) or self.folder.mlflow_db.exists()
        )

    def _fingerprint(self, table: str) -> str:
        return hashlib.sha256(f"{self.spec.digest}\n{table}".encode()).hexdigest()

    def _is_current(self, ledger: Ledger, options: RunOptions) -> bool:
        """Whether report and MLflow already show everything that is in the ledger."""
        state = self.folder.read_state()
        table = to_csv(table_rows(ledger.blocks()))
        return (
            state.get("fingerprint") == self._fingerprint(table)
            and self._is_tracked(options)
            and all(path.exists() for path in self._artifacts())
            and self.folder.table.read_text(encoding="utf-8") == table
        )

    def _write_state(self, ids: Mapping[str, str], options: RunOptions, headline: str) -> None:
        held = self.folder.read_state().get("mlflow", {})
        state = {
            "fingerprint": self._fingerprint(self.folder.table.read_text(encoding="utf-8")),
            "headline": headline,
            "command": options.command,
            "mlflow": dict(ids) if options.tracking else held,
            "written": time.time(),
        }
        self.folder.write(self.folder.state, json.dumps(state, indent=1) + "\n")

    def _nothing_to_do(self, ledger: Ledger, options: RunOptions) -> RunSummary:
        summary = self._summary(
            ledger,
            Outcome(),
            self.folder.read_state().get("headline", ""),
            self.folder.report,
        )
        options.say(
            f"nothing to train: all {summary.done} trainings are in {self.folder.path} already"
        )
        return summary

    def _summary(
        self, ledger: Ledger, outcome: Outcome, headline: str, report: Path | None
    ) -> RunSummary:
        return RunSummary(
            planned=trainings_asked_for(self.spec, ledger),
            invalid=len(ledger.invalid()),
            done=sum(len(seeds) for seeds in ledger.done().values()),
            trained=outcome.trained,
            failed=sum(len(failure.seeds) for failure in ledger.failures()),
            interrupted=outcome.interrupted,
            headline=headline,
            report=str(report) if report is not None else None,
            tracked=bool(self.folder.read_state().get("mlflow")),
        )


def _executor(backend: str, options: RunOptions) -> Executor:
    memory = None if options.memory is None else read_memory(options.memory)
    task: Task = limited(run_pack, memory)
    if options.device != "cpu":
        task = functools.partial(task, device=options.device)
    if options.executor == "serial":
        return SerialExecutor(backend, task)
    gpus = 0 if options.device == "cpu" else 1
    return RayExecutor(backend, task, options.workers, options.address, gpus)


def _note(spec: StudySpec, result: Result) -> str:
    # MLflow reads a note as Markdown, in which HTML would be HTML.
    title, headline = (
        html.escape(text, quote=False)
        for text in (spec.texts.get("title", spec.study), result.headline())
    )
    return f"**{title}**\n\n{headline}\n\n```\n{result.summary()}\n```\n"
