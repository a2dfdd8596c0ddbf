"""How the spec of a folder may change: it may grow, but never change what was measured."""

from __future__ import annotations

from typing import Any

from search_spaces import InvalidSettingError
from search_spaces.axes import AXES
from search_spaces.windows import read_window
from studies.specs.settings import STUDY_SETTINGS, at_least
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
    if key in STUDY_SETTINGS:
        return STUDY_SETTINGS[key].grows(before, after, old, new)
    if key == "n_seeds":
        return at_least(before, after, old, new)
    if key == "temperature" and before.is_adaptive:
        return False
    return before.experiment.grows(key, old, new)


def _remedy(key: str, old: Any, new: Any) -> str:
    if key == "tolerance":
        return "A smaller tolerance adds trainings; choose a larger one with another --out."
    if key in ("n_seeds", "n_trials"):
        return "Finished trainings are never dropped; choose a larger number or another --out."
    if key in AXES and not isinstance(old, dict | list) and not read_window(old):
        return f"Ask for both, {key}=[{old}, ...], or choose another folder with --out."
    return "Choose another folder with --out."
