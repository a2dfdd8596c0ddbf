"""Every entry is whole BibTeX, and a key never changes its meaning."""

from __future__ import annotations

import re

import pytest

from analysis.report.citations import WORKS, CiteWorkError, bibtex, works


def test_entries_are_balanced_and_complete() -> None:
    text = bibtex(WORKS)
    entries = re.split(r"\n\n", text.strip())
    assert len(entries) == len(WORKS)
    for entry in entries:
        assert re.match(r"@(article|inproceedings|misc)\{[a-z0-9-]+,\n", entry)
        assert entry.count("{") == entry.count("}")
        assert not re.search(r"(?<!\\)[&%#]", entry)
        for name in ("author", "title", "year"):
            assert len(re.findall(rf"^  {name} = ", entry, re.MULTILINE)) == 1


def test_keys_are_listed_once_and_in_order() -> None:
    assert [work.key for work in works(["scipy", "digits", "scipy"])] == ["scipy", "digits"]


def test_unknown_key() -> None:
    with pytest.raises(CiteWorkError, match="no work has the key 'numpi'; did you mean 'numpy'"):
        works(["numpi"])


def test_addresses_prefer_the_published_version() -> None:
    assert WORKS["sclocchi2024regimes"].url == "https://doi.org/10.1073/pnas.2316301121"
    assert WORKS["sclocchi2023dissecting"].url == "https://arxiv.org/abs/2301.13703"
    assert WORKS["cifar10"].url == ""
