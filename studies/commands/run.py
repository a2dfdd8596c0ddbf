"""``thermometer run``: run a study, or continue it."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import sys
from pathlib import Path
from typing import Any

import click

from search_spaces.choices import InvalidSettingError
from studies.commands.exit_codes import DONE, FAILED, INCOMPLETE, INTERRUPTED
from studies.commands.paths import shown_path, typed_path
from studies.commands.plan import print_plan
from studies.commands.settings import (
    complete_preset,
    complete_setting,
    complete_study,
    one_of,
)
from studies.credentials import redacted_command


@click.command()
@click.argument("study", shell_complete=complete_study)
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_setting)
@click.option("--out", type=click.Path(path_type=Path), help="Folder; runs/STUDY by default.")
@click.option(
    "--preset",
    shell_complete=complete_preset,
    help="Named settings of the study: quick, standard or paper.",
)
@click.option(
    "--executor",
    shell_complete=one_of("ray", "serial"),
    default="ray",
    show_default=True,
    help="ray or serial.",
)
@click.option(
    "--device",
    shell_complete=one_of("cpu", "cuda", "any"),
    default="cpu",
    show_default=True,
    help="cpu, cuda or any.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Local cores; all by default.")
@click.option("--address", help="A running Ray cluster, HOST:PORT.")
@click.option("--ship-code", is_flag=True, help="Send this code to all nodes of the cluster.")
@click.option(
    "--gpus-per-point", type=float, help="GPUs a task occupies, e.g. 0.25; 1 by default."
)
@click.option("--storage", help="Database of the ledger: sqlite:/// or postgresql+psycopg:// URL.")
@click.option(
    "--lease",
    type=click.FloatRange(min=1),
    default=60.0,
    help="Seconds until others take over the work of a dead driver of a shared study.",
)
@click.option("--max-points", type=click.IntRange(min=1), help="Stop after so many trainings.")
@click.option(
    "--max-hours", type=click.FloatRange(min=0, min_open=True), help="Stop after so many hours."
)
@click.option("--memory", help="What a worker may use, e.g. 2GB; 512MB (theory: 4GB) by default.")
@click.option("--tracking-uri", help="MLflow store; the study's own folder by default.")
@click.option("--experiment-name", help="MLflow experiment; the study's name by default.")
@click.option("--no-tracking", is_flag=True, help="Do not log to MLflow.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained, write nothing.")
@click.option("--quiet", is_flag=True, help="No progress and no closing table.")
@click.option("--json", "as_json", is_flag=True, help="Print the closing object as JSON.")
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
    """Run STUDY, or continue it.

    STUDY is a name from `thermometer list` or a YAML file.

    KEY=VALUE overrides a setting: temperature, learning_rate, batch_size, alpha, n_train, width,
    depth, data, model and loss take a value, a list [a, b] or a range "log(low, high)". Running
    the same command again trains only what is missing. `thermometer settings STUDY` lists all.
    """
    from studies.folder import StudyFolder
    from studies.ledger.choice import open_study
    from studies.specs.resolve import parse_override, resolve_spec, study_name_of

    if options["max_hours"] is not None and not math.isfinite(options["max_hours"]):
        raise InvalidSettingError(f"--max-hours {options['max_hours']} is not a number of hours")
    folder = StudyFolder(out or Path("runs") / Path(study).stem)
    overrides = dict(parse_override(text) for text in settings)
    opened = open_study(folder, study_name_of(study), options.pop("storage"))
    spec = resolve_spec(study, overrides, preset, opened.held)

    from studies.study import RunOptions, Study

    instance = Study.resolved(spec, opened)
    command = f"thermometer {redacted_command(sys.argv[1:])}"
    say = functools.partial(click.echo, err=as_json)
    how = RunOptions(tracking=not no_tracking, command=command, say=say, **options)
    if dry_run:
        instance.check(how)
        print_plan(instance, as_json)
        return DONE
    # Ray prints what it has to say of dying nodes to the standard output.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        summary = instance.run(how)
    _print_summary(summary, folder, as_json, options["quiet"])
    if summary.interrupted:
        return INTERRUPTED
    if summary.failed:
        return FAILED
    return DONE if summary.is_complete else INCOMPLETE


def _print_summary(summary: Any, study: Any, as_json: bool, quiet: bool) -> None:
    from studies.commands.closing import closing_object, closing_table

    folder = study.path
    if as_json:
        click.echo(json.dumps(closing_object(summary, study), allow_nan=False))
        return
    if not quiet:
        click.echo("\n".join(closing_table(closing_object(summary, study))))
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
    click.echo(f"report: {shown_path(Path(summary.report)) if summary.report else 'none'}")
    if summary.tracked:
        click.echo(f"compare in MLflow: thermometer ui {typed_path(folder)}")
    else:
        click.echo(
            f"compare in MLflow: not logged; 'thermometer sync {typed_path(folder)}' does it"
        )
