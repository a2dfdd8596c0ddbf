"""Progress of a long run: done/total, rate and ETA on a terminal, silence in a pipe."""

from __future__ import annotations

import sys

from tqdm import tqdm


class Progress:
    """A bar over trainings, drawn on standard error if that is a terminal.

    Without a total it counts.
    """

    def __init__(self, total: int | None, done: int = 0, quiet: bool = False) -> None:
        self._bar = tqdm(
            total=total,
            initial=done if total is None else min(done, total),
            desc="training",
            unit=" trainings",
            dynamic_ncols=True,
            mininterval=0.2,
            disable=quiet or not sys.stderr.isatty(),
            file=sys.stderr,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def reach(self, done: int) -> None:
        """Show how many trainings are finished, by whomever."""
        self._bar.update(done - self._bar.n)

    def say(self, text: str) -> None:
        """Show a short note beside the bar."""
        self._bar.set_postfix_str(text)
