"""``thermometer ui``: MLflow's pages on a study's own store."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
@click.option("--tracking-uri", help="MLflow store, if its password is not stored.")
def ui(folder: Path, port: int, tracking_uri: str | None) -> int:
    """Serve the MLflow UI of the study in FOLDER.

    It serves until Ctrl-C. Only programs of this machine can reach it; from another one use an
    SSH tunnel.
    """
    from studies.folder import StudyFolder
    from studies.tracking.feed import configuration_runs
    from studies.tracking.server import (
        comparison_address,
        free_port,
        mlflow_server,
        redirect,
        runs_address,
    )
    from studies.tracking.uri import absolute_uri, store_uri, web_address, with_password

    existing = StudyFolder.existing(folder)
    stored = store_uri(existing)
    address = web_address(stored)
    if address is not None:
        click.echo(f"MLflow UI: {address}")
        click.echo(f"comparison: {comparison_address(address, *configuration_runs(existing))}")
        return 0
    uri = with_password(stored, None if tracking_uri is None else absolute_uri(tracking_uri))
    click.echo("starting the MLflow server ...", err=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with mlflow_server(uri, existing.artifacts, free_port(port)) as (base, process):
        experiment, run_ids = configuration_runs(existing, uri)
        with redirect(comparison_address(base, experiment, run_ids)) as comparison:
            click.echo(f"MLflow UI: {runs_address(base, experiment)}")
            click.echo(f"comparison of the study's {len(run_ids)} configurations: {comparison}")
            click.echo("Ctrl-C stops it", err=True)
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
    return 0
