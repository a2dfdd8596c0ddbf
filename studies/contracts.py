"""The contracts between a study and its parts: configuration, space, experiment, kind, result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from analysis.report.content import ReportContent
    from analysis.report.page import ReportContext
    from studies.specs.spec import StudySpec


class Configuration(Protocol):
    """One configuration: a Point, or a :class:`search_spaces.configuration.Configuration`."""

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        ...

    @property
    def identity(self) -> str:
        """Hash of the settings."""
        ...

    @property
    def label(self) -> str:
        """Short text for lists of runs."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return plain values from which :func:`read_configuration` builds an equal one."""
        ...

    def columns(self) -> dict[str, Any]:
        """Return the columns of the table that describe it, `point` first."""
        ...


class Space(Protocol):
    """What a study scans."""

    n_seeds: int

    @property
    def seeds(self) -> range:
        """Labels of the replicas."""
        ...

    def points(self) -> Sequence[Any]:
        """Return the planned configurations, each once."""
        ...

    def to_plain(self) -> dict[str, Any]:
        """Return every setting with its default written out."""
        ...


class Experiment(Protocol):
    """A module of this package."""

    KEYS: tuple[str, ...]
    """Settings that a space takes."""
    SHOWN: tuple[str, ...]
    """Columns that identify a configuration for a reader."""
    PARAMS: tuple[str, ...]
    """Columns that MLflow holds as parameters of a configuration's run."""

    def space(self, **settings: Any) -> Space:
        """Return the space of these settings, or raise InvalidSettingError."""
        ...

    def grows(self, key: str, old: Any, new: Any) -> bool:
        """Whether a space with setting `new` holds everything of one with `old`."""
        ...

    def read(self, plain: dict[str, Any]) -> Configuration:
        """Return the configuration that its `to_dict` gave."""
        ...

    def check(self, spec: StudySpec) -> str:
        """Refuse what cannot be measured here, before anything is written; return the backend."""
        ...

    def prepare(self, spec: StudySpec, backend: str) -> None:
        """Do once what every worker would do, such as compiling."""
        ...

    def measure(
        self, configuration: Any, seeds: Sequence[int], backend: str
    ) -> list[dict[str, Any]]:
        """Return one row of plain values per seed: a pure function of its arguments."""
        ...

    def expected_seconds(self, configuration: Any) -> float:
        """Rough time of one replica; packs are sized by it, and it is corrected by experience."""
        ...

    def seed_columns(self, seed: int) -> dict[str, int]:
        """Return further columns of the table that say how a seed was used."""
        ...

    def average(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return means and standard errors over the replicas of one configuration."""
        ...

    def read_table(self, path: Path) -> Any:
        """Read the table of a study back for its analysis."""
        ...

    def conditional_on(self, spec: StudySpec) -> str:
        """Return what every interval is conditional on, e.g. ``these 1797 images``."""
        ...


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
