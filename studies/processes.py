"""The one way in which another Python is started for a study."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def start_python(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None, **streams: Any
) -> subprocess.Popen[bytes]:
    """Start a module in a process of its own, which Ctrl-C in the terminal does not reach.

    Files of the working folder are never taken for modules, there and in what it starts itself.
    It leads a process group, so that all of that can be ended together.

    Parameters
    ----------
    environment
        Variables that it has besides those of this process.
    streams
        `stdin`, `stdout` and `stderr`, as :class:`subprocess.Popen` takes them.
    """
    variables = {**os.environ, **(environment or {}), "PYTHONSAFEPATH": "1"}
    home = Path(__file__).resolve().parents[1]
    if home.name not in ("site-packages", "dist-packages"):
        # A source tree that was found because it is the working folder.
        paths = (variables.get("PYTHONPATH", ""), str(home))
        variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    command = [sys.executable, "-P", "-m", module, *arguments]
    return subprocess.Popen(command, env=variables, start_new_session=True, **streams)
