"""YAML files and the recipes that ship with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name


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
