"""A study may hold several named scans; they share its settings and override some of them.

Written in YAML as::

    scans:
      sizes: {n_train: [256, 512, 1024], temperature: 100}
      temperatures: {n_train: 1024, temperature: log(0.3, 1000, 2), n_seeds: 12}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from search_spaces.space import NOISE_AXES
from studies.contracts import Experiment, Space


def read_scans(raw: Any, shared: Mapping[str, Any], experiment: Experiment) -> dict[str, Space]:
    """Return the space of every scan by name; none if `raw` is None.

    Parameters
    ----------
    raw
        Mapping of names to settings.
    shared
        Plain settings of the study, which every scan has unless it names its own.
    experiment
        What is scanned.

    Raises
    ------
    InvalidSettingError
        For an unknown key or an invalid value, with the name of the scan.
    """
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or not raw:
        raise InvalidSettingError(f"scans={raw!r} must map names to settings")
    return {str(name): _space(str(name), own, shared, experiment) for name, own in raw.items()}


def _space(name: str, own: Any, shared: Mapping[str, Any], experiment: Experiment) -> Space:
    if not isinstance(own, Mapping):
        raise InvalidSettingError(f"scans.{name}={own!r} must map settings to values")
    for key in own:
        check_name(f"setting of scans.{name}", key, experiment.keys)
    try:
        settings = override_noise(shared, own)
        return experiment.space(
            **{key: settings[key] for key in settings if key in experiment.keys}
        )
    except InvalidSettingError as error:
        raise InvalidSettingError(f"scans.{name}: {error}") from None


def override_noise(plain: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Apply overrides; naming the learning rate displaces one of the other noise axes.

    Naming `active_fraction` displaces the batch size, and its comparison with others.

    >>> override_noise({"temperature": 0.1, "batch_size": 1}, {"learning_rate": 2})
    {'temperature': None, 'batch_size': 1, 'learning_rate': 2}
    """
    kept = dict(plain)
    named = [axis for axis in NOISE_AXES if overrides.get(axis) is not None]
    if "learning_rate" in named and len(named) < 3:
        displaced = "batch_size" if "temperature" in named else "temperature"
        # An experiment that is not a training may have a learning rate and no T = eta/B.
        if displaced in kept:
            kept[displaced] = None
    if overrides.get("active_fraction") is not None:  # the mean batch is b P
        displaced_sizes = ("batch_size", "comparison_batch_size", "comparison_temperature")
        kept |= {name: None for name in displaced_sizes if kept.get(name) is not None}
    return {**kept, **overrides}
