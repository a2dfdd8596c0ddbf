"""Mean-field theory against simulations of the same dynamics, which share no code.

Every case has seeds of its own: with common data the errors of all cases would be common too.
"""

import math

import numpy as np
import pytest

from analysis.effective_temperature.slopes import (
    FluctuationRecord,
    measure_temperatures,
    midpoint_displacement,
)
from analysis.mean_field.problem import DynamicsProblem
from analysis.mean_field.solver import solve_dmft_seeds
from search_spaces import Seeds
from search_spaces.perceptron_dynamics import PerceptronDynamics
from trainers.fluctuations.response import measure_response
from trainers.fluctuations.simulation import replica_seeds, simulate

HINGE = {"load": 4.0, "learning_rate": 0.05, "ridge": 0.1}
PLAIN = {"load": 3.0, "learning_rate": 0.05, "ridge": 0.1, "active_fraction": 0.3}
REPLICAS = {"load": 0.8, "learning_rate": 0.1, "active_fraction": 0.3}
CASES = {
    "full batch": HINGE,
    "SGD b=0.5": {**HINGE, "active_fraction": 0.5},
    "SGD b=0.2": {**HINGE, "active_fraction": 0.2},
    "persistent b=0.5 tau=1": {**HINGE, "active_fraction": 0.5, "persistence_time": 1.0},
    "SGD b=0.3 logistic": {**PLAIN, "learning_rate": 0.1, "loss": "logistic"},
    "full batch logistic": {
        **PLAIN, "learning_rate": 0.1, "loss": "logistic", "active_fraction": 1.0,
    },
    "SGD b=0.3 mixture": {**PLAIN, "task": "mixture"},
    "SGD b=0.3 teacher": {**PLAIN, "task": "teacher"},
    "SGD b=0.3 load=0.8, two replicas": REPLICAS,
    "persistent b=0.3 tau=2 load=0.8, two replicas": {**REPLICAS, "persistence_time": 2.0},
}  # fmt: skip
STEPS = (5, 20, 50, 100)
OBSERVABLES = ("C(t,t)", "C(t,t/2)", "loss", "P(h<κ)", "P(h<0)", "E[h]", "m", "D")
SMALLEST_ERROR_RATE = 0.005
"""Training errors below it are not resolved by the theory's samples."""


def recorded_steps(steps):
    return sorted({0, *steps, *(t // 2 for t in steps)})


def simulated(settings, steps, seeds, n_weights):
    """Return the observables of every seed, shape (seeds, steps, observables)."""
    dynamics = PerceptronDynamics(**settings, n_weights=n_weights)
    replicas = 2 if settings["load"] < 1 else 1
    at = recorded_steps(steps)
    rows = []
    for seed in seeds:
        run = simulate(dynamics, replica_seeds(seed, replicas), at)
        names = ("loss", "violated", "error", "mean_margin", "alignment")
        found = {name: run.observables[name].mean(axis=1) for name in names}
        c, distance = (
            run.correlation,
            run.replica_distance if replicas == 2 else [math.nan] * len(at),
        )
        rows.append([])
        for t in steps:
            k, half = at.index(t), at.index(t // 2)
            values = [c[k, k], c[k, half], *(found[name][k] for name in names), distance[k]]
            rows[-1].append(values)
    return np.array(rows)


def predicted(settings, steps, seeds, n_samples):
    """Return the same of every solver seed."""
    replicas = 2 if settings["load"] < 1 else 1
    solutions = solve_dmft_seeds(
        DynamicsProblem(**settings),
        max(steps),
        seeds=seeds,
        n_samples=n_samples,
        n_replicas=replicas,
    )
    rows = []
    for s in solutions:
        c, distance = (
            s.correlation,
            s.replica_distance if replicas == 2 else np.full(999, math.nan),
        )
        r = s.samples
        rows.append(
            [
                [c[t, t], c[t, t // 2], r.loss[t], r.violated[t], r.error[t], r.mean_margin[t],
                 s.alignment[t], distance[t]]
                for t in steps
            ]
        )  # fmt: skip
    return np.array(rows)


def compare(settings, steps, *, n_weights, n_seeds, n_samples, first_seed):
    """Yield (step, observable, simulation, its error, theory, z) where both are resolved."""
    runs = simulated(settings, steps, range(first_seed, first_seed + n_seeds), n_weights)
    theory = predicted(settings, steps, range(3), n_samples)
    for k, t in enumerate(steps):
        for j, name in enumerate(OBSERVABLES):
            x, y = runs[:, k, j], theory[:, k, j]
            if not np.isfinite(x).all() or (name == "m" and "task" not in settings):
                continue
            if name == "P(h<0)" and y.mean() < SMALLEST_ERROR_RATE:
                continue
            error = x.std(ddof=1) / math.sqrt(len(x))
            both = math.hypot(error, y.std(ddof=1) / math.sqrt(len(y)))
            yield t, name, x.mean(), error, y.mean(), (y.mean() - x.mean()) / max(both, 1e-300)


def assert_agree(rows):
    for t, name, simulation, _, theory, z in rows:
        difference = theory / simulation - 1
        assert abs(difference) < 0.03 or abs(z) < 3, (t, name, simulation, theory, z)


@pytest.mark.parametrize("case", ["SGD b=0.2", "persistent b=0.3 tau=2 load=0.8, two replicas"])
def test_theory_agrees_with_simulation(case):
    rows = compare(CASES[case], (5, 30), n_weights=500, n_seeds=8, n_samples=3000, first_seed=40)
    assert_agree(list(rows))


@pytest.mark.verify
@pytest.mark.parametrize("case", CASES)
def test_whole_comparison_of_theory_and_simulation(case, pages):
    first = 1000 * (1 + list(CASES).index(case))
    n_seeds = 32 if CASES[case]["load"] < 1 else 16
    sizes = {"n_weights": 1000, "n_seeds": n_seeds, "n_samples": 10000}
    rows = list(compare(CASES[case], STEPS, first_seed=first, **sizes))
    for t in STEPS:
        columns = dict.fromkeys((column for n in OBSERVABLES for column in (n, f"{n} z")), "–")
        for step, name, simulation, error, theory, z in rows:
            if step == t:
                columns[name] = f"{simulation:.4g}±{error:.1g} / {theory:.4g}"
                columns[f"{name} z"] = f"{z:+.1f}"
        pages.add("effective_temperature", case=case, t=t, **columns)
    assert_agree(rows)


def measured(settings, seeds, burn_in=120, length=80, **options):
    dynamics = PerceptronDynamics(**settings)
    records = [
        measure_response(dynamics, Seeds.shared(seed), burn_in=burn_in, length=length, **options)
        for seed in seeds
    ]
    return FluctuationRecord.from_windows(
        displacement=np.array([r.displacement for r in records]),
        response=np.array([r.response for r in records]),
        loss=np.array([r.observables["loss"] for r in records]),
        norm=np.array([r.observables["norm"] for r in records]),
    )


def test_a_simulated_langevin_bath_is_returned():
    """T_sec within 3 %, T_long within three standard errors, and the raw secant too hot."""
    bath = {"n_weights": 120, "langevin_temperature": 0.1}
    record = measured(bath, range(8), n_windows=24)
    found = measure_temperatures(record)
    assert found.secant.stderr < 0.01 * 0.1
    assert found.secant.value == pytest.approx(0.1, rel=0.03)
    assert abs(found.long.value - 0.1) < 3 * found.long.stderr
    raw = record.displacement[..., 80].mean() / record.response[..., 80].mean()
    assert raw / found.secant.value == pytest.approx(1.075, abs=0.02)


def test_the_short_temperature_of_simulated_sgd_is_the_bare_noise():
    dynamics = PerceptronDynamics(n_weights=200, active_fraction=0.5)
    runs = [
        measure_response(dynamics, Seeds.shared(s), burn_in=120, length=6, n_windows=20)
        for s in range(4)
    ]
    b = np.mean([r.displacement[:, :3] for r in runs], axis=(0, 1))
    slope = np.mean([r.observables["squared_slope"] for r in runs])
    bare = DynamicsProblem(load=4, learning_rate=0.05, active_fraction=0.5).bare_temperature(slope)
    assert midpoint_displacement(b)[1] / 0.05 == pytest.approx(bare, rel=0.03)
