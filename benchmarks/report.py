"""How fast reports open: weight of the page, time to load it from disk in Chromium.

``python -m benchmarks.report FOLDER...`` opens the report of each study and rewrites the section
of docs/benchmarks.md; ``--print`` prints it instead. Limits: 3 MB and 2 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.machine import ROOT, publish

sys.path.insert(0, str(ROOT / "tests" / "support"))

from browser import Browser, find_browser, running_browser

TITLE = "## Opening a report"
REPEATS = 7
LIMIT_MB, LIMIT_SECONDS = 3.0, 2.0
_TIMES = (
    "(() => { const t = performance.getEntriesByType('navigation')[0];"
    " const p = performance.getEntriesByName('first-contentful-paint')[0];"
    " return [t.domContentLoadedEventEnd, t.loadEventEnd, p ? p.startTime : null]; })()"
)


def load_times(browser: Browser, report: Path) -> tuple[float, float, float]:
    """Return the medians of DOM ready, load and first paint in milliseconds, of fresh pages."""
    taken = []
    for _ in range(REPEATS):
        with browser.page(1280, 900) as page:
            page.open(report.as_uri())
            page.wait_for(f"{_TIMES}[1] > 0 && {_TIMES}[2] !== null")
            taken.append(page.evaluate(_TIMES))
    ready, load, paint = (statistics.median(column) for column in zip(*taken, strict=True))
    return ready, load, paint


def section(folders: list[Path]) -> str:
    """Return the section of the page."""
    program = find_browser()
    if program is None:
        sys.exit("no Chromium is installed")
    lines = [
        TITLE,
        "",
        "`report.html` opened from disk in headless Chromium, median of "
        f"{REPEATS} fresh pages; times from the start of the navigation (navigation timing). "
        f"Limits: {LIMIT_MB:g} MB, {LIMIT_SECONDS:g} s. Rewritten by `make bench-report`.",
        "",
        "| study | page, MB | first paint, ms | DOM ready, ms | loaded, ms | within limits |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    with running_browser(program) as browser:
        for folder in folders:
            report = folder.absolute() / "report.html"
            size = report.stat().st_size / 1e6
            ready, load, paint = load_times(browser, report)
            within = size < LIMIT_MB and load < 1000 * LIMIT_SECONDS
            lines.append(
                f"| {folder.name} | {size:.2f} | {paint:.0f} | {ready:.0f} | {load:.0f} | "
                f"{'yes' if within else 'no'} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders of studies")
    parser.add_argument("--print", action="store_true", dest="shown", help="docs stay untouched")
    given = parser.parse_args()
    publish(section(given.folders), given.shown)


if __name__ == "__main__":
    main()
