"""Find T_lazy(0.1) of a narrow network at three P with Optuna, in ten to twenty trainings each."""

import optuna

from search_spaces import Point, Seeds
from studies import CriticalTemperatureSampler
from trainers import StopReason, train

optuna.logging.set_verbosity(optuna.logging.WARNING)


def weight_change(trial: optuna.Trial) -> float:
    point = Point.create(
        n_train=trial.suggest_int("n_train", 64, 256),
        temperature=trial.suggest_float("temperature", 0.001, 10, log=True),
        batch_size=1,
        width=32,
        max_presentations=100_000,
    )
    measurement = train(point, Seeds.shared(trial.number))  # a new seed for every training
    if measurement.stop_reason is not StopReason.FITTED:
        raise optuna.TrialPruned
    return measurement.relative_weight_change


sampler = CriticalTemperatureSampler(threshold=0.1, group_by=("n_train",), tolerance=0.05)
study = optuna.create_study(sampler=sampler)
for n_train in (64, 128, 256):
    while not sampler.finished(study, n_train):
        study.enqueue_trial({"n_train": n_train})
        study.optimize(weight_change, n_trials=1)
    crossing = sampler.posterior(study, n_train)
    print(f"P = {n_train}: {crossing.n_fitted + crossing.n_diverged} trainings")
    print(f"T_lazy(0.1) = {crossing.to_estimate()}")
