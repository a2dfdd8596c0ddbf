"""``thermometer sync``: upload to MLflow what it lacks of a study."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--tracking-uri", help="MLflow store; the one last logged to by default.")
@click.option("--experiment-name", help="MLflow experiment; the study's name by default.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sync(
    folder: Path,
    tracking_uri: str | None,
    experiment_name: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Upload to MLflow what it lacks of the study in FOLDER, once.

    Works after an outage of the store, for studies run with --no-tracking, for interrupted ones,
    and to a second store. Calling it again uploads nothing.
    """
    from studies.synchronise import synchronise

    done = synchronise(folder, tracking_uri, experiment_name, quiet)
    if as_json:
        summary = {"store": done.uri, "configurations": done.configurations, "result": done.result}
        click.echo(json.dumps(summary))
    elif done.is_nothing:
        click.echo(f"nothing to upload: {done.uri} holds everything")
    else:
        result = " and the study's result" if done.result else ""
        click.echo(f"uploaded {done.configurations} configurations{result} to {done.uri}")
    return 0
