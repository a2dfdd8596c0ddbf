"""Tiers of the tests, and which tests share a process when they run in parallel.

A test belongs to `make test` unless it carries a marker of :data:`SECOND`, by itself, by its
module, or by a fixture that needs what the marker names. The tests of a file run one after
another in one process, since they share fixtures; what is marked `apart` shares none that is
costly, lasts, and runs wherever there is room, before all others.
"""

from __future__ import annotations

import pytest

SECOND = {
    "browser": ("browser", "axe"),
    "cluster": ("nodes", "ray_study"),
    "docs": (),
    "outage": ("start_thermometer",),
    "postgres": ("postgres", "database"),
}
"""Markers of the second tier, and the fixtures whose tests carry them."""


def place(items: list[pytest.Item], parallel: bool) -> None:
    """Mark collected tests with their tier and, for pytest-xdist, with their group."""
    for item in items:
        for marker, fixtures in SECOND.items():
            if set(fixtures) & set(getattr(item, "fixturenames", ())):
                item.add_marker(marker)
        if parallel and not is_apart(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: not is_apart(item))


def is_apart(item: pytest.Item) -> bool:
    """Whether a test may run beside those of its file."""
    return item.get_closest_marker("apart") is not None
