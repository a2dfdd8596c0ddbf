"""``thermometer status``: how far a study is."""

from __future__ import annotations

import json
from pathlib import Path

import click

from studies.commands.exit_codes import DONE, FAILED, INCOMPLETE


@click.command()
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
