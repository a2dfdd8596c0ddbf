"""The report of a result of several laws, planes or diagrams: what all such pages share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from analysis.report.content import (
    Answer,
    PlannedFigure,
    ReportContent,
    ReportContext,
    ReportTable,
    Section,
)
from analysis.report.methods import training_methods
from analysis.report.tables import counts_table, verdict_table
from analysis.result import JoinedResult, P

MOST_DRAWN = 3
"""Figures are drawn for the first parts only; the tables hold all of them."""


def joined_content(
    result: JoinedResult[P],
    context: ReportContext,
    *,
    title: str,
    citations: tuple[str, ...],
    answer: Callable[[P], Answer],
    figures: Callable[[P], Iterable[PlannedFigure]],
    sections: Sequence[Section],
    conventions: tuple[str, ...],
    methods: Sequence[str],
    names: str,
    shared: tuple[Sequence[PlannedFigure], Sequence[PlannedFigure]] = ((), ()),
    estimates: tuple[ReportTable, ...] = (),
    most_drawn: int = MOST_DRAWN,
    seeds: str = "",
) -> ReportContent:
    """Return the content of a report on all parts of a result.

    Parameters
    ----------
    answer, figures
        What one part has at the top of the page and what is drawn of it.
    sections
        Tables of this study; verdicts and counts of runs follow.
    methods
        Paragraphs on how its numbers were located, fitted and given errors.
    names
        What the parts are called, for the remark on those that are not drawn.
    shared
        Figures of all parts together, before and after those of single parts.
    estimates
        Tables in front of the verdicts, in the last section.
    most_drawn
        Parts that have figures of their own.
    seeds
        How many seeds there are, in words; counted if empty.
    """
    drawn = result.parts[:most_drawn]
    before, after = shared
    counts = counts_table(
        result.table,
        context.planned_by_size,
        context.failed_by_size,
        totals=(context.counts_planned, context.counts_failed),
    )
    last = f"{'Estimates, verdicts' if estimates else 'Verdicts'} and runs"
    return ReportContent(
        title=title,
        numbers=result.to_dict(),
        answers=tuple(answer(part) for part in result.parts),
        figures=(*before, *(figure for part in drawn for figure in figures(part)), *after),
        figures_remark=(
            f"Figures show the first {len(drawn)} of {len(result.parts)} {names}."
            if len(result.parts) > len(drawn)
            else ""
        ),
        tables=(*sections, (last, (*estimates, verdict_table(result.verdicts), counts))),
        conventions=conventions,
        fixed=result.table.fixed_settings(),
        files=result.tables,
        methods=training_methods(result.table, context, methods, seeds),
        citations=citations,
    )


def suffix_of(label: str) -> str:
    """Return what the label of a part adds to the names of its figures.

    >>> suffix_of("alpha=100,data=my digits"), suffix_of("")
    ('-alpha=100-data=my-digits', '')
    """
    return re.sub(r"[^A-Za-z0-9.=_-]+", "-", f"-{label}") if label else ""


def after_comma(label: str) -> str:
    """Return ``, alpha=100``, or nothing where there is one part."""
    return f", {label}" if label else ""
