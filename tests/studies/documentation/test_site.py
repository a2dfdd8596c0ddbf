"""The site that `make docs` builds: no dead link, every page within reach, no barriers.

The tests read build/site, or the folder that SGD_THERMOMETER_SITE names, and skip without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import REQUIRED

pytestmark = pytest.mark.docs
SITE = Path(
    os.environ.get("SGD_THERMOMETER_SITE", Path(__file__).resolve().parents[3] / "build" / "site")
)
LOOKED_AT = (
    "index.html",
    "studies.html",
    "concepts.html",
    "theory/critical-temperature.html",
    "howto/report.html",
    "verification/study.html",
    "gallery/find_your_critical_temperature.html",
    "api/analysis.html",
)


class Links(HTMLParser):
    """Addresses that a page points to, and the places in it that can be pointed to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.addresses.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


@pytest.fixture(scope="module")
def site() -> dict[Path, Links]:
    """Return the links of every page of the site."""
    if not (SITE / "index.html").is_file():
        missing = pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip
        missing("no site in build/site; 'make docs' builds it")
    return {
        page.resolve(): Links(page) for page in SITE.rglob("*.html") if page.name != "404.html"
    }


def targets(page: Path, links: Links) -> Iterator[tuple[Path, str, str]]:
    """Yield file, place and address of every link to a file of the site."""
    for address in links.addresses:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        yield path, unquote(parts.fragment), address


def test_no_link_is_dead(site: dict[Path, Links]) -> None:
    dead = []
    for page, links in site.items():
        for path, place, address in targets(page, links):
            lost = place and path in site and place not in site[path].places
            if not path.is_file() or lost:
                dead.append(f"{page.relative_to(SITE.resolve())}: {address}")
    assert dead == []


def test_every_page_is_reached_from_the_first(site: dict[Path, Links]) -> None:
    first = (SITE / "index.html").resolve()
    reached, waiting = {first}, [first]
    while waiting:
        page = waiting.pop()
        found = {path for path, *_ in targets(page, site[page]) if path in site} - reached
        reached |= found
        waiting += found
    apart = {page.name for page in site} - {page.name for page in reached}
    assert apart - {"search.html"} == set()


@pytest.mark.parametrize("name", LOOKED_AT)
def test_pages_without_barriers(site: dict[Path, Links], browser, axe: str, name: str) -> None:
    assert (SITE / name).resolve() in site
    with browser.page(400) as page:
        page.open((SITE / name).resolve().as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        for scheme in ("light", "dark"):
            page.show_as(scheme)
            assert page.serious_findings(axe) == []
