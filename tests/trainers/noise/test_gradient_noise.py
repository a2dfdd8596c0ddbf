"""Minibatch noise of single parameters, matched noise, and the noise along one direction."""

import numpy as np
import pytest
import torch

from search_spaces import InvalidSettingError, Point, Seeds
from trainers.models.replica import prepare_replica
from trainers.noise.gradient_noise import (
    choose_parameters,
    per_sample_gradients,
    sample_gradient_noise,
)
from trainers.noise.local_noise import local_noise, random_direction, top_direction
from trainers.noise.matched_noise import KINDS, noise_coefficient, noisy_batch_weights
from trainers.noise.sample_losses import SampleLoss, module_loss, replica_loss


@pytest.fixture
def loss(make_replica):
    return replica_loss(make_replica(n_train=40, width=7, depth=2, dtype="float64"))


def linear_loss(x, y):
    """Half squared error of one linear output: everything is known in closed form."""
    x, y = torch.tensor(x), torch.tensor(y)

    def evaluate(parameters, indices):
        return (x[indices] @ parameters["w"] - y[indices]) ** 2 / 2

    return SampleLoss({"w": torch.zeros(x.shape[1], dtype=torch.float64)}, len(y), evaluate)


def test_per_sample_gradients_of_linear_regression_are_exact():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 5)), rng.standard_normal(30)
    loss = linear_loss(x, y)
    chosen = choose_parameters(loss.parameters, 5, seed=0)
    table = per_sample_gradients(loss, chosen, loss.parameters)
    assert table == pytest.approx(-y[:, None] * x, abs=1e-6)


def test_both_routes_give_the_same_noise(loss):
    chosen = choose_parameters(loss.parameters, 9, seed=1)
    one = sample_gradient_noise(loss, chosen, 4, 120, seed=2, route="per_sample")
    other = sample_gradient_noise(loss, chosen, 4, 120, seed=2, route="minibatch")
    assert one.samples == pytest.approx(other.samples, abs=1e-7)
    assert one.samples.any()
    assert one.samples.dtype == np.float32
    assert chosen.n_columns == 9 + 9 + 7
    assert chosen.layers == ("layer 1", "layer 2", "readout")


def test_noise_is_centred_with_the_covariance_of_the_minibatch():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((50, 3)), rng.standard_t(3, 50)
    loss = linear_loss(x, y)
    chosen = choose_parameters(loss.parameters, 3, seed=0)
    noise = sample_gradient_noise(loss, chosen, 5, 20_000, seed=4)
    expected = np.cov((-y[:, None] * x).T) * (1 / 5 - 1 / 50)
    assert noise.samples.mean(axis=0) == pytest.approx(0, abs=4 * np.sqrt(expected.max() / 2e4))
    error = np.linalg.norm(np.cov(noise.samples.T) - expected) / np.linalg.norm(expected)
    assert error < 0.04
    assert noise.gradient_norm == pytest.approx(np.linalg.norm((y[:, None] * x).mean(0)))


def test_the_full_batch_has_no_noise(loss):
    chosen = choose_parameters(loss.parameters, 5, seed=0)
    noise = sample_gradient_noise(loss, chosen, 40, 100, seed=0)
    assert np.abs(noise.samples).max() < 1e-8


def test_chosen_parameters_are_a_fixed_subset(loss):
    a, b = (choose_parameters(loss.parameters, 6, seed=5) for _ in range(2))
    assert all((x == y).all() for x, y in zip(a.entries, b.entries, strict=True))
    assert all(len(set(entry)) == 6 for entry in a.entries)
    assert a.layer_of.tolist() == [0] * 6 + [1] * 6 + [2] * 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 41}, "40 samples"),
        ({"batch_size": 0}, "40 samples"),
        ({"n_batches": 99}, "at least 100"),
        ({"route": "magic"}, "per_sample"),
    ],
)
def test_impossible_samples_are_named(loss, settings, message):
    chosen = choose_parameters(loss.parameters, 5, seed=0)
    values = {"batch_size": 4, "n_batches": 100, "seed": 0}
    with pytest.raises(InvalidSettingError, match=message):
        sample_gradient_noise(loss, chosen, **(values | settings))


def test_any_torch_module_can_be_sampled():
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 6), torch.nn.Dropout(), torch.nn.ReLU(), torch.nn.Linear(6, 3)]
    module = torch.nn.Sequential(*layers)
    x, y = torch.randn(60, 4), torch.randint(0, 3, (60,))
    loss = module_loss(module, torch.nn.CrossEntropyLoss(reduction="none"), x, y)
    chosen = choose_parameters(loss.parameters, 4, seed=0)
    one = sample_gradient_noise(loss, chosen, 8, 100, seed=1, route="per_sample")
    other = sample_gradient_noise(loss, chosen, 8, 100, seed=1, route="minibatch")
    assert one.samples == pytest.approx(other.samples, abs=1e-6)
    assert chosen.layers == ("0.weight", "0.bias", "3.weight", "3.bias")


def test_biases_are_layers_of_their_own(make_replica):
    loss = replica_loss(make_replica(n_train=20, bias=True, activation="tanh", loss="logistic"))
    assert list(loss.parameters)[-3:] == ["bias 1", "bias 2", "bias 3"]
    chosen = choose_parameters(loss.parameters, 3, seed=0)
    noise = sample_gradient_noise(loss, chosen, 4, 100, seed=0)
    assert noise.samples[:, chosen.layer_of == 5].std() > 0


def test_convolutional_networks_have_noise_too():
    point = Point.create(
        model="cnn", depth=2, width=4, n_train=24, n_test=10, loss="quadratic_hinge", alpha=1.0,
        learning_rate=0.1, batch_size=4, max_presentations=100,
    )  # fmt: skip
    loss = replica_loss(prepare_replica(point, Seeds.shared(0)))
    chosen = choose_parameters(loss.parameters, 8, seed=1)
    one = sample_gradient_noise(loss, chosen, 4, 100, seed=2, route="per_sample")
    other = sample_gradient_noise(loss, chosen, 4, 100, seed=2, route="minibatch")
    assert one.samples == pytest.approx(other.samples, abs=1e-6)
    assert one.samples[:, chosen.layer_of == 0].any()


def test_replica_loss_has_the_gradient_of_the_dynamics(make_replica):
    from trainers.models.functions import output

    for name in ("hinge", "quadratic_hinge"):
        replica = make_replica(n_train=30, alpha=3.0, loss=name)
        loss = replica_loss(replica)
        weights = [w + 0.3 * torch.randn_like(w) for w in loss.parameters.values()]
        place = dict(zip(loss.parameters, weights, strict=True))
        x, y = torch.tensor(replica.x_train), torch.tensor(replica.y_train)
        leaves = [w.requires_grad_() for w in weights]
        f, f0 = output(leaves, x), output(list(loss.parameters.values()), x)
        margin = (3.0 * y * (f - f0)).detach()
        pull = (margin < 1) * (1 - margin if name == "quadratic_hinge" else 1)
        expected = torch.autograd.grad(-(pull * y * f).mean(), leaves)
        for gradient, known in zip(
            loss.mean_gradient(place, torch.arange(30)), expected, strict=True
        ):
            assert torch.allclose(gradient, known)


@pytest.mark.parametrize(
    ("kind", "replacement"),
    [("gaussian", False), ("gaussian", True), ("sign", False), ("halves", True)],
)
def test_weighted_batch_has_the_covariance_of_a_small_one(kind, replacement):
    rng = np.random.default_rng(6)
    n, large, small = 500, 64, 8
    g = rng.standard_t(5, (n, 12)) @ rng.standard_normal((12, 12))
    population = np.cov(g.T, ddof=1) * (n - 1) / n if replacement else np.cov(g.T)
    expected = population * (1 / small if replacement else 1 / small - 1 / n)
    steps = 20_000
    rows = np.empty((steps, 12))
    for k in range(steps):
        batch = rng.integers(0, n, large) if replacement else rng.permutation(n)[:large]
        rows[k] = noisy_batch_weights(large, small, rng, kind) @ g[batch]
    error = np.linalg.norm(np.cov(rows.T) - expected) / np.linalg.norm(expected)
    assert error < 0.04
    assert rows.mean(axis=0) == pytest.approx(
        g.mean(axis=0), abs=5 * np.sqrt(expected.diagonal().max() / steps)
    )


def test_matched_weights_sum_to_one_and_end_where_there_is_nothing_to_add():
    rng = np.random.default_rng(0)
    for kind in KINDS:
        assert noisy_batch_weights(64, 8, rng, kind).sum() == pytest.approx(1, abs=1e-14)
    assert (noisy_batch_weights(8, 8, rng) == 1 / 8).all()
    assert noise_coefficient(256, 8) ** 2 == pytest.approx(256 * 248 / (8 * 255))
    with pytest.raises(InvalidSettingError, match="even"):
        noisy_batch_weights(9, 3, rng, "halves")
    with pytest.raises(InvalidSettingError, match="gaussian"):
        noisy_batch_weights(8, 4, rng, "gauss")
    with pytest.raises(InvalidSettingError, match="at least 1"):
        noise_coefficient(8, 0)


def test_local_noise_of_linear_regression_is_a_parabola():
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((4000, 3)) * [1.0, 2.0, 0.5], rng.standard_normal(4000)
    loss = linear_loss(x, y)
    solution = {"w": torch.tensor(np.linalg.lstsq(x, y, rcond=None)[0])}
    direction = {"w": torch.tensor([0.0, 3.0, 0.0], dtype=torch.float64)}
    found = local_noise(loss, solution, direction, 0.1)
    assert found.gradient == pytest.approx(0, abs=1e-12)
    assert found.curvature == pytest.approx((x[:, 1] ** 2).mean())
    residual = y - x @ solution["w"].numpy()
    assert found.c0 == pytest.approx(np.var(x[:, 1] * residual, ddof=1))
    assert found.c2 == pytest.approx(np.var(x[:, 1] ** 2, ddof=1))
    assert found.r_squared == pytest.approx(1)
    # Gaussian x of variance 4: H = 4 and sigma_H = 2 H^2 per sample.
    assert found.kappa(0.1, 4) == pytest.approx(1 + 4 * 4 / (0.1 * 32), rel=0.15)
    top = top_direction(loss, solution, seed=0)["w"].numpy()
    assert abs(top[1]) > 0.999


def test_a_concave_direction_has_no_kappa():
    loss = SampleLoss(
        {"w": torch.zeros(2, dtype=torch.float64)},
        3,
        lambda p, i: -(p["w"] ** 2).sum() * torch.tensor([1.0, 2.0, 4.0])[i],
    )
    found = local_noise(loss, loss.parameters, random_direction(loss.parameters, 0), 0.1)
    assert not found.valid
    assert np.isnan(found.kappa(0.1, 1))
    assert np.isnan(found.stationary_width(0.1, 1))
    with pytest.raises(InvalidSettingError, match="half_width"):
        local_noise(loss, loss.parameters, random_direction(loss.parameters, 0), 0.0)
