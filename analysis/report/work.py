"""A paper, a data set or a program: how it reads in a list and as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Work:
    """A paper, a data set or a program."""

    key: str
    """BibTeX key."""
    kind: str
    """BibTeX type: ``article``, ``inproceedings`` or ``misc``."""
    authors: str
    """Authors as BibTeX writes them, joined by ``and``."""
    title: str
    year: int
    fields: Mapping[str, str] = field(default_factory=dict)
    """Further BibTeX fields: journal, volume, pages, doi, eprint, url."""

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

        >>> from analysis.report.works import WORKS
        >>> WORKS["numpy"].sentence()
        'Harris et al., Array programming with NumPy, Nature 585, 357-362 (2020)'
        """
        names = [_family_name(author) for author in self.authors.split(" and ")]
        who = f"{names[0]} et al." if len(names) > 3 else ", ".join(names[:-1])
        if len(names) <= 3:
            who += f"{' and ' if who else ''}{names[-1]}"
        places = ("journal", "booktitle", "howpublished", "volume")
        place = " ".join(self.fields[name] for name in places if name in self.fields)
        if "pages" in self.fields:
            place += f", {self.fields['pages'].replace('--', '-')}"
        if "eprint" in self.fields:
            place += f"{', ' if place else ''}arXiv:{self.fields['eprint']}"
        return f"{who}, {self.title}{', ' if place else ''}{place} ({self.year})"

    def bibtex(self) -> str:
        """Return the BibTeX entry."""
        entries = {"author": self.authors, "title": f"{{{self.title}}}", "year": str(self.year)}
        entries |= dict(self.fields)
        if "eprint" in entries:
            entries["archiveprefix"] = "arXiv"
        lines = [f"  {name} = {{{_escaped(value)}}}," for name, value in entries.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def _escaped(text: str) -> str:
    return text.replace("&", r"\&")


def _family_name(author: str) -> str:
    return author.strip("{}").partition(",")[0]
