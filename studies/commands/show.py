"""``thermometer show``: the configurations that were measured."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
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
    return 0
