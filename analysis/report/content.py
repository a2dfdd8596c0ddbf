"""What a report says, whatever the study: answers, figures, tables and conventions.

Each kind of study turns its result into a :class:`ReportContent`; :mod:`analysis.report.page` sets
the page, draws the figures and writes the files, the same way for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.claims import Light, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ReportTable:
    """A table with a title."""

    title: str
    """What it shows."""
    columns: tuple[str, ...]
    """Column heads."""
    rows: tuple[tuple[str, ...], ...]
    """Cells; a row of one cell is a heading over the rows that follow."""
    keys: bool = False
    """Whether the first column holds keys of report.json, which are shown as they are."""
    remarks: bool = False
    """Whether the last column holds remarks, which are set in a line of their own."""


Section = tuple[str, tuple[ReportTable, ...]]
"""A title and the tables under it."""


@dataclass(frozen=True)
class Answer:
    """One box at the top of the page; texts are escaped unless they are Markup."""

    status: str
    """``established``, ``not established`` or ``contradicted``."""
    headline: str
    """The answer in one line."""
    paragraphs: tuple[str, ...] = ()
    """Sentences under it: numbers, reasons, remarks."""
    note: str = ""
    """Definitions, in small print."""
    label: str = ""
    """Which of several laws it is about."""
    lights: tuple[Light, ...] = ()
    """Conditions of the answer."""
    beside: tuple[Verdict, ...] = ()
    """Verdicts on other claims, listed under the box."""


@dataclass(frozen=True)
class PlannedFigure:
    """A figure that is drawn when the page is set."""

    name: str
    """File name without suffix."""
    plot: Callable[[], Figure]
    """Draws it."""
    caption: str
    """What stands under it."""
    data: Callable[[], pd.DataFrame] | None = None
    """Returns the numbers that it draws, for a CSV file beside the drawing."""


@dataclass(frozen=True)
class ReportContent:
    """Everything on the page but the study's name, provenance and environment."""

    title: str
    """What kind of report it is."""
    numbers: Mapping[str, Any]
    """Estimates, verdicts and counts, as report.json holds them."""
    answers: tuple[Answer, ...]
    figures: tuple[PlannedFigure, ...]
    tables: tuple[Section, ...]
    """Section titles and the tables under them."""
    conventions: tuple[str, ...]
    """Definitions, how means are taken, where errors come from."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Settings that all runs share."""
    files: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Further tables for scripts, by file name with suffix csv."""
    conditional: str = (
        "they hold the spread over seeds (training points drawn, initial weights, batches), not "
        "over other data sets, and no error of the model beyond the stated systematic"
    )
    """What the intervals do and do not hold."""
    methods: tuple[str, ...] = ()
    """Paragraphs on how the numbers came about, ready for a paper."""
    citations: tuple[str, ...] = ()
    """Works the result rests on, keys of :data:`analysis.report.citations.WORKS`."""
    figures_remark: str = ""
    """A sentence above the figures, e.g. on what is not drawn."""


@dataclass(frozen=True)
class ReportContext:
    """What the table cannot know about itself; everything is optional."""

    study: str = "critical temperature"
    """Name of the study."""
    question: str = ""
    """The question in one sentence."""
    command: str = ""
    """The command that makes the same study again."""
    spec_hash: str = ""
    """Identity of the study's specification."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """The specification, for the table of fixed parameters."""
    counts_planned: int | None = None
    """Runs that were planned."""
    counts_failed: int | None = None
    """Runs that raised an error and left no row."""
    planned_by_size: Mapping[int, int] = field(default_factory=dict)
    """Planned runs of each P, where known."""
    failed_by_size: Mapping[int, int] = field(default_factory=dict)
    """Failed runs of each P, where known."""
    data_sentence: str = "the data in this table"
    """What the intervals are conditional on, e.g. ``these 1797 images``."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Host, device, versions, wall time."""
    date: str = ""
    """When the study was run."""
    commit: str = ""
    """Version of the code, with a mark if it was changed."""
    citations: tuple[str, ...] = ()
    """Data and software that the study used, keys of :data:`analysis.report.citations.WORKS`."""
    files: tuple[str, ...] = ()
    """Files beside the page that it should link to, e.g. ``table.csv``."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Texts and addresses of further pages."""
