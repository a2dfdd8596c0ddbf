"""The MLflow UI of a study really serves it, on the loopback interface, until Ctrl-C."""

import json
import re
import signal
import urllib.error
import urllib.request

import pytest
from small_study import SMALL

from studies.tracking.server import LOOPBACK

STUDY = "critical-temperature"


def read(address, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with LOOPBACK.open(request, timeout=30) as answer:
        return answer.url, answer.read().decode()


def test_ui_serves_the_study_until_interrupted(tmp_path, run_thermometer, start_thermometer):
    settings = [*SMALL, "n_seeds=2", "n_train=[32,64]", "comparison_batch_size=null"]
    settings.append("comparison_temperature=null")
    arguments = ["--executor", "serial", "--out", "study"]
    done = run_thermometer(tmp_path, "run", STUDY, *settings, *arguments)
    assert done.returncode == 0, done.stderr
    process = start_thermometer(tmp_path, "ui", "study", "--port", "5987")
    base = re.match(
        r"MLflow UI: (http://127\.0\.0\.1:\d+)/#/experiments/1/runs\?workflowType=",
        process.stdout.readline().strip(),
    )
    comparison = re.match(
        r"comparison of the study's 18 configurations: (http://127\.0\.0\.1:\d+)$",
        process.stdout.readline().strip(),
    )
    assert "mlflow" in read(base[1])[1].lower()
    body = {"experiment_ids": ["1"], "max_results": 100}
    runs = json.loads(read(f"{base[1]}/api/2.0/mlflow/runs/search", body)[1])["runs"]
    assert len(runs) == 18 + 1
    # The short address leads to MLflow's page that compares these very runs.
    url, page = read(comparison[1])
    assert "mlflow" in page.lower()
    nested = [r for r in runs if any(t["key"] == "mlflow.parentRunId" for t in r["data"]["tags"])]
    assert url.startswith(f"{base[1]}/#/compare-runs?runs=")
    assert all(run["info"]["run_id"] in url for run in nested)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors
    with pytest.raises(urllib.error.URLError):
        read(base[1])
