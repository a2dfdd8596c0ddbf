"""The mean-field solver against closed forms, published numbers and its own invariants."""

import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from analysis.mean_field.grouped_tangent import GroupedTangent
from analysis.mean_field.problem import MARGIN_LOSSES, DynamicsProblem, SolveDynamicsError
from analysis.mean_field.solver import check_memory, memory_needed, solve_dmft, solve_dmft_seeds
from analysis.mean_field.tangent import Tangent

HINGE = {"load": 4.0, "learning_rate": 0.05, "ridge": 0.1}


def norm(solution):
    return np.diagonal(solution.correlation)


@pytest.mark.parametrize(("active_fraction", "expected"), [(1.0, 0.70273), (0.5, 0.72197)])
def test_first_step_of_the_quadratic_hinge(active_fraction, expected):
    """C_w(1,1) = d^2 + eta^2 load E[(1-z)_+^2] / b, d = 1 - eta ridge - eta load Phi(1)."""
    problem = DynamicsProblem(**HINGE, active_fraction=active_fraction)
    solutions = solve_dmft_seeds(problem, 1, n_samples=20000)
    measured = np.mean([solution.correlation[1, 1] for solution in solutions])
    drift = 1 - 0.05 * 0.1 - 0.05 * 4 * 0.84134
    assert drift**2 + 0.05**2 * 4 * 1.92463 / active_fraction == pytest.approx(expected, rel=1e-4)
    assert measured == pytest.approx(expected, rel=0.002)


def test_square_loss_needs_no_monte_carlo():
    """The full-batch square loss is linear: matched moments leave no error but the constant's."""
    solution = solve_dmft(DynamicsProblem(**HINGE, loss="square"), 40, n_samples=400)
    expected = [0.6520, 0.2698, 0.2322, 0.2639, 0.2968]
    assert norm(solution)[[1, 5, 10, 20, 40]] == pytest.approx(expected, abs=1e-4)


def test_square_loss_reaches_the_ridge_solution():
    """w = (X'X/N + ridge)^-1 X'1/sqrt(N): |w|^2/N = int x / (x + ridge)^2 dmu(x).

    mu is the Marchenko-Pastur law of X'X/N.
    """
    ridge, load = 0.5, 4.0
    problem = DynamicsProblem(load=load, learning_rate=0.1, ridge=ridge, loss="square")
    solution = solve_dmft(problem, 120, n_samples=600)
    low, high = (1 - math.sqrt(load)) ** 2, (1 + math.sqrt(load)) ** 2
    x = np.linspace(low, high, 200001)
    density = np.sqrt(np.maximum((high - x) * (x - low), 0)) / (2 * math.pi * x)
    expected = np.trapezoid(density * x / (x + ridge) ** 2, x)
    assert norm(solution)[-1] == pytest.approx(expected, rel=1e-3)


def test_response_to_the_last_step_is_the_learning_rate():
    solution = solve_dmft(DynamicsProblem(**HINGE, active_fraction=0.5), 12, n_samples=500)
    assert np.diagonal(solution.response, -1) == pytest.approx(-0.05)
    assert (np.triu(solution.response) == 0).all()


def test_without_data_nothing_moves():
    solution = solve_dmft(DynamicsProblem(load=1e-12, learning_rate=0.1), 10, n_samples=500)
    assert solution.correlation == pytest.approx(np.ones((11, 11)), abs=1e-9)


def test_persistent_selection_of_one_step_is_plain_sgd():
    settings = {**HINGE, "active_fraction": 0.5}
    plain, persistent = (
        np.array(
            [
                norm(s)[[5, 20]]
                for s in solve_dmft_seeds(problem, 20, n_samples=3000, seeds=range(4))
            ]
        )
        for problem in (
            DynamicsProblem(**settings),
            DynamicsProblem(**settings, persistence_time=0.1),
        )
    )
    assert DynamicsProblem(
        **settings, persistence_time=0.1
    ).selection_correlation == pytest.approx(0)
    error = np.sqrt((plain.var(axis=0, ddof=1) + persistent.var(axis=0, ddof=1)) / 4)
    assert (abs(plain.mean(axis=0) - persistent.mean(axis=0)) < 4 * error + 0.002).all()


def test_replicas_of_full_batch_descent_never_part():
    solution = solve_dmft(
        DynamicsProblem(load=0.5, learning_rate=0.1), 80, n_samples=1000, n_replicas=2
    )
    assert np.abs(solution.replica_distance).max() < 1e-12
    assert np.isfinite(solution.correlation).all()


def test_replicas_part_as_published():
    """load 0.5, eta 0.1, b 0.3: D(20) = 0.0402(16) in simulations of 1000 weights."""
    problem = DynamicsProblem(load=0.5, learning_rate=0.1, active_fraction=0.3)
    distances = [
        solution.replica_distance[20]
        for solution in solve_dmft_seeds(problem, 20, n_samples=4000, n_replicas=2)
    ]
    assert np.mean(distances) == pytest.approx(0.0385, rel=0.06)


@pytest.mark.parametrize("name", MARGIN_LOSSES)
def test_losses_are_consistent(name):
    loss, h, step = MARGIN_LOSSES[name], np.linspace(-3.0, 3.0, 61) + 0.013, 1e-6
    for lower, upper in ((loss.value, loss.slope), (loss.slope, loss.curvature)):
        numeric = (lower(h + step, 1.0) - lower(h - step, 1.0)) / (2 * step)
        assert upper(h, 1.0) == pytest.approx(numeric, abs=1e-6)
    assert loss.curvature(h, 1.0).max() <= loss.largest_curvature


def test_a_teacher_is_learnt():
    problem = DynamicsProblem(**{**HINGE, "load": 3.0}, active_fraction=0.3, task="teacher")
    solution = solve_dmft(problem, 50, n_samples=4000)
    assert solution.alignment[-1] == pytest.approx(1.119, rel=0.03)
    assert solution.test_error()[-1] == pytest.approx(0.1404, rel=0.05)


def test_results_depend_on_the_seed_alone():
    problem = DynamicsProblem(**HINGE, active_fraction=0.5)
    one, same, other = (solve_dmft(problem, 5, n_samples=300, seed=s) for s in (3, 3, 4))
    assert (one.correlation == same.correlation).all()
    assert (one.correlation != other.correlation).any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"active_fraction": 0.0}, "active_fraction=0.0: must be above 0 and at most 1"),
        ({"active_fraction": 1.5}, "active_fraction=1.5"),
        ({"active_fraction": 0.5, "persistence_time": 0.04}, "at least 0.05"),
        ({"active_fraction": 0.9, "persistence_time": 0.1}, "at least 0.45"),
        ({"persistence_time": 1.0}, "no meaning at active_fraction=1"),
        ({"learning_rate": 0.3}, "beyond stability"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"load": -1.0}, "load=-1.0: must be positive"),
        ({"ridge": -0.1}, "ridge=-0.1"),
        ({"loss": "hinge"}, "loss='hinge' is unknown"),
    ],
)
def test_bad_problems_are_refused_in_one_sentence(settings, words):
    with pytest.raises(SolveDynamicsError) as error:
        DynamicsProblem(**{"load": 4.0, "learning_rate": 0.05, **settings})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_too_much_memory_is_refused_with_what_fits():
    """What is named fits, and little more would."""
    problem = DynamicsProblem(load=4.0, learning_rate=0.05, active_fraction=0.5)
    with pytest.raises(
        SolveDynamicsError, match=r"n_steps=(\d+) fits .* n_samples=(\d+) with n_response=(\d+)"
    ) as error:
        solve_dmft(problem, 150, n_samples=2000, memory_limit=0.05)
    fits = re.search(r"; n_steps=(\d+) .* n_samples=(\d+) with n_response=(\d+)", str(error.value))
    steps, samples, response = (int(number) for number in fits.groups())
    check_memory(problem, steps, 2000, 2000, limit=0.05)
    check_memory(problem, 150, samples, response, limit=0.05)
    assert memory_needed(problem, int(1.05 * steps), 2000, 2000) > 0.05
    assert memory_needed(problem, 150, int(1.05 * samples), int(1.05 * response)) > 0.05


def test_a_limit_below_everything_says_so():
    problem = DynamicsProblem(load=4.0, learning_rate=0.05)
    with pytest.raises(SolveDynamicsError, match="neither a shorter time nor fewer samples alone"):
        check_memory(problem, 1000, 100, 100, limit=0.001)


def test_long_full_batch_descent_is_not_refused_for_its_worst_case():
    """Worst case 1.4 GB, measured .08 GB."""
    problem = DynamicsProblem(load=4.0, learning_rate=0.05)
    check_memory(problem, 400, 4000, 4000, limit=0.12)


PEAK = """
import json, re, sys
from analysis.mean_field.solver import memory_needed, solve_dmft
from analysis.mean_field.problem import DynamicsProblem

settings, sizes = json.loads(sys.argv[1])
problem = DynamicsProblem(**settings)
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
before = peak()
solve_dmft(problem, **sizes)
used = peak() - before
needed = memory_needed(problem, **{"n_response": sizes["n_samples"], **sizes})
print(needed / (1024e-9 * used))
"""


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({}, {"n_steps": 200, "n_samples": 8000}),
        ({"langevin_temperature": 0.1}, {"n_steps": 200, "n_samples": 4000}),
        (
            {"langevin_temperature": 0.1},
            {"n_steps": 241, "n_samples": 4000, "n_response": 1333},
        ),
        ({"loss": "square"}, {"n_steps": 200, "n_samples": 8000}),
        ({"active_fraction": 0.2}, {"n_steps": 200, "n_samples": 6000}),
        (
            {"load": 0.5, "active_fraction": 0.3, "persistence_time": 1.0},
            {"n_steps": 150, "n_samples": 4000, "n_replicas": 2},
        ),
    ],
)
def test_the_memory_needed_is_that_of_the_process(settings, sizes):
    """Never less than the peak, and at most 1.6 times it."""
    asked = json.dumps([{"load": 4.0, "learning_rate": 0.05, **settings}, sizes])
    done = subprocess.run(
        [sys.executable, "-c", PEAK, asked],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert 1.0 <= float(done.stdout) <= 1.6


def test_runaway_weights_are_reported():
    problem = DynamicsProblem(load=4.0, learning_rate=0.2, active_fraction=0.02, loss="square")
    with pytest.raises(SolveDynamicsError, match="run away"):
        solve_dmft(problem, 200, n_samples=500)


@pytest.mark.parametrize("changing", [0.0, 0.002, 0.3])
def test_copies_of_one_history_share_their_responses(changing):
    """Grouped columns equal those of every copy, however fast the histories part."""
    n_steps, n = 70, 300
    rng = np.random.default_rng(1)
    flips = rng.random((n_steps + 1, n)) < changing
    flips[0] = rng.random(n) < 0.1
    curvatures = 1.0 - np.cumsum(flips, axis=0) % 2
    curvatures[40] = 0.0
    grouped, single = GroupedTangent(n_steps), Tangent(n_steps)
    for t, curvature in enumerate(curvatures):
        response = -0.05 * rng.random(t) * np.exp(-0.1 * (t - np.arange(t)))
        expected = single.step(t, response, curvature)
        assert grouped.step(t, response, curvature) == pytest.approx(expected, rel=1e-5, abs=1e-9)
