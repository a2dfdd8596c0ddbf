"""What a study makes of its table: one module per kind of study.

A module of this package offers `analyse`, which turns the table into a result, and `content`,
which turns the result into a report. The driver, the ledger and MLflow treat all kinds alike.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, cast

from search_spaces.choices import check_name

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from studies.specs.spec import StudySpec

KINDS = (
    "critical-temperature",
    "phase-diagram",
    "batch-regimes",
    "optimal-temperature",
    "effective-temperature",
    "perceptron-exponents",
    "gradient-noise",
    "escape-times",
    "large-batch-noise",
)
"""Names of the kinds; each is a module, with underscores."""


class Result(Protocol):
    """What an analysis returns."""

    def headline(self) -> str:
        """Return the answer in one line, or one line per law."""
        ...

    def summary(self) -> str:
        """Return the answer and the numbers behind it as text for a terminal."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return at least `headline`, `counts`, `estimates` and `verdicts` for strict JSON."""
        ...


class Kind(Protocol):
    """A module of this package."""

    EXPERIMENT: str
    """Name of the experiment that the study runs, of :mod:`studies.experiments`."""
    TABLES: tuple[str, ...]
    """Names of the CSV files that its report writes beside the page."""
    COMPARE: str
    """What to look at in MLflow's plots, as Markdown."""

    def analyse(
        self,
        table: Any,
        spec: StudySpec | None = None,
        thresholds: tuple[float, ...] | None = None,
    ) -> Result:
        """Measure what the study asks for; without a spec, all that a plain table holds.

        `table` is what the experiment's `read_table` gives; `thresholds` replace the spec's.
        """
        ...

    def content(self, result: Any, context: ReportContext) -> ReportContent:
        """Return what the report says; may import what draws."""
        ...


def load_kind(name: str) -> Kind:
    """Return the module of a kind of study.

    Raises
    ------
    InvalidSettingError
        For an unknown name.
    """
    check_name("kind", name, KINDS)
    return cast(Kind, importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))
