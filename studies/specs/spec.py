"""What a study is asked to do: what is scanned, how, and what is made of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import yaml

from search_spaces import InvalidSettingError, SearchSpace
from search_spaces.axes import AXES, ListAxis
from search_spaces.choices import check_name
from search_spaces.space import NOISE_AXES
from studies.contracts import Experiment, Space
from studies.experiments import load_experiment
from studies.kinds import KINDS
from studies.specs.design import ADAPTIVE, check_adaptive, is_range, read_design
from studies.specs.extension_entries import extension_points, read_extension
from studies.specs.scans import read_scans
from studies.specs.settings import STUDY_SETTINGS, TEXT_KEYS


@dataclass(frozen=True)
class StudySpec:
    """A validated study; build it with :func:`resolve_spec` or :meth:`from_plain`."""

    study: str
    """Name of the study."""
    kind: str
    """What is made of its table: a name of :data:`studies.kinds.KINDS`."""
    space: Any
    """What is scanned; with several scans, what they share."""
    scans: dict[str, Any]
    """Named scans in place of `space`; empty for a study with one space."""
    comparison: SearchSpace | None
    """The same temperatures at other batch sizes, for the ratio of weight changes only."""
    thresholds: tuple[float, ...]
    """Relative weight changes c that define T_lazy(c); the first is the headline."""
    design: str
    """`grid`, or `adaptive`: every curve chooses its temperatures, a new seed for each."""
    tolerance: float
    """Standard deviation of ln T_c at which an adaptive curve is located."""
    extension: tuple[dict[str, Any], ...] | None
    """Temperatures added to curves whose window did not bracket T_c; None if not yet examined."""
    backend: str
    sampler: str
    """`grid`, or the name of an Optuna sampler."""
    n_trials: int | None
    """Number of configurations an Optuna sampler may try in each search."""
    search_each: str | None
    """Axis of which every value has a search of its own; None for one search."""
    objective: str
    """The column whose mean is a trial's value."""
    sampler_seed: int
    texts: dict[str, str]
    """Title, question and description."""

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> StudySpec:
        """Validate what a YAML file holds.

        Raises
        ------
        InvalidSettingError
            For an unknown key or a value that is not allowed.
        """
        kind = KINDS.load(plain.get("kind", STUDY_SETTINGS["kind"].default))
        experiment = load_experiment(kind.experiment)
        for key in plain:
            check_name("option", key, (*TEXT_KEYS, *experiment.keys, *STUDY_SETTINGS))
        values = {name: row.default for name, row in STUDY_SETTINGS.items()} | dict(plain)
        shared = {key: values[key] for key in experiment.keys if key in values}
        space: Any = experiment.space(**shared)
        design = read_design(values, space)
        alone = ("thresholds", "tolerance", "backend", "sampler", "n_trials", "objective")
        spec = cls(
            study=read_study_name(values.get("study", "study")),
            kind=values["kind"],
            space=space,
            scans=read_scans(values["scans"], shared, experiment),
            comparison=None if design == ADAPTIVE else _comparison_space(values, space),
            design=design,
            extension=read_extension(values["extension"], design),
            search_each=_search_axis(values["search_each"], space),
            texts={key: str(values[key]) for key in TEXT_KEYS[1:] if key in values},
            **{name: STUDY_SETTINGS[name].read(values[name]) for name in (*alone, "sampler_seed")},
        )
        spec._check_search()
        return spec

    @property
    def experiment(self) -> Experiment:
        """What the study runs."""
        return load_experiment(KINDS.load(self.kind).experiment)

    @property
    def keys(self) -> tuple[str, ...]:
        """Settings that a spec of this kind may hold, its texts left out."""
        return (*self.experiment.keys, *STUDY_SETTINGS)

    @property
    def is_planned(self) -> bool:
        """Whether the points are a grid fixed in advance rather than chosen as results come."""
        return self.sampler == "grid" and not self.is_adaptive

    @property
    def is_adaptive(self) -> bool:
        """Whether every curve chooses its own temperatures."""
        return self.design == ADAPTIVE

    @property
    def lists_batch_sizes(self) -> bool:
        """Whether :meth:`batch_sizes` are known before anything is measured."""
        axes = getattr(self.space, "axes", {})
        if "active_fraction" in axes:  # b is what is fixed, and B = b P follows
            return False
        return self.is_planned or (self.is_adaptive and "batch_size" in axes)

    @property
    def may_extend(self) -> bool:
        """Whether a range that does not bracket T_c is still to be extended."""
        ours = "extension" in KINDS.load(self.kind).options and self.is_planned
        return ours and not self.scans and self.extension is None and is_range(self.space)

    @property
    def lacks_window(self) -> bool:
        """Whether a temperature window has to be measured before the points are known."""
        spaces = self.scans.values() if self.scans else (self.space,)
        return any(getattr(space, "lacks_window", False) for space in spaces)

    def spaces(self) -> dict[str, Any]:
        """Return every space that is scanned, by name."""
        if self.scans:
            return self.scans
        comparison = {} if self.comparison is None else {"comparison": self.comparison}
        return {"main": self.space, **comparison}

    def searches(self) -> dict[str, Any]:
        """Return the spaces that a sampler searches one by one, by name."""
        if self.search_each is None:
            return {"main": self.space}
        axis = self.search_each
        plain = self.space.to_plain()
        return {
            f"{axis}={value}": self.experiment.space(**{**plain, axis: value})
            for value in self.space.axes[axis].values()
        }

    def planned(self) -> list[tuple[Any, tuple[int, ...]]]:
        """Return every planned configuration once, with the seeds that any scan asks for."""
        return list(self._planned)

    @cached_property
    def _planned(self) -> tuple[tuple[Any, tuple[int, ...]], ...]:
        points: dict[str, Any] = {}
        seeds: dict[str, set[int]] = {}
        for space in self.spaces().values():
            for point in space.points():
                points.setdefault(point.identity, point)
                seeds.setdefault(point.identity, set()).update(space.seeds)
        for point in extension_points(self.space, self.extension or ()):
            points.setdefault(point.identity, point)
            seeds.setdefault(point.identity, set()).update(self.space.seeds)
        # Equal seeds share one tuple: a plan may hold a hundred thousand configurations.
        tuples = {frozenset(labels): tuple(sorted(labels)) for labels in seeds.values()}
        return tuple((point, tuples[frozenset(seeds[key])]) for key, point in points.items())

    def points(self) -> tuple[Any, ...]:
        """Return every planned configuration once, the comparison's included."""
        return tuple(point for point, _ in self.planned())

    def n_trainings(self) -> int:
        """Return the number of trainings asked for; for an adaptive design, the largest one."""
        if self.is_adaptive:
            return self.n_curves() * int(self.space.n_seeds)
        if not self.is_planned:
            return (self.n_trials or 0) * len(self.searches()) * int(self.space.n_seeds)
        return sum(len(seeds) for _, seeds in self.planned())

    def n_curves(self) -> int:
        """Return the number of combinations of all axes but the temperature."""
        axes = self.space.axes
        return math.prod(len(axes[name].values()) for name in axes if name != "temperature")

    def batch_sizes(self) -> tuple[int, ...]:
        """Return the batch sizes for which laws are fitted."""
        if self.is_adaptive and "batch_size" in self.space.axes:
            return tuple(sorted(self.space.axes["batch_size"].values()))
        return tuple(sorted({point.batch_size for point in self.space.points()}))

    def to_plain(self) -> dict[str, Any]:
        """Return the spec with every default written out."""
        compared = {} if self.comparison is None else self.comparison.axes
        own = [field.name for field in fields(self)[5:] if field.name in STUDY_SETTINGS]
        return {
            "study": self.study,
            "kind": self.kind,
            **self.texts,
            **self.space.to_plain(),
            "scans": {name: _own_settings(scan, self.space) for name, scan in self.scans.items()}
            or None,
            **{
                f"comparison_{name}": compared[name].to_plain() if compared else None
                for name in ("batch_size", "temperature")
            },
            **{name: _plain(getattr(self, name)) for name in own},
        }

    def to_shown(self) -> dict[str, Any]:
        """Return the settings that matter here, ranges as ``log(LOW, HIGH, PER_DECADE)``."""
        unused = {name for name, row in STUDY_SETTINGS.items() if not row.matters(self)}
        return {
            key: _shown(value)
            for key, value in self.to_plain().items()
            if value is not None and key not in unused and key not in TEXT_KEYS
        }

    @property
    def digest(self) -> str:
        """Hash of the spec, its texts left out."""
        plain = {key: value for key, value in self.to_plain().items() if key not in TEXT_KEYS[1:]}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]

    def to_yaml(self) -> str:
        """Return the spec as YAML."""
        return yaml.safe_dump(self.to_plain(), sort_keys=False, allow_unicode=True, width=99)

    def _check_search(self) -> None:
        if self.is_adaptive:
            check_adaptive(self.kind, self.space, bool(self.scans) or self.sampler != "grid")
            return
        if self.scans and (self.comparison is not None or not self.is_planned):
            raise InvalidSettingError(
                "scans replace comparison_batch_size and samplers; give one or the other"
            )
        if self.is_planned:
            if not self.lacks_window:
                self.points()
            if self.n_trials is not None:
                raise InvalidSettingError(
                    f"n_trials={self.n_trials} belongs to a sampler; "
                    "sampler=grid trains every point of the grid"
                )
        elif self.n_trials is None:
            raise InvalidSettingError(
                f"sampler={self.sampler} needs n_trials, the number of configurations to try"
            )


def _own_settings(scan: Space, shared: Space) -> dict[str, Any]:
    """Return the settings in which a scan departs from what the study's scans share."""
    own, common = scan.to_plain(), shared.to_plain()
    keys = dict.fromkeys((*own, *common))
    return {key: own.get(key) for key in keys if own.get(key) != common.get(key)}


def _plain(value: Any) -> Any:
    """Return a value as YAML holds it."""
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _shown(value: Any) -> Any:
    """Return a setting as a reader writes it: ranges as log(...), scans as key=value."""
    if not isinstance(value, Mapping):
        return value
    if "low" in value:
        return f"log({', '.join(f'{number:g}' for number in value.values())})"
    return "; ".join(f"{key}: {_listed(_shown(item))}" for key, item in value.items())


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _comparison_space(values: Mapping[str, Any], space: SearchSpace) -> SearchSpace | None:
    batch_size, temperature = values["comparison_batch_size"], values["comparison_temperature"]
    if batch_size is None and temperature is None:
        return None
    if batch_size is None or temperature is None:
        raise InvalidSettingError(
            "comparison_batch_size and comparison_temperature belong together; "
            "give both, or null for both"
        )
    plain = {key: value for key, value in space.to_plain().items() if key not in NOISE_AXES}
    return SearchSpace(**plain, batch_size=batch_size, temperature=temperature)


def read_study_name(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip() or not raw.isprintable():
        raise InvalidSettingError(f"study={raw!r} is not a name; it must be one line of text")
    return raw


def _search_axis(raw: Any, space: Any) -> str | None:
    if raw is None:
        return None
    name = check_name("search_each", raw, AXES)
    if not isinstance(getattr(space, "axes", {}).get(name), ListAxis):
        raise InvalidSettingError(
            f"search_each={name} needs values of {name}; give a value or a list [a, b]"
        )
    return name
