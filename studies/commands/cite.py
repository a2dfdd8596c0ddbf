"""``thermometer cite``: BibTeX of what a study rests on."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def cite(folder: Path | None) -> int:
    """Print BibTeX of what the study in FOLDER rests on.

    Without FOLDER, of this program itself.
    """
    from analysis.report.citations import bibtex

    click.echo(bibtex(("sgd-thermometer",) if folder is None else _keys(folder)), nl=False)
    return 0


def _keys(folder: Path) -> tuple[str, ...]:
    from analysis.report.page import cited_keys
    from studies.kinds import KINDS
    from studies.results.context import report_context
    from studies.study import Study

    study = Study.open(folder)
    context = report_context(study.spec, study.ledger())
    content = KINDS.load(study.spec.kind).content(study.analyse(), context)
    return cited_keys(content, context)
