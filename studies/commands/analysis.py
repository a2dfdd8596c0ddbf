"""``thermometer fit`` and ``thermometer report``: the analysis of a study or of a plain table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from search_spaces.choices import InvalidSettingError, check_name
from studies.commands.paths import shown_path
from studies.credentials import redacted_command


def _analyse(source: Path, quantity: str | None, threshold: str | None) -> tuple[str, Any]:
    """Return the kind of analysis of a CSV file or of a study's folder, and its result."""
    from studies.experiments import load_experiment
    from studies.kinds import KINDS
    from studies.kinds.recognition import kind_of_table
    from studies.specs.settings import read_thresholds

    table, spec = source, None
    if not source.exists():
        raise InvalidSettingError(
            f"{source} does not exist; give a study's folder or a comma-separated table"
        )
    if source.is_dir():
        from studies.folder import StudyFolder

        folder = StudyFolder.existing(source)
        table, spec = folder.table, folder.read_spec()
        if not table.exists():
            raise InvalidSettingError(f"{source} has no table.csv yet; run the study first")
    if quantity is not None:
        check_name("--quantity", quantity, KINDS.names())
    name = quantity or (kind_of_table(table) if spec is None else spec.kind)
    kind = KINDS.load(name)
    asked = None if threshold is None else read_thresholds(threshold.split(","))
    rows = load_experiment(kind.experiment).read_table(table)
    return name, kind.analyse(rows, spec, asked)


_QUANTITY = click.option(
    "--quantity", help="Kind of study; a folder's own, or told by a table's columns."
)
_THRESHOLD = click.option(
    "--threshold", help="Weight changes c of T_lazy(c), headline first: 0.1,0.05."
)


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|TABLE.csv")
@_QUANTITY
@_THRESHOLD
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="Print the answer alone.")
def fit(
    source: Path, quantity: str | None, threshold: str | None, as_json: bool, quiet: bool
) -> int:
    """Fit the laws of a study, or of a plain table."""
    _, result = _analyse(source, quantity, threshold)
    if as_json:
        click.echo(json.dumps(result.to_dict(), allow_nan=False))
    else:
        click.echo(result.headline() if quiet else result.summary())
    return 0


@click.command()
@click.argument(
    "sources",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER|TABLE.csv...",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the report; FOLDER itself, TABLE-report, or for several: comparison.",
)
@_QUANTITY
@_THRESHOLD
@click.option("--json", "as_json", is_flag=True, help="Print the files written, as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def report(
    sources: tuple[Path, ...],
    output: Path | None,
    quantity: str | None,
    threshold: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write the report of a study, or of a plain table.

    With several, compare them: their T_c(P) on shared axes, their exponents with pulls.
    """
    page = _write(sources, output, quantity, threshold)
    if as_json:
        figures = sorted(path.name for path in (page.parent / "figures").glob("*.pdf"))
        numbers = page.with_suffix(".json")
        click.echo(json.dumps({"report": str(page), "numbers": str(numbers), "figures": figures}))
    elif not quiet:
        click.echo(shown_path(page))
    return 0


def _write(
    sources: tuple[Path, ...], output: Path | None, quantity: str | None, threshold: str | None
) -> Path:
    """Write the report and return its page."""
    command = f"thermometer {redacted_command(sys.argv[1:])}"
    if len(sources) > 1:
        from studies.commands.comparison import study_names, write_comparison

        names = study_names(sources)
        results = (_analyse(source, quantity, threshold)[1] for source in sources)
        compared = dict(zip(names, results, strict=True))
        return write_comparison(compared, output or Path("comparison"), command)
    (source,) = sources
    if source.is_dir() and output is None and quantity is None and threshold is None:
        from studies.study import Study

        return Study.open(source).report()
    from analysis.report.content import ReportContext
    from analysis.report.page import write_report
    from studies.kinds import KINDS
    from studies.specs.yaml_files import load_recipe, recipe_names

    name, result = _analyse(source, quantity, threshold)
    folder = output or source.with_name(f"{source.stem}-report")
    recipe = load_recipe(name) if name in recipe_names() else {}
    question = str(recipe.get("question", ""))
    context = ReportContext(study=source.stem, question=question, command=command)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return write_report(KINDS.load(name).content(result, context), folder, context)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidSettingError(f"cannot write to {folder}: {reason}") from None
