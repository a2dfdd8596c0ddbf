"""What a study is asked to do: a recipe or YAML file, the folder's own spec, and overrides.

A spec may grow (more seeds, more values of an axis, more trials) in the folder that holds it;
anything else would change the meaning of what was measured and is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from search_spaces import InvalidSettingError, Point, SearchSpace
from search_spaces.axes import AXES, LogAxis, parse_axis
from search_spaces.choices import check_name
from search_spaces.point import number_from_text, positive_integer, positive_number
from search_spaces.space import NOISE_AXES, WINDOW

SPACE_KEYS = (
    *AXES,
    "n_test",
    "sampling",
    "dtype",
    "max_presentations",
    "bias",
    "scheme",
    "observables",
    "n_seeds",
    "first_seed",
)
STUDY_KEYS = (
    "comparison_batch_size",
    "comparison_temperature",
    "thresholds",
    "backend",
    "sampler",
    "n_trials",
    "objective",
    "sampler_seed",
)
TEXT_KEYS = ("study", "title", "measures", "question")
KEYS = (*SPACE_KEYS, *STUDY_KEYS)

OBJECTIVES = ("test_error", "relative_weight_change", "training_time", "train_error")
SAMPLERS = ("grid", "sobol", "random", "tpe")

_STUDY_DEFAULTS: dict[str, Any] = {
    "comparison_batch_size": None,
    "comparison_temperature": None,
    "thresholds": [0.1, 0.02, 0.05, 0.2],
    "backend": "auto",
    "sampler": "grid",
    "n_trials": None,
    "objective": "test_error",
    "sampler_seed": 0,
}


@dataclass(frozen=True)
class StudySpec:
    """A validated study; build it with :func:`resolve_spec` or :meth:`from_plain`."""

    study: str
    """Name of the study."""
    space: SearchSpace
    """What is scanned."""
    comparison: SearchSpace | None
    """The same temperatures at other batch sizes, for the ratio of weight changes only."""
    thresholds: tuple[float, ...]
    """Relative weight changes c that define T_lazy(c); the first is the headline."""
    backend: str
    sampler: str
    """`grid`, or the name of an Optuna sampler."""
    n_trials: int | None
    """Number of configurations an Optuna sampler may try."""
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
        for key in plain:
            check_name("option", key, (*TEXT_KEYS, *KEYS))
        values = {**_STUDY_DEFAULTS, **plain}
        space = SearchSpace(**{key: values[key] for key in SPACE_KEYS if key in values})
        spec = cls(
            study=_study_name(values.get("study", "study")),
            space=space,
            comparison=_comparison_space(values, space),
            thresholds=read_thresholds(values["thresholds"]),
            backend=str(values["backend"]),
            sampler=_sampler_name(values["sampler"]),
            n_trials=_optional_count("n_trials", values["n_trials"]),
            objective=check_name("objective", values["objective"], OBJECTIVES),
            sampler_seed=_sampler_seed(values["sampler_seed"]),
            texts={key: str(values[key]) for key in TEXT_KEYS[1:] if key in values},
        )
        spec._check_search()
        return spec

    @property
    def is_planned(self) -> bool:
        """Whether the points are a grid fixed in advance rather than asked of a sampler."""
        return self.sampler == "grid"

    def points(self) -> tuple[Point, ...]:
        """Return every planned configuration once, the comparison's included."""
        spaces = [self.space] if self.comparison is None else [self.space, self.comparison]
        unique = {point.identity: point for space in spaces for point in space.points()}
        return tuple(unique.values())

    def n_trainings(self) -> int:
        """Return the number of trainings asked for: configurations times seeds."""
        n_points = len(self.points()) if self.is_planned else self.n_trials or 0
        return n_points * self.space.n_seeds

    def batch_sizes(self) -> tuple[int, ...]:
        """Return the batch sizes for which laws are fitted."""
        return tuple(sorted({point.batch_size for point in self.space.points()}))

    def to_plain(self) -> dict[str, Any]:
        """Return the spec with every default written out."""
        comparison = self.comparison
        plain = {
            "study": self.study,
            **self.texts,
            **self.space.to_plain(),
            "comparison_batch_size": None,
            "comparison_temperature": None,
            "thresholds": list(self.thresholds),
            "backend": self.backend,
            "sampler": self.sampler,
            "n_trials": self.n_trials,
            "objective": self.objective,
            "sampler_seed": self.sampler_seed,
        }
        if comparison is not None:
            plain["comparison_batch_size"] = comparison.axes["batch_size"].to_plain()
            plain["comparison_temperature"] = comparison.axes["temperature"].to_plain()
        return plain

    def to_shown(self) -> dict[str, Any]:
        """Return the settings that are set, ranges as ``log(LOW, HIGH, PER_DECADE)``."""
        plain = self.to_plain()
        return {
            key: _log_text(value) if isinstance(value, dict) else value
            for key, value in plain.items()
            if value is not None and key not in TEXT_KEYS
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
        if self.is_planned:
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


def _log_text(axis: Mapping[str, float]) -> str:
    return f"log({', '.join(f'{value:g}' for value in axis.values())})"


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


def read_thresholds(raw: Any) -> tuple[float, ...]:
    """Return the weight changes c that define T_lazy(c), the headline first.

    Raises
    ------
    InvalidSettingError
        If there is none, one is not a positive number, or one is repeated.
    """
    values = raw if isinstance(raw, list | tuple) else [raw]
    if not values:
        raise InvalidSettingError("thresholds=[] is empty; give at least one weight change c")
    read = tuple(positive_number("threshold", number_from_text(value)) for value in values)
    if len(set(read)) < len(read):
        raise InvalidSettingError(f"thresholds={list(read)} repeats a value; give each one once")
    return read


def _study_name(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip() or not raw.isprintable():
        raise InvalidSettingError(f"study={raw!r} is not a name; it must be one line of text")
    return raw


def _sampler_name(raw: Any) -> str:
    name = str(raw)
    return name if "." in name else check_name("sampler", name, (*SAMPLERS, "DOTTED.PATH"))


def _optional_count(name: str, raw: Any) -> int | None:
    return None if raw is None else positive_integer(name, raw)


def _sampler_seed(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise InvalidSettingError(f"sampler_seed={raw!r} must be a whole number >= 0")
    return raw


def recipe_names() -> tuple[str, ...]:
    """Return the names of the studies that come with the package."""
    folder = resources.files("studies") / "recipes"
    return tuple(
        sorted(
            entry.name.removesuffix(".yaml")
            for entry in folder.iterdir()
            if entry.name.endswith(".yaml")
        )
    )


def load_recipe(name: str) -> dict[str, Any]:
    """Return the plain recipe of a study that comes with the package."""
    check_name("study", name, recipe_names())
    text = (resources.files("studies") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    plain: dict[str, Any] = yaml.safe_load(text)
    return plain


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping a YAML file holds."""
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettingError(f"cannot read {path}: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InvalidSettingError(f"{path} is not valid YAML: {reason}") from None
    if not isinstance(plain, dict):
        raise InvalidSettingError(f"{path} holds no settings; it needs lines 'key: value'")
    return {str(key): value for key, value in plain.items()}


def parse_override(text: str) -> tuple[str, Any]:
    """Read one ``key=value`` of a command line; the value is YAML or ``log(LOW, HIGH)``.

    >>> parse_override("alpha=[10, 100]")
    ('alpha', [10, 100])
    """
    key, equals, raw = text.partition("=")
    if not equals:
        raise InvalidSettingError(f"{text!r} is not key=value")
    check_name("option", key.strip(), KEYS)
    try:
        return key.strip(), yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidSettingError(f"{text[:60]!r}: the value is not valid YAML") from None


def resolve_spec(
    source: str,
    overrides: Mapping[str, Any],
    preset: str | None = None,
    held: Mapping[str, Any] | None = None,
) -> StudySpec:
    """Combine recipe or YAML file, preset, the folder's own spec and overrides, in this order.

    Parameters
    ----------
    source
        Name of a recipe or path of a YAML file.
    held
        The plain spec that the study's folder already holds.

    Raises
    ------
    InvalidSettingError
        If a setting is invalid, or if `held` belongs to another study or cannot grow into the
        settings asked for.
    """
    plain = _load_source(source)
    presets = plain.pop("presets", None) or {}
    if not isinstance(presets, dict) or not all(isinstance(p, dict) for p in presets.values()):
        raise InvalidSettingError(f"presets={presets!r} must map names to settings")
    study = _study_name(plain.get("study", source))
    if preset is not None:
        check_name("preset", preset, tuple(presets) or ("standard",))
        plain.update(presets.get(preset) or {})
    if held is None:
        return StudySpec.from_plain(_override({**plain, "study": study}, overrides))
    if held.get("study") != study:
        raise InvalidSettingError(
            f"the folder holds the study {held.get('study')!r}, not {study!r}; "
            "choose another folder with --out"
        )
    asked = dict(overrides) if preset is None else {**(presets.get(preset) or {}), **overrides}
    if Path(source).suffix in (".yaml", ".yml"):
        asked = {**{key: value for key, value in plain.items() if key in KEYS}, **asked}
    before = StudySpec.from_plain(held)
    after = StudySpec.from_plain(_override(dict(held), asked))
    check_growth(before, after)
    return after


def _load_source(source: str) -> dict[str, Any]:
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        return {"study": path.stem, **read_yaml(path)}
    return load_recipe(source)


def _override(plain: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Apply overrides; naming one noise axis may displace the default of another."""
    for key in overrides:
        check_name("option", key, KEYS)
    named = [axis for axis in NOISE_AXES if overrides.get(axis) is not None]
    if "learning_rate" in named and len(named) < 3:
        dropped = "batch_size" if "temperature" in named else "temperature"
        plain[dropped] = None
    return {**plain, **overrides}


def check_growth(before: StudySpec, after: StudySpec) -> None:
    """Raise unless everything that `before` asked for is part of `after`.

    Raises
    ------
    InvalidSettingError
        Naming the first setting that shrank or changed its meaning.
    """
    old, new = before.to_plain(), after.to_plain()
    for key in KEYS:
        if old.get(key) != new.get(key) and not _grows(key, old.get(key), new.get(key), before):
            raise InvalidSettingError(
                f"the folder was measured with {key}={old.get(key)!r}; {key}={new.get(key)!r} "
                f"would change its meaning. {_remedy(key, old.get(key), new.get(key))}"
            )


def _grows(key: str, old: Any, new: Any, before: StudySpec) -> bool:
    if key == "thresholds" or (key == "backend" and new == "auto"):
        return True
    if key == "objective":
        return before.is_planned
    if key in ("n_seeds", "n_trials"):
        return isinstance(new, int) and new >= (old or 0)
    if key.startswith("comparison_"):
        return old is None or (new is not None and _contains(key[11:], old, new))
    return key in AXES and None not in (old, new) and _contains(key, old, new)


def _contains(key: str, old: Any, new: Any) -> bool:
    if WINDOW in (old, new):
        return False
    before, after = parse_axis(key, old), parse_axis(key, new)
    if isinstance(before, LogAxis) and isinstance(after, LogAxis) and before == after:
        return True
    return set(before.values()) <= set(after.values())


def _remedy(key: str, old: Any, new: Any) -> str:
    if key in ("n_seeds", "n_trials"):
        return "Finished trainings are never dropped; choose a larger number or another --out."
    if key in AXES and not isinstance(old, dict | list) and old != WINDOW:
        return f"Ask for both, {key}=[{old}, ...], or choose another folder with --out."
    return "Choose another folder with --out."
