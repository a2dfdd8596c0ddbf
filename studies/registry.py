"""Names of what a study is made of: ours, those of installed packages, those of this process.

A package of a user's offers an experiment, a kind or a recipe as an entry point, for example::

    [project.entry-points."sgd_thermometer.kinds"]
    my-study = "my_package.kind:KIND"
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name

T = TypeVar("T")


def load_object(path: str) -> Any:
    """Return what ``"module:name"`` names; its module is imported only now."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def offered(group: str) -> dict[str, EntryPoint]:
    """Return the entry points that installed packages have in a group, by name, sorted."""
    return {each.name: each for each in sorted(entry_points(group=f"sgd_thermometer.{group}"))}


class Registry(Generic[T]):
    """What has a name and is loaded when it is asked for.

    Parameters
    ----------
    what
        What the names are of, for messages.
    group
        Group of entry points, without ``sgd_thermometer.``.
    own
        What is ours by name, or its ``"module:name"``.
    """

    def __init__(self, what: str, group: str, own: Mapping[str, T | str]) -> None:
        self._what = what
        self._group = group
        self._own = own
        self._loaded: dict[str, T] = {}

    def names(self) -> tuple[str, ...]:
        """Return all names: ours first, then those of packages and of this process."""
        return tuple(dict.fromkeys((*self._own, *offered(self._group), *self._loaded)))

    def add(self, name: str, value: T) -> None:
        """Make a thing of one's own known in this process."""
        self._loaded[name] = value

    def load(self, name: str) -> T:
        """Return what has a name.

        Raises
        ------
        InvalidSettingError
            For an unknown name, and for a package's thing that cannot be imported.
        """
        # A value from a YAML file may be anything.
        if not isinstance(name, str) or name not in self._loaded:
            self._loaded[name] = self._find(name)
        return self._loaded[name]

    def _find(self, name: str) -> T:
        if isinstance(name, str) and name in self._own:
            own = self._own[name]
            return self._made(load_object(own) if isinstance(own, str) else own)
        found = offered(self._group).get(check_name(self._what, name, self.names()))
        assert found is not None
        try:
            return self._made(found.load())
        except (ImportError, AttributeError) as error:
            raise InvalidSettingError(
                f"{self._what}={name} of {found.value} cannot be loaded: {error}"
            ) from None

    @staticmethod
    def _made(thing: Any) -> T:
        """Return an instance; a class is made without arguments."""
        made: T = thing() if isinstance(thing, type) else thing
        return made
