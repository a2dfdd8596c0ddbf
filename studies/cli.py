"""The command line: ``thermometer``, whose commands ``--help`` lists.

Exit codes: 0 done (diverged and censored runs are results), 1 a replay differs, 2 usage,
3 incomplete, 4 some points failed, 5 folder in use, 130 interrupted. Heavy packages load inside
the commands that need them: ``--help`` answers at once, and ``fit`` and ``report`` on a table
load no torch, Ray or MLflow.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from search_spaces.choices import InvalidSettingError, check_name, nearest
from studies.commands.cite import cite
from studies.commands.listing import list_studies
from studies.commands.replay import replay
from studies.commands.ui import ui

DONE, USAGE, INCOMPLETE, FAILED, INTERRUPTED = 0, 2, 3, 4, 130


class _StoppedError(Exception):
    """Ctrl-C, as a sentence."""

    exit_code = INTERRUPTED

    def __str__(self) -> str:
        return "stopped; what was finished is saved"


class _Commands(click.Group):
    """A group that names the nearest command for a mistyped one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["run", "status", "show", "fit", "report", "replay", "ui", "cite", "list"]

    def invoke(self, ctx: click.Context) -> Any:
        # click itself would print an empty line before its Abort.
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _StoppedError from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None:
            hint = nearest(cmd_name, self.commands)
            allowed = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"no command {cmd_name!r}; there are {allowed}{hint}")
        return command


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 99,
        # click itself leaves colours out of pipes only.
        "color": False if os.environ.get("NO_COLOR") else None,
    },
)
@click.version_option(package_name="sgd-thermometer", prog_name="thermometer")
def cli() -> None:
    """Measure the noise of stochastic gradient descent."""
    logging.basicConfig(level=logging.WARNING, format="thermometer: %(message)s")


def _complete_study(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from studies.resolve import recipe_names

    return [CompletionItem(name) for name in recipe_names() if name.startswith(incomplete)]


@cli.command()
@click.argument("study", shell_complete=_complete_study)
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; runs/STUDY by default.")
@click.option("--preset", help="Named settings of the study: quick, standard or paper.")
@click.option("--executor", default="ray", show_default=True, help="ray or serial.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--workers", type=click.IntRange(min=1), help="Local cores; all by default.")
@click.option("--address", help="A running Ray cluster, HOST:PORT.")
@click.option("--max-points", type=click.IntRange(min=1), help="Stop after so many trainings.")
@click.option("--max-hours", type=click.FloatRange(min=0, min_open=True), help="Stop after.")
@click.option(
    "--memory",
    help="What a worker may use, e.g. 2GB; 512MB by default (theory: 4GB).",
)
@click.option("--tracking-uri", help="MLflow store; the study's own folder by default.")
@click.option("--experiment-name", help="MLflow experiment; the study's name by default.")
@click.option("--no-tracking", is_flag=True, help="Do not log to MLflow.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained, write nothing.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run(
    study: str,
    settings: tuple[str, ...],
    out: Path | None,
    preset: str | None,
    dry_run: bool,
    no_tracking: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Run STUDY, or continue it; STUDY is a name from `thermometer list` or a YAML file.

    KEY=VALUE overrides a setting: temperature, learning_rate, batch_size, alpha, n_train, width,
    depth, data, model and loss take a value, a list [a, b] or a range "log(low, high)". Running
    the same command again trains only what is missing.
    """
    from studies.folder import StudyFolder
    from studies.resolve import parse_override, resolve_spec

    if options["max_hours"] is not None and not math.isfinite(options["max_hours"]):
        raise InvalidSettingError(f"--max-hours {options['max_hours']} is not a number of hours")
    folder = StudyFolder(out or Path("runs") / Path(study).stem)
    overrides = dict(parse_override(text) for text in settings)
    spec = resolve_spec(study, overrides, preset, folder.held_spec())

    from studies.study import RunOptions, Study

    instance = Study(spec.study, spec, folder.path)
    command = f"thermometer {shlex.join(sys.argv[1:])}"
    say = functools.partial(click.echo, err=as_json)
    how = RunOptions(tracking=not no_tracking, command=command, say=say, **options)
    if dry_run:
        instance.check(how)
        _print_plan(instance, as_json)
        return DONE
    summary = instance.run(how)
    _print_summary(summary, folder.path, as_json)
    if summary.interrupted:
        return INTERRUPTED
    if summary.failed:
        return FAILED
    return DONE if summary.is_complete else INCOMPLETE


def _print_plan(study: Any, as_json: bool) -> None:
    spec = study.spec
    if as_json:
        plan = {"planned": spec.n_trainings(), "n_seeds": spec.space.n_seeds}
        click.echo(json.dumps({**plan, "folder": str(study.folder.path)}))
        return
    if spec.is_adaptive:
        click.echo(
            f"{spec.n_curves()} curves, at most {spec.space.n_seeds} trainings each until ln T_c "
            f"is known to {spec.tolerance:g}, in {study.folder.path}"
        )
        return
    per = "planned" if spec.is_planned else f"to ask of {spec.sampler}"
    counts = {len(seeds) for _, seeds in spec.planned()} if spec.is_planned else set()
    low, high = (min(counts), max(counts)) if counts else (spec.space.n_seeds,) * 2
    seeds = f"{low} seeds each" if low == high else f"{low} to {high} seeds each"
    n_points = len(spec.points()) if spec.is_planned else spec.n_trials * len(spec.searches())
    click.echo(
        f"{n_points} configurations {per}, {seeds}: "
        f"{spec.n_trainings()} trainings in {study.folder.path}"
    )


def _print_summary(summary: Any, folder: Path, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps({**asdict(summary), "complete": summary.is_complete}))
        return
    if summary.invalid:
        click.echo(f"{summary.invalid} proposals of the sampler were invalid, such as B > P")
    if summary.failed:
        click.echo(f"{summary.failed} trainings failed; 'thermometer status {folder}' says why")
    if summary.interrupted:
        click.echo(
            f"interrupted: {summary.done} of {summary.planned} trainings are saved in {folder}; "
            "the same command continues"
        )
        return
    if not summary.is_complete:
        click.echo(f"incomplete: {summary.done} of {summary.planned} trainings are done")
    click.echo(summary.headline)
    click.echo(f"report: {_relative(Path(summary.report)) if summary.report else 'none'}")
    if summary.tracked:
        click.echo(f"compare in MLflow: thermometer ui {_relative(folder)}")
    else:
        click.echo("compare in MLflow: not logged; run again without --no-tracking")


def _relative(path: Path) -> str:
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(folder: Path, as_json: bool) -> int:
    """Say how far the study in FOLDER is; works while it runs."""
    from studies.status import failure_reasons, read_status

    now = read_status(folder)
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps({**asdict(now), "done": now.done, "complete": now.is_complete}))
    else:
        state = f"driven by {now.driver}" if now.driver else "not running"
        click.echo(f"{now.study}: {now.done} of {now.planned} trainings done, {state}")
        for reason, count in now.counts.items():
            click.echo(f"  {reason:12s} {count:7d}")
        if now.failed:
            click.echo(f"  {'failed':12s} {now.failed:7d}")
            for reason in failure_reasons(folder):
                click.echo(f"    {reason}")
        if now.eta_seconds is not None:
            click.echo(f"  about {now.eta_seconds:.0f} s left")
    if now.failed:
        return FAILED
    return DONE if now.is_complete else INCOMPLETE


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
@click.option("--where", multiple=True, help="Condition such as 'n_train==256'; repeat for and.")
def show(folder: Path, form: str, where: tuple[str, ...]) -> int:
    """Print the configurations measured in FOLDER, averaged over seeds."""
    from studies.view import configuration_frame

    frame = configuration_frame(folder, where)
    if form == "csv":
        click.echo(frame.to_csv(index=False), nl=False)
    elif form == "json":
        click.echo(frame.to_json(orient="records"))
    else:
        click.echo(frame.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    return DONE


def _analyse(source: Path, quantity: str | None, threshold: str | None) -> tuple[Any, Any]:
    """Return the kind of analysis of a CSV file or of a study's folder, and its result."""
    from studies.experiments import load_experiment
    from studies.kinds import KINDS, load_kind
    from studies.recognition import kind_of_table
    from studies.spec import read_thresholds

    table, spec = source, None
    if source.is_dir():
        from studies.folder import StudyFolder

        folder = StudyFolder.existing(source)
        table, spec = folder.table, folder.read_spec()
        if not table.exists():
            raise InvalidSettingError(f"{source} has no table.csv yet; run the study first")
    if quantity is not None:
        check_name("--quantity", quantity, KINDS)
    kind = load_kind(quantity or (kind_of_table(table) if spec is None else spec.kind))
    asked = None if threshold is None else read_thresholds(threshold.split(","))
    rows = load_experiment(kind.EXPERIMENT).read_table(table)
    return kind, kind.analyse(rows, spec, asked)


_QUANTITY = click.option(
    "--quantity", help="Kind of study; a folder's own, or told by a table's columns."
)
_THRESHOLD = click.option(
    "--threshold", help="Weight changes c of T_lazy(c), headline first: 0.1,0.05."
)


@cli.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|TABLE.csv")
@_QUANTITY
@_THRESHOLD
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fit(source: Path, quantity: str | None, threshold: str | None, as_json: bool) -> int:
    """Fit the laws of a study, or of a plain table that a study measured."""
    _, result = _analyse(source, quantity, threshold)
    if as_json:
        click.echo(json.dumps(result.to_dict(), allow_nan=False))
    else:
        click.echo(result.summary())
    return DONE


@cli.command()
@click.argument(
    "sources",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER|TABLE.csv...",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the report; FOLDER itself, TABLE-report, or for several: comparison.",
)
@_QUANTITY
@_THRESHOLD
def report(
    sources: tuple[Path, ...], output: Path | None, quantity: str | None, threshold: str | None
) -> int:
    """Write the report of a study, or of a plain table that any of the studies measured.

    With several, compare them: their T_c(P) on shared axes, their exponents with pulls.
    """
    command = f"thermometer {shlex.join(sys.argv[1:])}"
    if len(sources) > 1:
        from studies.commands.comparison import study_names, write_comparison

        names = study_names(sources)
        results = (_analyse(source, quantity, threshold)[1] for source in sources)
        compared = dict(zip(names, results, strict=True))
        click.echo(_relative(write_comparison(compared, output or Path("comparison"), command)))
        return DONE
    (source,) = sources
    if source.is_dir() and output is None and quantity is None and threshold is None:
        from studies.study import Study

        click.echo(_relative(Study.open(source).report()))
        return DONE
    from analysis.report import ReportContext, write_report

    kind, result = _analyse(source, quantity, threshold)
    folder = output or source.with_name(f"{source.stem}-report")
    context = ReportContext(study=source.stem, command=command)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        click.echo(_relative(write_report(kind.content(result, context), folder, context)))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidSettingError(f"cannot write to {folder}: {reason}") from None
    return DONE


for _command in (cite, list_studies, replay, ui):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; errors are one sentence, never a traceback."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(args=arguments, prog_name="thermometer", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE
    except click.ClickException as error:
        return _complain(" ".join(error.format_message().split()), USAGE)
    except (KeyboardInterrupt, click.Abort):
        return _complain(str(_StoppedError()), INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except OSError as error:
        return _complain(" ".join(str(error).split()), USAGE)
    except Exception as error:
        # Only errors whose message is a sentence for the user; anything else is our own fault.
        if not hasattr(error, "exit_code") and not _is_users(error):
            raise
        return _complain(str(error), getattr(error, "exit_code", USAGE))
    return int(code or 0)


def _is_users(error: Exception) -> bool:
    """Whether the message of an error is a sentence meant for the user."""
    from analysis import ReadTableError

    return isinstance(error, InvalidSettingError | ReadTableError)


def _complain(message: str, code: int) -> int:
    click.echo(f"thermometer: {message}", err=True)
    return code
