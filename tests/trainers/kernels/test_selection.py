"""Batches of varying size, in every trainer: exactly what a brute-force loop does."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces import InvalidSettingError, Point, Seeds
from trainers import train, train_pack
from trainers.batches.selection import draw_of, open_selection, selection_masks
from trainers.images.backend import train_images
from trainers.kernels.backend import train_replica
from trainers.kernels.sgd import ADAPTIVE
from trainers.models.cnn import initial_filters
from trainers.models.functions import network_output
from trainers.models.replica import prepare_replica
from trainers.perceptron.backend import prepare_perceptron, train_perceptron
from trainers.reference.loop import train_reference
from trainers.replicas.engine import train_replicas
from trainers.replicas.selection import draw_selections

FEW = settings(
    deadline=None, max_examples=15, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
WIDTHS = (*range(1, 9), 16, 31, 48, 64)
"""Below a vector, whole vectors, and what lies between."""
LOOK_AHEADS = ((1, 2.0), (1, 0.0), (3, 0.5), (1000, 2.0), (ADAPTIVE, 0.3))


@st.composite
def problems(draw, losses=("hinge", "quadratic_hinge", "logistic"), dtype="float64"):
    """Draw a training of few, stable steps."""
    n_train = draw(st.integers(2, 24))
    fraction = draw(st.sampled_from([1 / n_train, 0.1, 0.3, 0.5, 0.85, 1.0]))
    loss = draw(st.sampled_from(losses))
    alpha = 10 ** draw(st.floats(-1, 2))
    log_t = draw(st.floats(-3, -0.7)) if loss != "hinge" else draw(st.floats(-2.5, 0.5))
    size = fraction * n_train
    temperature = 10**log_t / (alpha * size if loss != "hinge" else 1)
    persists = fraction < 1 and draw(st.booleans())
    slowness = draw(st.sampled_from([1.0, 1.7, 8.0]))
    shortest = temperature * size * max(1.0, fraction / (1 - fraction)) if persists else None
    return {
        "n_train": n_train,
        "active_fraction": fraction,
        "sampling": "persistent" if persists else "bernoulli",
        "persistence_time": shortest and 1.000001 * shortest * slowness,
        "batch_size": None,
        "temperature": temperature,
        "alpha": alpha,
        "loss": loss,
        "data_seed": draw(st.integers(0, 10**6)),
        "input_dim": draw(st.integers(1, 10)),
        "width": draw(st.sampled_from(WIDTHS[1:])),
        "depth": draw(st.integers(1, 3)),
        "activation": draw(st.sampled_from(["relu", "tanh", "gelu"])),
        "bias": draw(st.booleans()),
        "dtype": dtype,
        "max_presentations": math.ceil((100 if loss == "hinge" else 30) * size),
    }


def brute_force(replica):
    """Return last step that moved w and weight change: masks, autograd, weights eta/(b P)."""
    point = replica.point
    rate, b, n_train = point.learning_rate, point.active_fraction, point.n_train
    n_steps = max(1, int(point.max_presentations / (b * n_train) + 1e-9))
    masks = selection_masks(replica.batch_seed, n_steps, n_train, b, point.flips)
    f, x = network_output(replica), torch.tensor(replica.x_train)
    y = torch.tensor(replica.y_train)
    start = [torch.tensor(w) for w in (*replica.weights, *replica.biases)]
    weights = [w.clone().requires_grad_() for w in start]
    f0 = f(start, x).detach()
    interval = 1 if point.loss != "logistic" else math.ceil(1 / b - 1e-9)
    last = 0
    for step, mask in enumerate(masks, start=1):
        outputs = f(weights, x)
        margin = y * point.alpha * (outputs - f0)
        slope = {
            "hinge": (margin < 1).double(),
            "quadratic_hinge": torch.clamp(1 - margin, min=0),
            "logistic": torch.sigmoid(-margin),
        }[point.loss].detach()
        chosen = torch.tensor(mask) & (slope > 0)
        if not point.bias:
            chosen &= outputs.detach() != 0
        if chosen.any():
            total = (chosen * slope * y * outputs).sum() / (b * n_train)
            gradients = torch.autograd.grad(total, weights)
            with torch.no_grad():
                for w, gradient in zip(weights, gradients, strict=True):
                    w += rate * gradient
            last = step
        is_tested = step % interval == 0 or step == n_steps
        if is_tested and bool((y * point.alpha * (f(weights, x) - f0) >= 1).all()):
            break
    moved = [w.detach() - w0 for w, w0 in zip(weights, start, strict=True)]
    change = sum(float(v.square().sum()) for v in moved)
    return last, math.sqrt(change / sum(float(w0.square().sum()) for w0 in start))


@FEW
@given(problem=problems())
def test_kernel_and_reference_equal_brute_force(make_replica, problem):
    replica = make_replica(**problem)
    n_steps, change = brute_force(replica)
    for result in (train_replica(replica), train_reference(replica)):
        assert result.n_steps == n_steps
        assert result.relative_weight_change == pytest.approx(change, rel=1e-5, abs=1e-12)
        assert result.training_time == pytest.approx(replica.point.learning_rate * n_steps)


@FEW
@given(problem=problems(losses=("hinge", "quadratic_hinge")))
def test_look_ahead_changes_no_bit(make_replica, problem):
    for dtype in ("float64", "float32"):
        replica = make_replica(**problem | {"dtype": dtype})
        expected = repr(train_replica(replica))
        for look_ahead, full_check in LOOK_AHEADS:
            assert repr(train_replica(replica, look_ahead, full_check)) == expected


def kinds(make_replica, model, **problem):
    """A problem for a multilayer perceptron, or one whose inputs are images."""
    if model == "mlp":
        return make_replica(input_dim=30, **problem)
    shape = (2, 5, 3)
    made = make_replica(input_dim=30, **problem)
    point = replace(made.point, model="cnn")
    weights = initial_filters(shape[0], point.width, point.depth, seed=made.batch_seed)
    return replace(made, point=point, weights=weights, input_shape=shape)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@settings(FEW, max_examples=8)
@given(problem=problems(losses=("hinge", "quadratic_hinge")))
def test_replicas_equal_brute_force(make_replica, model, problem):
    others = ("activation", "bias", "input_dim")
    problem = {name: value for name, value in problem.items() if name not in others}
    replica = kinds(make_replica, model, **problem)
    n_steps, change = brute_force(replica)
    results = train_replicas([replica])
    if model == "cnn":
        results.append(train_images(replica))
    for result in results:
        assert result.n_steps == n_steps
        assert result.relative_weight_change == pytest.approx(change, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize(("b", "tau"), [(0.1, None), (0.5, 20.0)])
def test_neighbours_order_and_look_ahead_change_no_bit(make_replica, model, b, tau):
    extremes = [(0.02, 200), (1e6, 200), (0.003, 40), (0.03, 100)]
    replicas = [
        kinds(
            make_replica, model, n_train=40, data_seed=seed, width=8, depth=2, alpha=30.0,
            dtype="float32", temperature=temperature / (40 * b), active_fraction=b,
            sampling="persistent" if tau and temperature < 1 else "bernoulli",
            persistence_time=tau if temperature < 1 else None, batch_size=None,
            max_presentations=math.ceil(40 * b * budget),
        )
        for seed, (temperature, budget) in enumerate(extremes)
    ]  # fmt: skip
    if tau:
        replicas = [r for r in replicas if r.point.sampling == "persistent"]
    alone = [repr(train_replicas([replica])[0]) for replica in replicas]
    assert [repr(r) for r in train_replicas(replicas)] == alone
    assert [repr(r) for r in train_replicas(replicas[::-1], slots=2)][::-1] == alone
    for look_ahead in (4, 64):
        assert [repr(r) for r in train_replicas(replicas, look_ahead=look_ahead)] == alone


POINT = {"n_train": 64, "temperature": 0.05, "max_presentations": 10**5, "width": 16}


def test_packs_and_curves_change_no_bit():
    points = [
        Point.create(**POINT, sampling="bernoulli", active_fraction=0.2),
        Point.create(**POINT, sampling="persistent", active_fraction=0.2, persistence_time=30),
    ]
    tasks = [(point, Seeds.shared(seed)) for seed in (0, 3) for point in points]
    packed = train_pack(tasks)
    assert [repr(train(*task)) for task in tasks[::-1]][::-1] == [repr(m) for m in packed]
    assert {m.stop_reason for m in packed} == {"fitted"}
    for point, seeds in tasks:
        recorded = train(replace(point, observables=("curves",)), seeds)
        assert len(recorded.curve) > 5
        assert repr(replace(recorded, curve=None)) == repr(train(point, seeds))


@pytest.mark.parametrize("backend", ["numba", "torch-replicas"])
def test_limits_are_bernoulli_and_full_batch(backend):
    """tau = eta/(1 - b) has no memory, b = 1 takes every point."""

    def bits(**selection):
        point = Point.create(**POINT, **selection)
        return repr(train(point, Seeds.shared(1), backend))

    eta = 0.05 * 16
    memoryless = {
        "sampling": "persistent",
        "active_fraction": 0.25,
        "persistence_time": eta / 0.75,
    }
    assert bits(**memoryless) == bits(sampling="bernoulli", active_fraction=0.25)
    if backend == "numba":
        full = bits(sampling="full_batch", batch_size=64)
        assert bits(sampling="bernoulli", active_fraction=1) == full


def test_every_sample_active_is_the_perceptrons_full_batch():
    settings = {"model": "perceptron", "n_train": 64, "temperature": 0.05}

    def bits(**selection):
        point = Point.create(**settings, **selection, max_presentations=10**5)
        return repr(train(point, Seeds.shared(1)))

    full = bits(sampling="full_batch", batch_size=64)
    assert bits(sampling="bernoulli", active_fraction=1) == full


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_every_sample_active_is_a_replicas_whole_batch(make_replica, model):
    """Batches of P of the fixed sizes take all points in another order: equal up to rounding."""
    problem = {
        "n_train": 16, "width": 6, "depth": 2, "alpha": 10.0, "dtype": "float64",
        "temperature": 0.01, "max_presentations": 16 * 200,
    }  # fmt: skip
    whole = kinds(make_replica, model, **problem, batch_size=16)
    every = kinds(
        make_replica, model, **problem, batch_size=None, sampling="bernoulli", active_fraction=1.0
    )
    (expected,), (found,) = train_replicas([whole]), train_replicas([every])
    assert found.n_updates == expected.n_updates > 0
    change = expected.relative_weight_change
    assert found.relative_weight_change == pytest.approx(change, rel=1e-9)


@pytest.mark.parametrize("sampling", ["bernoulli", "persistent"])
def test_the_perceptron_equals_a_loop(sampling):
    tau = 4000.0 if sampling == "persistent" else None
    point = Point.create(
        model="perceptron", n_train=50, n_test=10, input_dim=6, temperature=30.0,
        active_fraction=0.3, sampling=sampling, persistence_time=tau, dtype="float64",
    max_presentations=10**6)  # fmt: skip
    assert point.scheme == "sequential"
    problem = prepare_perceptron(point, Seeds.shared(2))
    result = train_perceptron(problem)
    masks = selection_masks(2, result.n_steps + 5, 50, 0.3, point.flips)
    w, last, updates = np.zeros(6), 0, 0
    for step, mask in enumerate(masks, start=1):
        pull = mask & (problem.z @ w < 1)
        w += 450.0 / (0.3 * 50) * problem.z[pull].sum(0)
        if pull.any():
            last, updates = step, updates + 1
    assert result.stop_reason == "fitted"
    assert (problem.z @ w).min() >= 1
    assert (result.n_steps, result.n_updates) == (last, updates)
    assert result.weight_norm == pytest.approx(float(np.linalg.norm(w)))


def test_selections_are_random_access():
    point = Point.create(**POINT, sampling="persistent", active_fraction=0.3, persistence_time=9)
    masks = selection_masks(5, 300, 64, 0.3, point.flips)
    assert (draw_selections(point, 5, 137, 50) == masks[137:187]).all()
    active = np.empty(64, bool)
    open_selection(draw_of(point, 5), 200, active)
    assert (active == masks[199]).all()


def test_what_matters_is_the_mean_batch():
    """At equal T Bernoulli batches train like fixed ones of B = b P; persistence takes longer."""

    def mean_logs(**selection):
        settings = {"n_train": 128, "temperature": 0.1, "max_presentations": 10**6}
        point = Point.create(**settings, **selection)
        pack = train_pack([(point, Seeds.shared(seed)) for seed in range(24)])
        assert {m.stop_reason for m in pack} == {"fitted"}
        return np.log([(m.relative_weight_change, m.training_time) for m in pack]).T

    fixed, bernoulli = mean_logs(batch_size=16), mean_logs(sampling="bernoulli", batch_size=16)
    persistent = mean_logs(sampling="persistent", batch_size=16, persistence_time=30)
    for difference in bernoulli - fixed:
        assert abs(difference.mean()) < 3 * difference.std(ddof=1) / math.sqrt(24)
    longer = (persistent - bernoulli)[1]
    assert longer.mean() > 5 * longer.std(ddof=1) / math.sqrt(24)


def test_what_no_trainer_knows_is_refused():
    with pytest.raises(InvalidSettingError, match="scheme=jump draws batches of fixed size"):
        Point.create(**POINT, sampling="bernoulli", active_fraction=0.5, scheme="jump")
    with pytest.raises(
        InvalidSettingError, match=r"persistence_time=1\.0: must be at least 1\.6 for"
    ):
        Point.create(**POINT, sampling="persistent", active_fraction=0.5, persistence_time=1)
    assert prepare_replica(
        Point.create(**POINT, sampling="bernoulli", active_fraction=0.3), Seeds.shared(0)
    ).point.batch_size == pytest.approx(19.2)
