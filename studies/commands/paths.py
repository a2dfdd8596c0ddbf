"""Paths as the user would type them."""

from __future__ import annotations

import shlex
from pathlib import Path


def shown_path(path: Path) -> str:
    """Return a path relative to the working folder where it lies inside."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def typed_path(path: Path) -> str:
    """Return a path as it has to be typed in a shell.

    >>> typed_path(Path("runs/my study"))
    "'runs/my study'"
    """
    return shlex.quote(shown_path(path))
