"""MLflow's pages on a study really show it: its runs, its answer, its report, its comparison."""

import pytest

from studies.cli import _run
from studies.folder import StudyFolder
from studies.server import comparison_address, free_port, mlflow_server
from studies.tracking import configuration_runs
from studies.tracking_uri import store_uri

TINY = "temperature: [0.1, 1]\nbatch_size: 1\nn_train: [16, 32]\nn_seeds: 2\n"
NAME = "a & b <i>ü</i>"


@pytest.fixture(scope="module")
def served(browser, tmp_path_factory):
    """Serve the store of a small study; a machine without a browser need not start it."""
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "tiny.yaml").write_text(f"study: '{NAME}'\n{TINY}", encoding="utf-8")
    arguments = ["--executor", "serial", "--out", str(folder / "study")]
    assert _run(["run", str(folder / "tiny.yaml"), *arguments]) == 0
    study = StudyFolder.existing(folder / "study")
    with mlflow_server(store_uri(study), study.artifacts, free_port(5988)) as (base, _):
        experiment, runs = configuration_runs(study)
        parent = study.read_state()["mlflow"]["run_id"]
        yield {
            "runs": comparison_address(base, experiment, []),
            "answer": f"{base}/#/experiments/{experiment}/runs/{parent}",
            "report": f"{base}/#/experiments/{experiment}/runs/{parent}/artifacts/report.html",
            "comparison": comparison_address(base, experiment, runs),
        }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("runs", ["matching runs", NAME]),
        ("answer", [NAME, "exponent not determined", "The report"]),
        ("report", ["report.html", "references.bib"]),
        ("comparison", ["Comparing 4 Runs", "Parallel Coordinates Plot"]),
    ],
)
def test_page(browser, served, name, shown):
    with browser.page(1400, 1000) as page:
        page.open(served[name])
        for text in shown:
            page.wait_for(f"document.body.innerText.includes({text!r})", seconds=120)
        named = "[...document.querySelectorAll('i')].filter(e => e.innerText === 'ü').length"
        assert page.evaluate(named) == 0
        # MLflow without accounts asks who the user is and is told that there is no such page.
        assert [c for c in page.complaints if "users/current" not in c] == []
