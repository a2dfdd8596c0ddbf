"""``thermometer run``: run a study, or continue it."""

from __future__ import annotations

import functools
import json
import math
import sys
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from search_spaces.choices import InvalidSettingError
from studies.commands.exit_codes import DONE, FAILED, INCOMPLETE, INTERRUPTED
from studies.commands.paths import shown_path
from studies.credentials import redacted_command


def _complete_study(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from studies.resolve import recipe_names

    return [CompletionItem(name) for name in recipe_names() if name.startswith(incomplete)]


@click.command()
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
@click.option("--memory", help="What one worker's trainings may use, e.g. 2GB; 512MB by default.")
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
    command = f"thermometer {redacted_command(sys.argv[1:])}"
    say = functools.partial(click.echo, err=as_json)
    how = RunOptions(tracking=not no_tracking, command=command, say=say, **options)
    if dry_run:
        instance.check(how)
        _print_plan(instance, as_json)
        return DONE
    summary = instance.run(how)
    _print_summary(summary, folder, as_json, options["quiet"])
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
        click.echo(f"compare in MLflow: thermometer ui {shown_path(folder)}")
    else:
        click.echo("compare in MLflow: not logged; run again without --no-tracking")
