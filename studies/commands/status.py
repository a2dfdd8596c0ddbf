"""``thermometer status``: how far a study is, also from another terminal while it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.commands.exit_codes import DONE, FAILED, INCOMPLETE

if TYPE_CHECKING:
    from studies.results.status import StudyStatus


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing; the exit code tells.")
def status(folder: Path, as_json: bool, quiet: bool) -> int:
    """Say how far the study in FOLDER is; works while it runs."""
    from studies.results.status import failure_reasons, read_status

    now = read_status(folder)
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps({**asdict(now), "done": now.done, "complete": now.is_complete}))
    elif not quiet:
        reasons = failure_reasons(folder) if now.failed else []
        click.echo("\n".join(_lines(now, reasons)))
    if now.failed:
        return FAILED
    return DONE if now.is_complete else INCOMPLETE


def _lines(now: StudyStatus, reasons: list[str]) -> list[str]:
    state = f"driven by {now.driver}" if now.driver else "not running"
    lines = [f"{now.study}: {now.done} of {now.planned} trainings done, {state}"]
    lines += [f"  {reason:12s} {count:7d}" for reason, count in now.counts.items()]
    if now.failed:
        lines.append(f"  {'failed':12s} {now.failed:7d}")
        lines += [f"    {reason}" for reason in reasons]
    if now.rate is not None and now.eta_seconds is not None:
        lines.append(f"  {now.rate:.3g} trainings per second, {_time(now.eta_seconds)} left")
    width = max((len(name) for name in now.parts), default=0)
    for name, part in now.parts.items():
        of = "" if part.planned is None else f" of {part.planned}"
        lines.append(f"  {name:{width}s}  {part.done:7d}{of}")
    return lines


def _time(seconds: float) -> str:
    """Return a time in the unit that a reader thinks in.

    >>> _time(42.3), _time(250), _time(9000)
    ('about 42 s', 'about 4 min', 'about 2.5 h')
    """
    if seconds < 120:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 7200 else f"about {seconds / 3600:.1f} h"
