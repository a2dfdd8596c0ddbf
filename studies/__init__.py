"""Many experiments: the only layer that knows Ray, Optuna and MLflow.

Importing it imports none of them: :class:`Study` and its companions load on first use.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

_LAZY = {
    "Study": "studies.study",
    "RunOptions": "studies.study",
    "StudySpec": "studies.specs.spec",
    "resolve_spec": "studies.specs.resolve",
}

__all__ = ["RunOptions", "Study", "StudySpec", "resolve_spec"]


def _check_siblings() -> None:
    """Refuse to run with a foreign package of the same name as one of ours."""
    home = Path(__file__).resolve().parent.parent
    for name in ("analysis", "search_spaces", "trainers"):
        found = importlib.util.find_spec(name)
        origin = getattr(found, "origin", None)
        if origin is None or Path(origin).resolve().parent.parent != home:
            raise ImportError(
                f"the package {name!r} was found at {origin}, but sgd-thermometer's is in {home}; "
                "run from another folder, or use the console script 'thermometer'"
            )


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'studies' has no attribute {name!r}")


_check_siblings()
