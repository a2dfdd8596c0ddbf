"""How the spec of a folder may change: it may grow, but never change what was measured."""

from __future__ import annotations

from typing import Any

from search_spaces import InvalidSettingError
from search_spaces.axes import AXES
from search_spaces.windows import read_window
from studies.specs.spec import StudySpec


def check_growth(before: StudySpec, after: StudySpec, place: str = "the folder") -> None:
    """Raise unless everything that `before` asked for is part of `after`.

    Parameters
    ----------
    place
        What holds `before`.

    Raises
    ------
    InvalidSettingError
        Naming the first setting that shrank or changed its meaning.
    """
    old, new = before.to_plain(), after.to_plain()
    for key in before.keys:
        if old.get(key) != new.get(key) and not _grows(
            key, old.get(key), new.get(key), before, after
        ):
            raise InvalidSettingError(
                f"{place} was measured with {key}={old.get(key)!r}; {key}={new.get(key)!r} "
                f"would change its meaning. {_remedy(key, old.get(key), new.get(key))}"
            )


def _grows(key: str, old: Any, new: Any, before: StudySpec, after: StudySpec) -> bool:
    if key == "thresholds":
        # An adaptive curve was measured where it crosses the headline.
        return not before.is_adaptive or old[0] == new[0]
    if key == "backend" and new in ("auto", "any"):
        return True
    if key == "objective":
        return before.is_planned
    if key == "scans":
        return old is not None and new is not None and _scans_grow(before, after)
    if key == "tolerance":
        return not before.is_adaptive or new <= old
    if key == "extension":
        return old is None
    if before.is_adaptive and key == "temperature":
        return False
    if key in ("n_seeds", "n_trials"):
        return isinstance(new, int) and new >= (old or 0)
    if key.startswith("comparison_"):
        return old is None or (new is not None and before.experiment.grows(key[11:], old, new))
    return key in before.experiment.keys and before.experiment.grows(key, old, new)


def _scans_grow(before: StudySpec, after: StudySpec) -> bool:
    """Whether every scan is still there with all its configurations and seeds."""
    return all(
        name in after.scans
        and {p.identity for p in scan.points()} <= {p.identity for p in after.scans[name].points()}
        and set(scan.seeds) <= set(after.scans[name].seeds)
        for name, scan in before.scans.items()
    )


def _remedy(key: str, old: Any, new: Any) -> str:
    if key == "tolerance":
        return "A smaller tolerance adds trainings; choose a larger one with another --out."
    if key in ("n_seeds", "n_trials"):
        return "Finished trainings are never dropped; choose a larger number or another --out."
    if key in AXES and not isinstance(old, dict | list) and not read_window(old):
        return f"Ask for both, {key}=[{old}, ...], or choose another folder with --out."
    return "Choose another folder with --out."
