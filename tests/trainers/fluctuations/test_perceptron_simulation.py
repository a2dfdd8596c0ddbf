"""The simulator against the textbook loop, and what twins and replicas must obey."""

import dataclasses

import numpy as np
import pytest

from search_spaces import InvalidSettingError, Seeds
from search_spaces.perceptron_dynamics import PerceptronDynamics
from trainers.batches.selection import selection_masks
from trainers.fluctuations.response import displacements, measure_response
from trainers.fluctuations.simulation import (
    PerceptronRun,
    draw_samples,
    draw_weights,
    replica_seeds,
    simulate,
)
from trainers.losses import derivative

SMALL = PerceptronDynamics(n_weights=60, load=2.0, active_fraction=0.4, ridge=0.2)


def textbook(d, seed, n_steps, field=0.0):
    """w -= eta (ridge w + X' g / sqrt(N) - H), all samples in every step."""
    x, w = draw_samples(d, seed).astype(float), draw_weights(d, seed)
    masks = selection_masks(seed, n_steps, d.n_samples, d.active_fraction, d.flips)
    for mask in masks:
        slope = derivative(d.loss, x @ w / np.sqrt(w.size), d.target_margin)
        force = x.T @ (mask / d.active_fraction * slope) / np.sqrt(w.size)
        w = w - d.learning_rate * (d.ridge * w + force - field)
    return w


@pytest.mark.parametrize("loss", ["quadratic_hinge", "logistic", "square"])
@pytest.mark.parametrize("task", ["random", "mixture", "teacher"])
def test_equals_the_textbook_loop(loss, task):
    d = dataclasses.replace(SMALL, loss=loss, task=task, persistence_time=0.3)
    run = simulate(d, replica_seeds(4, 1), [25])
    assert run.weights[0, 0] == pytest.approx(textbook(d, 4, 25), abs=1e-10)


def test_a_field_enters_the_twin_alone():
    run = PerceptronRun(SMALL, replica_seeds(4, 1))
    run.add_twins(0, np.full((1, 60), 0.1))
    run.advance(10)
    assert run.weights[0] == pytest.approx(textbook(SMALL, 4, 10), abs=1e-10)
    assert run.weights[1] == pytest.approx(textbook(SMALL, 4, 10, field=0.1), abs=1e-10)


def test_kicks_have_the_langevin_variance_and_twins_share_them():
    d = PerceptronDynamics(n_weights=2000, load=1e-3, langevin_temperature=0.3, loss="square")
    run = PerceptronRun(d, replica_seeds(0, 1))
    run.add_twins(0, np.zeros((1, 2000)))
    start = run.weights[0].copy()
    run.advance(1)
    assert (run.weights[0] == run.weights[1]).all()
    kicks = run.weights[0] - start
    assert kicks.var() == pytest.approx(2 * 0.3 * 0.05, rel=6 * np.sqrt(2 / 2000))


def test_a_replica_does_not_know_its_neighbours():
    seeds = replica_seeds(7, 3)
    together, alone = simulate(SMALL, seeds, [20]), simulate(SMALL, seeds[2:], [20])
    assert (together.weights[0, 2] == alone.weights[0, 0]).all()
    assert (together.weights[0, 0] != together.weights[0, 1]).any()


def test_correlation_and_distance_are_those_of_the_weights():
    run = simulate(SMALL, replica_seeds(7, 2), [0, 5, 20])
    first, second = run.weights[2]
    assert run.replica_distance[2] == pytest.approx(((first - second) ** 2).mean())
    expected = (run.weights[1] * run.weights[2]).sum(axis=1).mean() / 60
    assert run.correlation[1, 2] == pytest.approx(expected)
    assert run.observables["norm"][2] == pytest.approx([(first**2).mean(), (second**2).mean()])


def test_response_is_linear_and_starts_with_the_learning_rate():
    d = dataclasses.replace(SMALL, n_weights=200)
    records = [
        measure_response(d, Seeds.shared(1), burn_in=20, length=30, n_windows=2, field_strength=h)
        for h in (0.02, 0.01)
    ]
    assert records[0].response[:, 1] == pytest.approx([d.learning_rate] * 2)
    assert (records[0].displacement == records[1].displacement).all()
    assert records[0].response == pytest.approx(records[1].response, rel=0.02, abs=1e-4)


def test_displacements_average_over_all_origins():
    path = np.random.default_rng(0).standard_normal((40, 5)).cumsum(axis=0)
    found = displacements(path, 10, 3)
    expected = [((path[t + 4] - path[t]) ** 2).mean() / 2 for t in range(30)]
    assert found[:, 4] == pytest.approx(np.reshape(expected, (3, 10)).mean(axis=1))
    assert (found[:, 0] == 0).all()


def test_runaway_weights_are_reported():
    d = dataclasses.replace(SMALL, loss="square", learning_rate=2.0)
    with pytest.raises(InvalidSettingError, match="run away"):
        simulate(d, replica_seeds(0, 1), [200])
