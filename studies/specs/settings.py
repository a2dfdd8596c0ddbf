"""The settings of a study beside those of its experiment: one row each.

A row says all there is to know of a setting: its default, how it is read, whether a study that
has been measured may change it, for which studies it matters, and what it means. Reading and
writing a spec, growth, listing, completion and the schema for editors are made from these rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from search_spaces import InvalidSettingError
from search_spaces.axes import AXES
from search_spaces.choices import check_name
from search_spaces.grid import Setting
from search_spaces.numbers import number_from_text, positive_integer, positive_number
from studies.contracts import Asked
from studies.kinds import KINDS
from studies.specs.design import ADAPTIVE, GRID

TEXT_KEYS = ("study", "title", "measures", "question")
OBJECTIVES = ("test_error", "relative_weight_change", "training_time", "train_error")
SAMPLERS = ("grid", "sobol", "random", "tpe")

Growth = Callable[[Asked, Asked, Any, Any], bool]
"""Whether everything that a study asked for is part of another one: takes both specs and the
plain values of the setting, which differ."""


def _never(before: Asked, after: Asked, old: Any, new: Any) -> bool:
    return False


def _always(spec: Asked) -> bool:
    return True


@dataclass(frozen=True)
class StudySetting(Setting):
    """A setting that all kinds of studies have."""

    grows: Growth = _never
    matters: Callable[[Asked], bool] = _always
    """Whether a report shows it."""


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


def _read_sampler(name: str, raw: Any) -> str:
    given = str(raw)
    return given if "." in given else check_name(name, given, (*SAMPLERS, "DOTTED.PATH"))


def _read_count(name: str, raw: Any) -> int | None:
    return None if raw is None else positive_integer(name, raw)


def _read_seed(name: str, raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise InvalidSettingError(f"{name}={raw!r} must be a whole number >= 0")
    return raw


def _scans_grow(before: Asked, after: Asked, old: Any, new: Any) -> bool:
    """Whether every scan is still there with all its configurations and seeds."""
    return None not in (old, new) and all(
        name in after.scans
        and {p.identity for p in scan.points()} <= {p.identity for p in after.scans[name].points()}
        and set(scan.seeds) <= set(after.scans[name].seeds)
        for name, scan in before.scans.items()
    )


def _compared(axis: str) -> Growth:
    return lambda before, after, old, new: (
        old is None or (new is not None and before.experiment.grows(axis, old, new))
    )


def at_least(before: Asked, after: Asked, old: Any, new: Any) -> bool:
    """Whether a number has not become smaller."""
    return isinstance(new, int) and new >= (old or 0)


def _heeded(name: str) -> Callable[[Asked], bool]:
    return lambda spec: name in KINDS.load(spec.kind).options


def _is_sampled(spec: Asked) -> bool:
    return spec.sampler != "grid"


_ROWS = (
    StudySetting("kind", "critical-temperature", None, "What is made of the table", KINDS.names),
    StudySetting("scans", None, None, "Named scans: what each sets otherwise", (), _scans_grow),
    StudySetting(
        "comparison_batch_size", None, None, "Other batch sizes, for the ratio of weight changes",
        (), _compared("batch_size"),
    ),
    StudySetting(
        "comparison_temperature", None, None, "Temperatures of that comparison",
        (), _compared("temperature"),
    ),
    StudySetting(
        "thresholds", [0.1, 0.02, 0.05, 0.2], lambda name, raw: read_thresholds(raw),
        "Relative weight changes c that define T_lazy(c), the headline first", (),
        # An adaptive curve was measured where it crosses the headline.
        lambda before, after, old, new: not before.is_adaptive or old[0] == new[0],
        _heeded("thresholds"),
    ),
    StudySetting(
        "backend", "auto", lambda name, raw: str(raw), "Which implementation trains",
        ("auto", "any", "numba", "torch-replicas", "torch"),
        lambda before, after, old, new: new in ("auto", "any"),
    ),
    StudySetting(
        "design", None, None, "Temperatures planned, or chosen by each curve; null by their cost",
        (GRID, ADAPTIVE), _never, _heeded("design"),
    ),
    StudySetting(
        "tolerance", 0.05, lambda name, raw: positive_number(name, number_from_text(raw)),
        "Standard deviation of ln T_c at which an adaptive curve is located", (),
        lambda before, after, old, new: not before.is_adaptive or new <= old,
        lambda spec: spec.is_adaptive,
    ),
    StudySetting(
        "extension", None, None, "Temperatures added where none bracketed T_c; [] for none", (),
        lambda before, after, old, new: old is None, _heeded("extension"),
    ),
    StudySetting(
        "sampler", "grid", _read_sampler,
        "The grid, or who chooses points; also the dotted path of an Optuna sampler", SAMPLERS,
    ),
    StudySetting(
        "n_trials", None, _read_count, "Configurations that a sampler tries", (), at_least
    ),
    StudySetting("search_each", None, None, "Axis with one search per value", AXES),
    StudySetting(
        "objective", "test_error", None, "The column whose mean a sampler makes small", OBJECTIVES,
        lambda before, after, old, new: before.is_planned, _is_sampled,
    ),
    StudySetting(
        "sampler_seed", 0, _read_seed, "Seed of the sampler", (), _never, _is_sampled
    ),
)  # fmt: skip
STUDY_SETTINGS = {row.name: row for row in _ROWS}
"""The settings by name."""
