"""``thermometer replay``: run one configuration again and compare it with what is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

EQUAL, DIFFERS = 0, 1


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("point")
@click.option("--seed", "seeds", type=int, multiple=True, help="One of its seeds; all by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(folder: Path, point: str, seeds: tuple[int, ...], as_json: bool) -> int:
    """Run POINT of a study again and compare it with its rows.

    POINT is the column `point` of table.csv, or its first characters. Exit code 0 if every value
    is equal to the last bit, 1 if one differs.
    """
    from studies.results.replay import replay_point

    done = replay_point(folder, point, seeds)
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps({**asdict(done), "equal": done.is_equal}))
        return EQUAL if done.is_equal else DIFFERS
    click.echo(f"{done.point}: {done.label}, {len(done.seeds)} seeds, backend {done.backend}")
    for column in done.columns:
        click.echo(f"  {column.name:24s} {_verdict(column)}")
    differing = [column.name for column in done.columns if not column.is_equal]
    click.echo(f"differs: {', '.join(differing)}" if differing else "equal to the last bit")
    return EQUAL if done.is_equal else DIFFERS


def _verdict(column: Any) -> str:
    if column.is_equal:
        return click.style("equal", fg="green")
    how = click.style("differs", fg="red")
    text = f"{how} for {column.n - column.n_equal} of {column.n} seeds: "
    text += f"{column.stored!r} stored, {column.repeated!r} now"
    if column.largest_difference is not None:
        text += f", at most {column.largest_difference:.2g} relative"
    return text
