"""Papers, data sets and programs that results rest on, read from ``references.bib``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, resources

_ENTRY = re.compile(r"^@(\w+)\{([^,]+),\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", re.MULTILINE)


@dataclass(frozen=True)
class Work:
    """A paper, a data set or a program."""

    key: str
    """BibTeX key."""
    fields: Mapping[str, str]
    """BibTeX fields: author, title, year, journal, volume, pages, doi, eprint, url."""
    entry: str
    """The BibTeX entry."""

    @property
    def url(self) -> str:
        """Where it can be read; empty if it has no address."""
        if "doi" in self.fields:
            return f"https://doi.org/{self.fields['doi']}"
        if "eprint" in self.fields:
            return f"https://arxiv.org/abs/{self.fields['eprint']}"
        return self.fields.get("url", "")

    def sentence(self) -> str:
        """Return the work as a line of a list of references.

        >>> WORKS["numpy"].sentence()
        'Harris et al., Array programming with NumPy, Nature 585, 357-362 (2020)'
        """
        names = [_family_name(author) for author in self.fields["author"].split(" and ")]
        who = f"{names[0]} et al." if len(names) > 3 else ", ".join(names[:-1])
        if len(names) <= 3:
            who += f"{' and ' if who else ''}{names[-1]}"
        places = ("journal", "booktitle", "howpublished", "volume")
        place = " ".join(self.fields[name] for name in places if name in self.fields)
        if "pages" in self.fields:
            place += f", {self.fields['pages'].replace('--', '-')}"
        if "eprint" in self.fields:
            place += f"{', ' if place else ''}arXiv:{self.fields['eprint']}"
        title, year = self.fields["title"].strip("{}"), self.fields["year"]
        return f"{who}, {title}{', ' if place else ''}{place} ({year})"


def _family_name(author: str) -> str:
    return author.strip("{}").partition(",")[0]


def _own_version() -> str:
    try:
        return metadata.version("sgd-thermometer")
    except metadata.PackageNotFoundError:
        return "unknown"


def read_works() -> dict[str, Work]:
    """Return every work of ``references.bib`` by its key."""
    text = resources.files("analysis.report").joinpath("references.bib").read_text("utf-8")
    text = text.replace("VERSION", _own_version())
    return {
        match[2]: Work(match[2], dict(_FIELD.findall(match[3].replace(r"\&", "&"))), match[0])
        for match in _ENTRY.finditer(text)
    }


WORKS = read_works()
"""Every known work by its key."""
