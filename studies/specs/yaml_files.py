"""YAML files and the recipes that ship with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from studies.registry import offered

_OURS = resources.files("studies") / "recipes"


def recipe_names() -> tuple[str, ...]:
    """Return the names of the studies of this package and of a user's installed ones."""
    ours = (e.name.removesuffix(".yaml") for e in _OURS.iterdir() if e.name.endswith(".yaml"))
    return tuple(sorted({*ours, *offered("recipes")}))


def load_recipe(name: str) -> dict[str, Any]:
    """Return the plain recipe of a study that comes with a package.

    An entry point of the group ``sgd_thermometer.recipes`` names the package in which
    ``NAME.yaml`` lies.
    """
    file = _OURS / f"{name}.yaml"
    if "/" in name or not file.is_file():
        found = offered("recipes").get(check_name("study", name, recipe_names()))
        assert found is not None
        file = resources.files(found.value) / f"{name}.yaml"
    plain: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
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
