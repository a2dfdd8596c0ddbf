"""MLflow's pages on a study really show it: its runs, its answer, its report, its comparison.

The study's names try to become markup; they must be shown as they are.
"""

import pytest

from studies.cli import _run
from studies.folder import StudyFolder
from studies.tracking.feed import configuration_runs
from studies.tracking.server import comparison_address, free_port, mlflow_server
from studies.tracking.texts import links_to_runs
from studies.tracking.uri import store_uri

TINY = "temperature: [0.1, 1]\nbatch_size: 1\nn_train: [16, 32]\nn_seeds: 2\n"
NAME = "Größe & \"α\" 'β' <img src=x onerror=alert(1)>"
TITLE = "title <script>alert(2)</script> [x](javascript:alert(3)) <i>ü</i>"
_NOTICE = "window.executed = []; window.alert = what => window.executed.push(what);"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


@pytest.fixture(scope="module")
def served(browser, tmp_path_factory):
    """Serve the store of a small study; a machine without a browser need not start it."""
    folder = tmp_path_factory.mktemp("mlflow")
    spec = f"study: {quoted(NAME)}\ntitle: {quoted(TITLE)}\nquestion: {quoted(TITLE)}\n{TINY}"
    (folder / "tiny.yaml").write_text(spec, encoding="utf-8")
    home = folder / "ü & 'x' <b>"
    arguments = ["--executor", "serial", "--out", str(home)]
    assert _run(["run", str(folder / "tiny.yaml"), *arguments]) == 0
    study = StudyFolder.existing(home)
    with mlflow_server(store_uri(study), study.artifacts, free_port(5988)) as (base, _):
        experiment, runs = configuration_runs(study)
        ids = study.read_state()["mlflow"]
        links = links_to_runs({**ids, "uri": base}, (16, 32))
        parent = f"{base}/#/experiments/{experiment}/runs/{ids['run_id']}"
        yield {
            "page": study.report.as_uri(),
            "runs": comparison_address(base, experiment, []),
            "answer": links["Its run in MLflow"],
            "configuration": f"{base}/#/experiments/{experiment}/runs/{runs[0]}",
            "report": f"{parent}/artifacts/report.html",
            "table": f"{parent}/artifacts/table.csv",
            "comparison": comparison_address(base, experiment, runs),
            "size": links["P = 16"],
        }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("page", [NAME, TITLE, "thermometer ui FOLDER"]),
        ("runs", ["matching runs", NAME]),
        ("answer", [NAME, TITLE, "exponent not determined", "The report", "digits"]),
        ("configuration", ["means over 2 seeds", NAME]),
        ("report", ["report.html", "references.bib"]),
        ("table", ["table.csv", "relative_weight_change"]),
        ("comparison", ["Comparing 4 Runs", "Parallel Coordinates Plot"]),
        # The two of this size, under their study.
        ("size", ["3 matching runs"]),
    ],
)
def test_page(browser, served, name, shown):
    with browser.page(1400, 1000) as page:
        page.send("Page.addScriptToEvaluateOnNewDocument", source=_NOTICE)
        page.open(served[name])
        for text in shown:
            page.wait_for(f"document.body.innerText.includes({text!r})", seconds=120)
        hostile = '[...document.querySelectorAll(\'i, img[src="x"], a[href^="javascript:"]\')]'
        assert page.evaluate(f"{hostile}.filter(e => e.src || e.href || e.innerText).length") == 0
        assert page.evaluate("window.executed") == []
        # MLflow without accounts asks who the user is and is told that there is no such page.
        assert [c for c in page.complaints if "users/current" not in c] == []
