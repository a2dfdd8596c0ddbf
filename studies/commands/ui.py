"""``thermometer ui``: MLflow's pages on a study's own store."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(folder: Path, port: int) -> int:
    """Serve the MLflow UI of the study in FOLDER on this machine until Ctrl-C."""
    from studies.folder import StudyFolder
    from studies.server import (
        comparison_address,
        free_port,
        mlflow_server,
        redirect,
        runs_address,
    )
    from studies.tracking import configuration_runs
    from studies.tracking_uri import store_uri

    existing = StudyFolder.existing(folder)
    uri = store_uri(existing)
    if uri.startswith("http"):
        click.echo(f"MLflow UI: {uri}")
        click.echo(f"comparison: {comparison_address(uri, *configuration_runs(existing))}")
        return 0
    click.echo("starting the MLflow server ...", err=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with mlflow_server(uri, existing.artifacts, free_port(port)) as (base, process):
        experiment, run_ids = configuration_runs(existing)
        with redirect(comparison_address(base, experiment, run_ids)) as comparison:
            click.echo(f"MLflow UI: {runs_address(base, experiment)}")
            click.echo(f"comparison of the study's {len(run_ids)} configurations: {comparison}")
            click.echo("Ctrl-C stops it", err=True)
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
    return 0
