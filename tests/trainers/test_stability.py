"""Tangent kernel at initialization and the pilot for the largest stable learning rate."""

import dataclasses

import numpy as np
import pytest
import torch

from search_spaces import InvalidSettingError, Point, Seeds
from search_spaces.windows import stable_learning_rate
from trainers.models.functions import network_output
from trainers.models.replica import Replica, prepare_replica
from trainers.pilot import PILOT_SEEDS, measure_stable_learning_rate
from trainers.probes.tangent_kernel import kernel_diagonal, measure_kernel_diagonal


def make_point(**settings):
    values = {"n_train": 64, "temperature": 0.1, "batch_size": 1, "max_presentations": 9}
    return Point.create(**(values | settings))


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_kernel_diagonal_equals_the_gradients_of_the_plain_network(model):
    replica = prepare_replica(make_point(model=model, n_train=3, width=5), Seeds.shared(2))
    output = network_output(replica)
    weights = [torch.tensor(w, requires_grad=True) for w in replica.weights]
    expected = []
    for x in torch.tensor(replica.x_train):
        gradients = torch.autograd.grad(output(weights, x[None])[0], weights)
        expected.append(sum(float(g.square().sum()) for g in gradients))
    assert kernel_diagonal(replica).tolist() == pytest.approx(expected, rel=1e-10)


def test_kernel_diagonal_of_one_hidden_neuron_is_known():
    """f = sqrt(2) w relu(z), z = u x / sqrt(d): K = 2 (z^2 + w^2 |x|^2 / d) where z > 0."""
    point = make_point(n_train=2, width=1, depth=1)
    x = np.array([[1.0, 1.0], [-1.0, -1.0]])
    weights = (np.array([[0.6], [0.8]]), np.array([3.0]))
    replica = Replica(point, x, np.ones(2), x, np.ones(2), weights, 0)
    assert kernel_diagonal(replica).tolist() == pytest.approx([2 * (1.4**2 / 2 + 9.0), 0.0])


def test_kernel_of_a_perceptron_is_about_one_more_than_its_depth():
    """Independent measurement: 4.04 for three layers of 64, 2.08 for one; fluctuates like 1/h."""
    assert measure_kernel_diagonal(make_point()) == pytest.approx(4.04, rel=0.1)
    assert measure_kernel_diagonal(make_point(depth=1)) == pytest.approx(2.08, rel=0.1)


def test_average_over_positions_makes_the_kernel_of_images_small():
    wide = measure_kernel_diagonal(make_point(model="cnn"), n_seeds=2)
    assert 0.3 < wide < 2.0
    changed = make_point(model="cnn", n_train=100, temperature=7.0, alpha=3.0)
    assert measure_kernel_diagonal(changed, n_seeds=2) == wide


def test_pilot_finds_the_calibrated_stability_limit_of_perceptrons():
    """eta_max = 7/K, up to one lattice point: the limit is a distribution over replicas."""
    for depth in (1, 3):
        point = make_point(n_train=256, depth=depth)
        kernel = measure_kernel_diagonal(point)
        rate = measure_stable_learning_rate(point, kernel)
        assert rate == measure_stable_learning_rate(point, kernel)
        assert 0.55 < rate / stable_learning_rate(100.0, depth, kernel) < 1.8


def test_pilot_takes_at_most_sixteen_trainings(monkeypatch):
    from trainers import pilot

    trained = []

    def count(tasks, *others):
        trained.extend(tasks)
        return original(tasks, *others)

    original = pilot.train_pack
    monkeypatch.setattr(pilot, "train_pack", count)
    measure_stable_learning_rate(make_point(width=16), 4.0)
    assert len(trained) == 16
    assert {seeds.init for _, seeds in trained} == set(PILOT_SEEDS)


def test_pilot_refuses_a_network_that_is_never_stable():
    """With 7/K taken far too large, no tried rate is stable."""
    with pytest.raises(InvalidSettingError, match="not stable at any learning rate"):
        measure_stable_learning_rate(make_point(width=16), 1e-6)


def test_gradient_of_the_kernel_does_not_depend_on_labels():
    replica = prepare_replica(make_point(n_train=4, width=6), Seeds.shared(0))
    other = dataclasses.replace(replica, y_train=-replica.y_train)
    assert torch.equal(kernel_diagonal(replica), kernel_diagonal(other))
