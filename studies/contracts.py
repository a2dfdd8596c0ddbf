"""The contracts between a study and its parts: configuration, space, experiment, kind, result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from search_spaces.grid import Setting
from studies.registry import load_object

if TYPE_CHECKING:
    from analysis.report.content import ReportContent, ReportContext


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


class Scanned(Protocol):
    """What an experiment sees of a study: what is to be scanned, and by what rule."""

    @property
    def backend(self) -> str:
        """The backend that was asked for."""
        ...

    @property
    def space(self) -> Any:
        """What is scanned; with several scans, what they share."""
        ...

    @property
    def is_planned(self) -> bool:
        """Whether the points are a grid fixed in advance."""
        ...

    @property
    def is_adaptive(self) -> bool:
        """Whether every curve chooses its own temperatures."""
        ...

    def spaces(self) -> dict[str, Any]:
        """Return every space that is scanned, by name."""
        ...

    def searches(self) -> dict[str, Any]:
        """Return the spaces that a sampler searches one by one, by name."""
        ...

    def points(self) -> tuple[Any, ...]:
        """Return every planned configuration once."""
        ...


class Asked(Scanned, Protocol):
    """What settings and analyses see of a study."""

    @property
    def kind(self) -> str: ...
    @property
    def sampler(self) -> str: ...
    @property
    def design(self) -> str: ...
    @property
    def tolerance(self) -> float: ...
    @property
    def thresholds(self) -> tuple[float, ...]: ...
    @property
    def scans(self) -> dict[str, Any]: ...
    @property
    def experiment(self) -> Experiment: ...
    @property
    def lists_batch_sizes(self) -> bool: ...

    def batch_sizes(self) -> tuple[int, ...]:
        """Return the batch sizes for which laws are fitted."""
        ...


class Experiment(ABC):
    """What a study runs: its settings, how a configuration is measured, how rows are averaged.

    A module that holds one imports neither torch nor numba; measuring does.
    """

    shown: tuple[str, ...]
    """Columns that identify a configuration for a reader."""
    params: tuple[str, ...]
    """Columns that MLflow holds as parameters of a configuration's run."""
    devices: tuple[str, ...] = ("cpu",)
    """Where it can measure."""

    @property
    @abstractmethod
    def settings(self) -> tuple[Setting, ...]:
        """What a space takes."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the settings."""
        return tuple(setting.name for setting in self.settings)

    @abstractmethod
    def space(self, **settings: Any) -> Space:
        """Return the space of these settings, or raise InvalidSettingError."""

    @abstractmethod
    def grows(self, key: str, old: Any, new: Any) -> bool:
        """Whether a space with setting `new` holds everything of one with `old`."""

    @abstractmethod
    def read(self, plain: dict[str, Any]) -> Configuration:
        """Return the configuration that its `to_dict` gave."""

    @abstractmethod
    def check(self, spec: Scanned, device: str = "cpu", is_here: bool = True) -> str:
        """Refuse what cannot be measured, before anything is written; return the backend.

        `is_here` is whether this machine measures, and must have the device.
        """

    def prepare(self, spec: Scanned, backend: str) -> None:
        """Do once what every worker would do, such as compiling."""
        return None

    @abstractmethod
    def measure(
        self, configuration: Any, seeds: Sequence[int], backend: str, device: str = "cpu"
    ) -> list[dict[str, Any]]:
        """Return one row of plain values per seed: a pure function of its arguments."""

    @abstractmethod
    def expected_seconds(self, configuration: Any) -> float:
        """Rough time of one replica; packs are sized by it, and it is corrected by experience."""

    def together(self, backend: str) -> dict[str, int]:
        """Return how many replicas are cheaper together than apart, by device."""
        return {}

    def seed_columns(self, seed: int) -> dict[str, int]:
        """Return further columns of the table that say how a seed was used."""
        return {}

    @abstractmethod
    def average(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return means and standard errors over the replicas of one configuration."""

    @abstractmethod
    def read_table(self, path: Path) -> Any:
        """Read the table of a study back for its analysis."""

    @abstractmethod
    def conditional_on(self, spec: Scanned) -> str:
        """Return what every interval is conditional on, e.g. ``these 1797 images``."""


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


@dataclass(frozen=True)
class Kind:
    """What a study makes of its table.

    `analysis` and `report` are ``"module:function"``, since to import what computes takes a
    second and what draws another one, which a command that needs neither need not pay.
    """

    experiment: str
    """Name of the experiment that the study runs."""
    analysis: str
    """Takes what the experiment's `read_table` gives, returns a :class:`Result`. With `options`,
    it takes the study's spec (or None) and the thresholds that replace the spec's (or None)."""
    report: str
    """Takes the result and an `analysis.report.content.ReportContext`, returns the content."""
    tables: tuple[str, ...] = ()
    """Names of the CSV files that its report writes beside the page."""
    compare: str = ""
    """What to look at in MLflow's plots, as Markdown."""
    options: tuple[str, ...] = ()
    """Settings of a study that only some kinds heed, and this one does."""
    marks: tuple[str, ...] = ()
    """Columns by which a plain table of this kind is known; no other kind's has them."""

    def analyse(
        self, table: Any, spec: Asked | None = None, thresholds: tuple[float, ...] | None = None
    ) -> Result:
        """Measure what the study asks for; without a spec, all that a plain table holds."""
        analyse = load_object(self.analysis)
        result: Result = analyse(table, spec, thresholds) if self.options else analyse(table)
        return result

    def content(self, result: Any, context: ReportContext) -> ReportContent:
        """Return what the report says."""
        content: ReportContent = load_object(self.report)(result, context)
        return content
