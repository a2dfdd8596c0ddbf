"""Pictures of MLflow's pages and of the report for the documentation.

``make screenshots`` runs it on the folders of the demo and of a phase diagram; it needs Chromium.
MLflow's pages change with its versions, and so does what is clicked here.
"""

import sys
import time
from pathlib import Path

from studies.folder import StudyFolder
from studies.tracking.client import import_mlflow
from studies.tracking.feed import configuration_runs
from studies.tracking.server import comparison_address, free_port, mlflow_server
from studies.tracking.uri import store_uri

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


SCATTER = {"x-axis-selector": "temperature", "y-axis-selector": "test_error"}
CONTOUR = {
    "xaxis-selector": "alpha",
    "yaxis-selector": "temperature",
    "zaxis-selector": "test_error",
}


def open_comparison(page: Page, address: str) -> None:
    """Open the page that compares configurations; it starts with parallel coordinates."""
    page.open(address)
    page.wait_for("document.body.innerText.includes('Parallel Coordinates Plot')", 120)
    settle()


def draw(page: Page, name: str, axes: dict[str, str]) -> None:
    """Draw the scatter or the contour of what is compared, with these axes."""
    page.click(
        f"[...document.querySelectorAll('[role=tab]')].find(e => /{name}/.test(e.innerText))"
    )
    settle()
    for selector, option in axes.items():
        choose(page, selector, option)
    settle()
    page.screenshot(FIGURES / f"mlflow-{name.lower()}.png", size=_WITHOUT_ASSISTANT)


def feature_runs(study: StudyFolder, largest_alpha: float, hottest: float) -> list[str]:
    """Return the runs up to some alpha and T: MLflow's axes are linear, a plane is decades."""
    client = import_mlflow().MlflowClient(tracking_uri=store_uri(study))
    experiment, runs = configuration_runs(study)
    chosen = []
    for run in client.search_runs([experiment], max_results=1000):
        parameters = run.data.params
        if run.info.run_id in runs and float(parameters["temperature"]) <= hottest:
            chosen += [run.info.run_id] * (float(parameters["alpha"]) <= largest_alpha)
    return chosen


def main(folder: Path, plane: Path) -> None:
    """Draw all pictures from a study of temperatures and one of the (alpha, T) plane."""
    study, phases = (StudyFolder.existing(path) for path in (folder, plane))
    program = find_browser()
    if program is None:
        sys.exit("no Chromium is installed")
    with running_browser(program) as browser:
        with browser.page(1100, 820) as page:
            page.open(study.report.as_uri())
            page.screenshot(FIGURES / "report.png", whole=False)
        server = mlflow_server(store_uri(study), study.artifacts, free_port(5960))
        with server as (base, _), browser.page(1500, 760) as page:
            open_comparison(page, comparison_address(base, *configuration_runs(study)))
            page.screenshot(FIGURES / "mlflow-parallel.png", size=_WITHOUT_ASSISTANT)
            draw(page, "Scatter", SCATTER)
        server = mlflow_server(store_uri(phases), phases.artifacts, free_port(5970))
        with server as (base, _), browser.page(1500, 760) as page:
            experiment, _ = configuration_runs(phases)
            runs = feature_runs(phases, largest_alpha=1.0, hottest=1.0)
            open_comparison(page, comparison_address(base, experiment, runs))
            draw(page, "Contour", CONTOUR)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
