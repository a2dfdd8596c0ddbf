"""What a study runs: one module per experiment, behind one contract.

An experiment knows its settings, how to measure a configuration, and how its rows are averaged
and read back. The driver, the ledger, the executors and MLflow know none of this. Importing a
module of this package loads neither torch nor numba; measuring does.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from search_spaces.choices import check_name

if TYPE_CHECKING:
    from studies.specs.spec import StudySpec

EXPERIMENTS = (
    "training",
    "perceptron-dynamics",
    "gradient-noise",
    "escape",
    "large-batch-noise",
)
"""Names of the experiments; each is a module, with underscores."""

_added: dict[str, Experiment] = {}


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


def load_experiment(name: str) -> Experiment:
    """Return the module of an experiment.

    Raises
    ------
    InvalidSettingError
        For an unknown name.
    """
    if name in _added:
        return _added[name]
    check_name("experiment", name, EXPERIMENTS)
    return _module(name)


def add_experiment(name: str, experiment: Experiment) -> None:
    """Make an experiment of your own known in this process; a task has to do so in its worker."""
    _added[name] = experiment


@functools.cache
def _module(name: str) -> Experiment:
    return cast(Experiment, importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))


def read_configuration(plain: Mapping[str, Any]) -> Configuration:
    """Return the configuration of a record or payload; a training has no `experiment` in it."""
    return load_experiment(plain.get("experiment", "training")).read(dict(plain))
