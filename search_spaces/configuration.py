"""A configuration of an experiment that is not a training: named settings with an identity.

Trainings have :class:`search_spaces.point.Point`, which knows T = eta/B. Every other experiment (a
two-time measurement, escapes of a diffusion, gradient samples) declares its settings, and its
configurations are plain mappings that behave like a point towards ledger, table and tracking.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search_spaces.numbers import significant


@dataclass(frozen=True)
class Configuration:
    """Settings of one run of an experiment, complete and immutable.

    >>> c = Configuration.create("escape", {"noise": "levy", "tail_index": 1.5})
    >>> c["tail_index"], Configuration.create(**c.parts()) == c
    (1.5, True)
    """

    experiment: str
    """Which experiment it is a configuration of."""
    settings: tuple[tuple[str, Any], ...]
    """Names and values, in the order in which the experiment declares them."""

    @classmethod
    def create(cls, experiment: str, settings: Mapping[str, Any]) -> Configuration:
        """Build a configuration; numbers are rounded to twelve digits, lists become tuples."""
        return cls(experiment, tuple((key, _plain(value)) for key, value in settings.items()))

    def __getitem__(self, name: str) -> Any:
        return dict(self.settings)[name]

    def parts(self) -> dict[str, Any]:
        """Return the arguments of :meth:`create`."""
        return {"experiment": self.experiment, "settings": dict(self.settings)}

    @cached_property
    def identity(self) -> str:
        """Hash of the experiment's name and the settings (12 hexadecimal digits)."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """Short text for lists of runs: the settings that are numbers."""
        return " ".join(f"{k}={v:g}" for k, v in self.settings if _is_number(v))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, with the name of the experiment."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in self.settings}
        return {"experiment": self.experiment, **plain}

    def columns(self) -> dict[str, Any]:
        """Return the columns of a table that describe the configuration."""
        return {"point": self.identity, **dict(self.settings)}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return significant(value) if isinstance(value, float) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
