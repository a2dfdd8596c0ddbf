"""Pictures of MLflow's pages and of the report for the documentation.

``make screenshots`` runs it on the demo's folder; it needs Chromium. MLflow's pages change with
its versions, and so does what is clicked here.
"""

import sys
import time
from pathlib import Path

from studies.folder import StudyFolder
from studies.server import comparison_address, free_port, mlflow_server
from studies.tracking import configuration_runs
from studies.tracking_uri import store_uri

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
sys.path.insert(0, str(ROOT / "tests" / "support"))

from browser import Page, find_browser, running_browser  # noqa: E402

_CLOSE = 'document.querySelector(\'button[aria-label="Close"], [aria-label*="lose ssistant"]\')'


_WITHOUT_ASSISTANT = (1110, 740)
"""Width and height of the pictures; a panel of MLflow stands on the right of them."""


def settle() -> None:
    """Wait until a drawing has come to rest."""
    time.sleep(4)


def choose(page: Page, selector: str, option: str) -> None:
    """Choose an option of one of the lists beside a plot."""
    page.click(f"document.getElementById('{selector}')")
    page.click(
        "[...document.querySelectorAll('[role=option]')]"
        f".find(e => e.innerText.trim() === '{option}')"
    )


def draw_comparison(page: Page, address: str) -> None:
    """Parallel coordinates, scatter and contour of the study's configurations."""
    page.open(address)
    page.wait_for("document.body.innerText.includes('Parallel Coordinates Plot')", 120)
    settle()
    page.screenshot(FIGURES / "mlflow-parallel.png", size=_WITHOUT_ASSISTANT)
    plots = {
        "Scatter": {"x-axis-selector": "temperature", "y-axis-selector": "test_error"},
        "Contour": {
            "xaxis-selector": "temperature",
            "yaxis-selector": "n_train",
            "zaxis-selector": "test_error",
        },
    }
    for name, axes in plots.items():
        page.click(
            f"[...document.querySelectorAll('[role=tab]')].find(e => /{name}/.test(e.innerText))"
        )
        settle()
        for selector, option in axes.items():
            choose(page, selector, option)
        settle()
        page.screenshot(FIGURES / f"mlflow-{name.lower()}.png", size=_WITHOUT_ASSISTANT)


def main(folder: Path) -> None:
    """Draw all pictures from the study in a folder."""
    study = StudyFolder.existing(folder)
    program = find_browser()
    if program is None:
        sys.exit("no Chromium is installed")
    with running_browser(program) as browser:
        with browser.page(1100, 820) as page:
            page.open(study.report.as_uri())
            page.screenshot(FIGURES / "report.png", whole=False)
        server = mlflow_server(store_uri(study), study.artifacts, free_port(5960))
        with server as (base, _), browser.page(1500, 760) as page:
            draw_comparison(page, comparison_address(base, *configuration_runs(study)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs" / "critical-temperature")
