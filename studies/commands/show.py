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
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--quiet", is_flag=True, help="No heads of columns.")
@click.option("--where", multiple=True, help="Condition such as 'n_train==256'; repeat for and.")
def show(folder: Path, form: str, where: tuple[str, ...], as_json: bool, quiet: bool) -> int:
    """Print the configurations measured in FOLDER, averaged over seeds."""
    from studies.results.view import configuration_frame

    frame = configuration_frame(folder, where)
    if as_json or form == "json":
        click.echo(frame.to_json(orient="records"))
    elif form == "csv":
        click.echo(frame.to_csv(index=False, header=not quiet), nl=False)
    else:
        shown = frame.to_string(
            index=False, header=not quiet, float_format=lambda value: f"{value:.4g}"
        )
        click.echo(shown)
    return 0
