"""Print a constraints file that asks for the lowest version of every declared dependency."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lowest(requirements: list[str]) -> list[str]:
    """Return ``name==version`` for each ``name>=version,...``."""
    bounds = [re.match(r"([\w-]+)(?:\[.*\])?>=([\w.]+)", text) for text in requirements]
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]


if __name__ == "__main__":
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    sys.stdout.write("\n".join(lowest(project["dependencies"])) + "\n")
