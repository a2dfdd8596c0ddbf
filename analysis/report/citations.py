"""What a result rests on, as BibTeX: the papers behind a quantity, the data and the software.

A report names keys of :data:`analysis.report.works.WORKS`; the page lists them, and
``references.bib`` holds them ready for a paper.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from analysis.report.works import WORKS, Work

__all__ = ["SOFTWARE", "WORKS", "CiteWorkError", "Work", "bibtex", "works"]

SOFTWARE = ("sgd-thermometer", "numpy", "scipy", "pandas", "matplotlib")
"""What every report rests on."""


class CiteWorkError(ValueError):
    """A key that names no known work; the message is one sentence meant for the user."""


def works(keys: Iterable[str]) -> tuple[Work, ...]:
    """Return the works of these keys, each once, in their order.

    Raises
    ------
    CiteWorkError
        For a key of no known work.
    """
    found = {}
    for key in keys:
        if key not in WORKS:
            near = difflib.get_close_matches(key, WORKS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise CiteWorkError(f"no work has the key {key!r}{hint}")
        found[key] = WORKS[key]
    return tuple(found.values())


def bibtex(keys: Iterable[str]) -> str:
    """Return the BibTeX entries of these keys, each once, in their order."""
    return "\n\n".join(work.entry for work in works(keys)) + "\n"
