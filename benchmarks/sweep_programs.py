"""Sweeps of trainings that cost a given time, by three programs; each in a process of its own.

``python -m benchmarks.sweep_programs PROGRAM TRAININGS PRODUCTS SECONDS`` prints what it took as
JSON. Every training is a configuration of its own with an MLflow run of its own, in an SQLite
store whose tables exist before the clock starts; so do Ray and the imports of the driver.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.busy import busy_pack, configuration, know_busy, work
from benchmarks.driving import drive, n_runs

WORKERS = 2
EXPERIMENT = "benchmark"


def run_thermometer(folder: Path, n: int, products: int, seconds: float) -> dict[str, Any]:
    """Drive the trainings as a study does: journal, packs on Ray, MLflow, tables."""
    from studies.execution.ray_executor import RayExecutor

    know_busy()
    plan = [(configuration((k + 0.5) / n, products, seconds), (0,)) for k in range(n)]
    executor = RayExecutor("numpy", task=busy_pack, workers=WORKERS)
    try:
        times = drive(folder / "study", plan, executor, objective="score")
    finally:
        executor.shutdown()
    return {"wall": times.wall, "runs": times.runs}


def run_tune(folder: Path, n: int, products: int, _seconds: float) -> dict[str, Any]:
    """Ray Tune with OptunaSearch and MLflowLoggerCallback, as their documentation shows them."""
    import ray
    from optuna.distributions import FloatDistribution
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    def train(config: dict[str, Any]) -> dict[str, float]:
        return {"score": work(config["x"], products)}

    uri = prepared_store(folder)
    # address="local": without it Ray would join any cluster already running on this machine.
    ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    tuner = tune.Tuner(
        train,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(
                {"x": FloatDistribution(0, 1)}, metric="score", mode="min", seed=0
            ),
            num_samples=n,
            max_concurrent_trials=WORKERS,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "tune"),
            verbose=0,
            callbacks=[MLflowLoggerCallback(tracking_uri=uri, experiment_name=EXPERIMENT)],
        ),
    )
    begin = time.perf_counter()
    results = tuner.fit()
    wall = time.perf_counter() - begin
    assert not results.errors
    ray.shutdown()
    return {"wall": wall, "runs": n_runs(uri)}


def run_optimize(folder: Path, n: int, products: int, _seconds: float) -> dict[str, Any]:
    """``study.optimize(n_jobs=2)`` on a journal, logging each trial to MLflow."""
    import optuna
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    uri = prepared_store(folder)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        score = work(x, products)
        run = client.create_run(experiment).info.run_id
        now = int(1000 * time.time())
        client.log_batch(run, [Metric("score", score, now, 0)], [Param("x", str(x))])
        client.set_terminated(run)
        return score

    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.TPESampler(seed=0))
    begin = time.perf_counter()
    study.optimize(objective, n_trials=n, n_jobs=WORKERS)
    return {"wall": time.perf_counter() - begin, "runs": n_runs(uri)}


def prepared_store(folder: Path) -> str:
    """Return the URI of a new MLflow store that has its tables and the experiment."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    client.create_experiment(EXPERIMENT, (folder / "artifacts").as_uri())
    return uri


PROGRAMS = {"thermometer": run_thermometer, "tune": run_tune, "optimize": run_optimize}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("trainings", type=int)
    parser.add_argument("products", type=int)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    for name in ("mlflow", "alembic", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        run = PROGRAMS[given.program]
        found = run(Path(folder), given.trainings, given.products, given.seconds)
    print(json.dumps({**found, "trainings": given.trainings}))


if __name__ == "__main__":
    main()
