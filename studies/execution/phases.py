"""The phases of a run: announced on a terminal, timed for the closing table.

A run starts its executor, trains, analyses, writes the report and logs to MLflow. Trainings have
a bar of their own (`studies.execution.progress`); the other phases are named when they begin.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

STARTING, TRAINING, ANALYSIS, REPORT, TRACKING = (
    "starting",
    "training",
    "analysis",
    "report",
    "MLflow",
)


class Phases:
    """Wall time by phase.

    Parameters
    ----------
    quiet
        Announce nothing; in a pipe nothing is announced anyway.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._speaks = not quiet and sys.stderr.isatty()
        self.seconds: dict[str, float] = {}
        """Wall time of every phase so far, in the order in which they began."""

    @contextmanager
    def phase(self, name: str, shown: str = "") -> Iterator[None]:
        """Time what happens inside; phases of one name add up.

        `shown` is announced on a terminal while the phase lasts, with its time at its end.
        """
        if shown and self._speaks:
            sys.stderr.write(f"{shown} ...")
            sys.stderr.flush()
        start = time.monotonic()
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            took = time.monotonic() - start
            self.seconds[name] += took
            if shown and self._speaks:
                sys.stderr.write(f" {took:.1f} s\n")
