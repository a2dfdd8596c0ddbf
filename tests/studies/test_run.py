"""A whole small study with real Ray, Optuna and MLflow, and what it leaves on disk."""

import json
import os

import mlflow
import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ray.cluster_utils import Cluster
from small_study import N_CONFIGURATIONS, N_SMALL, SMALL

STUDY = "critical-temperature"


@pytest.fixture(scope="module")
def ray_study(tmp_path_factory, run_thermometer):
    """Folder of a finished study, run on Ray with two workers, and what the run printed."""
    home = tmp_path_factory.mktemp("finished")
    done = run_thermometer(home, "run", STUDY, *SMALL, "--workers", "2", "--out", "study")
    assert done.returncode == 0, done.stderr
    return home, done


def test_it_ends_with_law_report_and_ui(ray_study):
    _, done = ray_study
    law, report, ui = done.stdout.strip().splitlines()[-3:]
    assert law.startswith("T_lazy(0.1) = ")
    assert report == "report: study/report.html"
    assert ui == "compare in MLflow: thermometer ui study"


def test_nothing_but_results_in_a_pipe(ray_study):
    _, done = ray_study
    assert "\r" not in done.stderr
    assert done.stderr == ""


def test_table_has_one_row_per_replica(ray_study):
    home, _ = ray_study
    table = pd.read_csv(home / "study/table.csv")
    assert len(table) == N_SMALL
    assert not table.duplicated(["point", "seed"]).any()
    assert list(table["point"]) == sorted(table["point"])
    ratio = table["learning_rate"] / table["batch_size"]
    assert (abs(ratio / table["temperature"] - 1) < 1e-9).all()
    provenance = pd.read_csv(home / "study/provenance.csv")
    assert len(provenance) == N_SMALL
    names = ["host", "commit", "code", "spec", "version", "backend", "device", "numba", "torch"]
    assert {*names, "ray", "optuna", "seconds"} <= set(provenance.columns)
    assert provenance.notna().all(axis=None)


def test_optuna_opens_the_ledger(ray_study):
    home, _ = ray_study
    storage = JournalStorage(JournalFileBackend(str(home / "study/ledger.journal")))
    study = optuna.load_study(study_name=STUDY, storage=storage)
    table = pd.read_csv(home / "study/table.csv")
    assert len(study.trials) == N_CONFIGURATIONS
    for trial in study.trials:
        rows = table[
            (table["n_train"] == trial.params["n_train"])
            & (table["temperature"] == trial.params["temperature"])
            & (table["batch_size"] == trial.params["batch_size"])
        ]
        assert trial.value == pytest.approx(rows["test_error"].mean())


def test_mlflow_holds_a_run_per_configuration_and_a_parent(ray_study):
    home, _ = ray_study
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home}/study/mlflow.db")
    experiment = client.get_experiment_by_name(STUDY)
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(parents) == 1
    assert len(children) == N_CONFIGURATIONS
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in children:
        assert {"temperature", "learning_rate", "batch_size", "alpha", "n_train"} <= set(
            run.data.params
        )
        assert {"test_error", "relative_weight_change", "training_time"} <= set(run.data.metrics)
        assert {"test_error_stderr", "training_time_stderr"} <= set(run.data.metrics)
    artifacts = {entry.path for entry in client.list_artifacts(parents[0].info.run_id)}
    assert {"report.html", "report.json", "table.csv", "t_c.csv", "spec.yaml"} <= artifacts
    estimates = json.loads((home / "study/report.json").read_text())["estimates"]
    logged = parents[0].data.metrics
    assert logged["delta"] == pytest.approx(estimates["delta"]["value"])


def test_report_json_keeps_its_contract(ray_study):
    home, _ = ray_study
    report = json.loads((home / "study/report.json").read_text())
    assert report["study"] == STUDY
    assert report["counts"]["planned"] == N_SMALL
    assert sum(v for k, v in report["counts"].items() if k != "planned") == N_SMALL
    for estimate in report["estimates"].values():
        assert {"value", "stderr", "interval95", "n", "definition", "fit_range"} <= set(estimate)
    for verdict in report["verdicts"].values():
        assert verdict["status"] in ("established", "not established", "contradicted")
        assert verdict["reason"]


def test_running_again_retrains_nothing(ray_study, thermometer):
    home, _ = ray_study
    before = {p: (home / "study" / p).read_bytes() for p in ("table.csv", "ledger.journal")}
    done = thermometer(home, "run", STUDY, *SMALL, "--out", "study")
    assert done.returncode == 0
    assert f"nothing to train: all {N_SMALL} trainings" in done.stdout
    after = {p: (home / "study" / p).read_bytes() for p in ("table.csv", "ledger.journal")}
    assert after == before


def test_the_folder_remembers_its_settings(ray_study, thermometer):
    home, _ = ray_study
    done = thermometer(home, "run", STUDY, "--out", "study")
    assert done.returncode == 0
    assert "nothing to train" in done.stdout


def test_same_table_whatever_runs_it(ray_study, run_thermometer, tmp_path):
    home, _ = ray_study
    arguments = ["--executor", "serial", "--no-tracking", "--out", "study"]
    done = run_thermometer(tmp_path, "run", STUDY, *SMALL, *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "study/table.csv").read_bytes() == (home / "study/table.csv").read_bytes()
    report = json.loads((home / "study/report.json").read_text())
    again = json.loads((tmp_path / "study/report.json").read_text())
    assert again["estimates"] == report["estimates"]
    assert again["verdicts"] == report["verdicts"]


@pytest.mark.apart
def test_more_seeds_train_only_what_is_missing(thermometer, tmp_path):
    arguments = ["--executor", "serial", "--no-tracking", "--out", "study"]
    assert thermometer(tmp_path, "run", STUDY, *SMALL, *arguments).returncode == 0
    small = pd.read_csv(tmp_path / "study/table.csv")
    done = thermometer(tmp_path, "run", STUDY, "n_seeds=6", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["trained"] == N_CONFIGURATIONS * 2
    large = pd.read_csv(tmp_path / "study/table.csv")
    pd.testing.assert_frame_equal(large[large["seed"] < 4].reset_index(drop=True), small)
    fresh = thermometer(tmp_path, "run", STUDY, *SMALL, "n_seeds=6", *arguments[:-1], "fresh")
    assert fresh.returncode == 0, fresh.stderr
    assert (tmp_path / "fresh/table.csv").read_bytes() == (
        tmp_path / "study/table.csv"
    ).read_bytes()


@pytest.mark.apart
def test_budget_stops_early_and_continues(thermometer, tmp_path):
    arguments = ["--executor", "serial", "--no-tracking", "--out", "study"]
    done = thermometer(tmp_path, "run", STUDY, *SMALL, *arguments, "--max-points", "20")
    assert done.returncode == 3
    assert "incomplete" in done.stdout
    assert thermometer(tmp_path, "status", "study").returncode == 3
    done = thermometer(tmp_path, "run", STUDY, *arguments)
    assert done.returncode == 0, done.stderr
    status = thermometer(tmp_path, "status", "study", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["done"] == N_SMALL


@pytest.mark.apart
def test_a_study_run_without_mlflow_is_logged_later(thermometer, tmp_path):
    arguments = ["--executor", "serial", "--out", "study"]
    settings = [*SMALL, "n_seeds=2", "n_train=[32,64]"]
    done = thermometer(tmp_path, "run", STUDY, *settings, *arguments, "--no-tracking")
    assert done.returncode == 0, done.stderr
    assert "compare in MLflow: not logged" in done.stdout
    assert not (tmp_path / "study/mlflow.db").exists()
    store = "sqlite:///elsewhere.db"
    done = thermometer(tmp_path, "run", STUDY, *arguments, "--tracking-uri", store, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trained"] == 0
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/elsewhere.db")
    experiment = client.get_experiment_by_name(STUDY)
    assert len(client.search_runs([experiment.experiment_id])) == 2 * 10 + 1
    again = thermometer(tmp_path, "run", STUDY, *arguments)
    assert "nothing to train" in again.stdout


def test_deleted_results_are_made_again(ray_study, thermometer):
    home, _ = ray_study
    deleted = ("mlflow.db", "report.json", "t_c.csv", "table.csv")
    before = (home / "study/table.csv").read_bytes()
    for name in deleted:
        (home / "study" / name).unlink()
    done = thermometer(home, "run", STUDY, "--out", "study", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trained"] == 0
    assert all((home / "study" / name).exists() for name in deleted)
    assert (home / "study/table.csv").read_bytes() == before
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home}/study/mlflow.db")
    experiment = client.get_experiment_by_name(STUDY)
    assert len(client.search_runs([experiment.experiment_id])) == N_CONFIGURATIONS + 1
    assert "nothing to train" in thermometer(home, "run", STUDY, "--out", "study").stdout


def test_a_running_ray_cluster_is_used(ray_study, run_thermometer, tmp_path):
    home, _ = ray_study
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        arguments = ["--address", cluster.address, "--no-tracking", "--out", "study"]
        done = run_thermometer(tmp_path, "run", STUDY, *SMALL, *arguments)
    finally:
        cluster.shutdown()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "study/table.csv").read_bytes() == (home / "study/table.csv").read_bytes()


def test_show_filters_configurations(ray_study, thermometer):
    home, _ = ray_study
    done = thermometer(
        home, "show", "study", "--format", "json",
        "--where", "n_train==64", "--where", "batch_size==1",
    )  # fmt: skip
    rows = json.loads(done.stdout)
    assert [row["temperature"] for row in rows] == [
        0.0005,
        0.001,
        0.003,
        0.01,
        0.03,
        0.1,
        0.3,
        1,
        1.7,
    ]
    bad = thermometer(home, "show", "study", "--where", "ntrain==64")
    assert bad.returncode == 2
    assert "did you mean 'n_train'" in bad.stderr


def test_fit_and_report_of_a_plain_table(ray_study, run_thermometer, tmp_path):
    home, _ = ray_study
    table = pd.read_csv(home / "study/table.csv")
    needed = ["n_train", "temperature", "relative_weight_change", "stop_reason"]
    table[table["batch_size"] == 1][needed].to_csv(tmp_path / "mine.csv", index=False)
    program = (
        "import sys; from studies.cli import _run; code = _run(sys.argv[1:]); "
        "heavy = {'ray', 'mlflow', 'optuna', 'torch', 'numba'} & set(sys.modules); "
        "sys.exit(','.join(heavy) or code)"
    )
    for arguments in (["fit", "mine.csv", "--json"], ["report", "mine.csv"]):
        done = run_thermometer(tmp_path, *arguments, program=program)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine-report/report.html").stat().st_size > 10_000
    fitted = json.loads(run_thermometer(tmp_path, "fit", "mine.csv", "--json").stdout)
    estimates = json.loads((home / "study/report.json").read_text())["estimates"]
    assert fitted["estimates"]["delta"]["value"] == pytest.approx(
        estimates["delta"]["value"], rel=1e-6
    )


def test_report_is_rewritten_from_the_table(ray_study, thermometer):
    home, _ = ray_study
    before = json.loads((home / "study/report.json").read_text())
    os.unlink(home / "study/report.html")
    done = thermometer(home, "report", "study")
    assert done.returncode == 0, done.stderr
    assert (home / "study/report.html").exists()
    after = json.loads((home / "study/report.json").read_text())
    assert after["estimates"] == before["estimates"]


@pytest.mark.apart
def test_a_sampler_searches_a_continuous_range(thermometer, tmp_path):
    arguments = ["--executor", "serial", "--out", "study"]
    settings = ["sampler=tpe", "n_trials=12", "temperature=log(0.01, 1)", "n_train=[32,64]"]
    done = thermometer(tmp_path, "run", STUDY, *settings, "n_seeds=3", *arguments)
    assert done.returncode == 0, done.stderr
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study/ledger.journal")))
    study = optuna.load_study(study_name=STUDY, storage=storage)
    assert len(study.trials) == 12
    table = pd.read_csv(tmp_path / "study/table.csv")
    assert len(table) == 12 * 3
    assert study.best_value == pytest.approx(table.groupby("point")["test_error"].mean().min())
    report = json.loads((tmp_path / "study/report.json").read_text())
    assert report["verdicts"]["power_law"]["status"] == "not established"
