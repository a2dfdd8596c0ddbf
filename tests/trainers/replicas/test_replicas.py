"""Replicas in one set of tensors, and images in the compiled kernel, do what the plain loop does.

The kernel of convolutional networks is tested beside the replicas, on the same problems.
"""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces import InvalidSettingError, Point, Seeds
from trainers import resolve_backend, train, train_pack
from trainers.batches.horizon import LOOK_AHEADS, LookAhead
from trainers.images import backend as image_training
from trainers.images.backend import compile_image_kernels, train_images
from trainers.models.batched import build_network, network_of
from trainers.models.cnn import initial_filters
from trainers.models.functions import network_output
from trainers.models.replica import prepare_replica
from trainers.reference.loop import train_reference
from trainers.replicas.engine import MACHINES, most_slots, train_replicas
from trainers.replicas.final import evaluate
from trainers.replicas.pack import rounding_unit

FAST = settings(
    deadline=None, max_examples=15, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


@pytest.fixture(autouse=True)
def _one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def images(make_replica, shape=(2, 5, 4), depth=3, **problem):
    """A random problem whose inputs are images for a convolutional network."""
    replica = make_replica(input_dim=int(np.prod(shape)), **problem)
    point = dataclasses.replace(replica.point, model="cnn", depth=depth)
    weights = initial_filters(shape[0], point.width, depth, seed=replica.batch_seed)
    return dataclasses.replace(replica, point=point, weights=weights, input_shape=shape)


def vectors(make_replica, **problem):
    """A random problem for a multilayer perceptron."""
    return make_replica(input_dim=30, **problem)


@st.composite
def problems(draw):
    n_train = draw(st.integers(1, 40))
    loss = draw(st.sampled_from(["hinge", "hinge", "quadratic_hinge"]))
    alpha = 10 ** draw(st.floats(-1.5, 2.5))
    batch_size = draw(st.integers(1, n_train))
    quadratic = loss == "quadratic_hinge"
    log_t = draw(st.floats(-3, -0.7)) if quadratic else draw(st.floats(-2.5, 0.5))
    return {
        "n_train": n_train,
        "data_seed": draw(st.integers(0, 10**6)),
        "width": draw(st.sampled_from([*range(1, 9), 16, 31, 48])),
        "depth": draw(st.integers(1, 3)),
        "batch_size": batch_size,
        "temperature": 10**log_t / (alpha * batch_size if quadratic else 1),
        "alpha": alpha,
        "loss": loss,
        "sampling": draw(st.sampled_from(["without_replacement", "with_replacement"])),
        "max_presentations": (30 if quadratic else 120) * batch_size,
    }


def assert_same(row, reference, backend="torch-replicas"):
    assert row.pop("backend") == backend
    for name, value in row.items():
        expected = reference[name]
        if isinstance(value, float) and expected is not None:
            assert value == pytest.approx(expected, rel=1e-8, abs=1e-9), name
        else:
            assert value == expected, name


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@FAST
@given(problem=problems())
def test_replicas_equal_brute_force(make_replica, model, problem):
    replica = (images if model == "cnn" else vectors)(make_replica, **problem)
    (result,) = train_replicas([replica])
    assert_same(result.to_row(), train_reference(replica).to_row())


@FAST
@given(
    problem=problems(),
    shape=st.sampled_from([(2, 5, 4), (1, 8, 8), (3, 3, 7), (2, 1, 1), (1, 2, 9)]),
    depth=st.integers(1, 5),
    width=st.sampled_from([3, 8, 19]),
)
def test_images_equal_brute_force(make_replica, problem, shape, depth, width):
    replica = images(make_replica, shape, **(problem | {"width": width, "depth": depth}))
    result = train_images(replica)
    assert_same(result.to_row(), train_reference(replica).to_row(), "numba")
    assert repr(train_images(replica)) == repr(result)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_convolutional_network_equals_brute_force_on_digits(batch_size):
    point = Point.create(
        model="cnn", n_train=64, temperature=0.3, batch_size=batch_size, width=6, depth=4,
        dtype="float64", max_presentations=10**5,
    )  # fmt: skip
    reference = train(point, Seeds.shared(1), "torch").to_row()
    assert reference["stop_reason"] == "fitted"
    for backend in ("numba", "torch-replicas"):
        assert_same(train(point, Seeds.shared(1), backend).to_row(), reference, backend)


def test_output_of_an_image_depends_on_no_other_image(make_replica):
    """Bit for bit, so that the kernel needs one path of arithmetic only."""
    replica = images(make_replica, (1, 6, 5), 4, n_train=9, width=32, dtype="float32")
    start = image_training._start(replica)
    f = start.images(replica.x_train, replica.y_train).f0
    assert len(set(f)) == 9
    for p in range(9):
        alone = start.images(replica.x_train[p : p + 1], replica.y_train[p : p + 1])
        assert alone.f0 == f[p]
    backwards = start.images(replica.x_train[::-1], replica.y_train[::-1])
    assert (backwards.f0[::-1] == f).all()


def test_images_are_fitted_or_diverge_or_use_up_the_budget(make_replica):
    replicas = mixed_pack(make_replica, images, "float32", 1)
    results = [train_images(replica) for replica in replicas]
    reasons = [train_replicas([replica])[0].stop_reason for replica in replicas]
    assert [m.stop_reason for m in results] == reasons
    assert len(set(reasons)) == 3
    logistic = images(make_replica, n_train=2, loss="logistic")
    with pytest.raises(InvalidSettingError, match="loss=logistic cannot be trained"):
        train_images(logistic)


def test_contradictory_and_silent_images_are_never_fitted(make_replica):
    """The same image with both labels; an image at which f = 0 and nothing pulls."""
    settings = {"n_train": 2, "width": 4, "max_presentations": 60}
    x = np.ones((2, 4))
    twice = make_replica(x=x, y=[1.0, -1.0], **settings)
    silent = make_replica(x=0 * x, y=[1.0, 1.0], **settings)
    for replica in (twice, silent):
        point = dataclasses.replace(replica.point, model="cnn")
        replica = dataclasses.replace(
            replica, point=point, weights=initial_filters(1, 4, 2, 0), input_shape=(1, 2, 2)
        )
        row = train_images(replica).to_row()
        assert row["stop_reason"] == "step_budget"
        assert_same(row, train_reference(replica).to_row(), "numba")


def test_compiling_images_is_harmless_and_silent(capfd):
    compile_image_kernels("float32")
    assert capfd.readouterr() == ("", "")


def mixed_pack(make_replica, kind, dtype, batch_size):
    """Replicas of several temperatures, some of which diverge or use up a short budget."""
    extremes = [(0.1, 500), (1e6, 500), (0.003, 40), (0.03, 300)]
    return [
        kind(
            make_replica, n_train=20, data_seed=seed, width=16, depth=2, alpha=30.0, dtype=dtype,
            temperature=temperature / batch_size, max_presentations=budget * batch_size,
            batch_size=batch_size,
        )
        for seed, (temperature, budget) in enumerate(extremes)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "batch_size", "dtype"),
    [
        ("mlp", 1, "float32"), ("mlp", 20, "float32"), ("mlp", 4, "float64"),
        ("cnn", 1, "float32"), ("cnn", 20, "float32"), ("cnn", 4, "float64"),
    ],
)  # fmt: skip
def test_neighbours_order_and_look_ahead_change_no_bit(make_replica, model, batch_size, dtype):
    kind = images if model == "cnn" else vectors
    replicas = mixed_pack(make_replica, kind, dtype, batch_size)
    alone = [repr(train_replicas([replica])[0]) for replica in replicas]
    assert len({r.split("'")[3] for r in alone}) == 3  # fitted, diverged, budget used up
    for slots, look_ahead in ((4, 3), (2, 64)):
        packed = train_replicas(replicas, look_ahead=look_ahead, slots=slots)
        assert [repr(result) for result in packed] == alone
    backwards = train_replicas(replicas[::-1])
    assert [repr(result) for result in backwards[::-1]] == alone


@pytest.mark.parametrize(
    ("model", "width", "backend"),
    [("mlp", 64, "torch-replicas"), ("cnn", 32, "torch-replicas"), ("cnn", 32, "numba")],
)
def test_neighbours_change_no_bit_of_real_networks(model, width, backend):
    point = Point.create(
        model=model, width=width, n_train=48, temperature=0.3, batch_size=2,
        max_presentations=10**5,
    )  # fmt: skip
    tasks = [(point, Seeds.shared(seed)) for seed in range(3)]
    packed = [repr(m) for m in train_pack(tasks, backend)]
    assert packed == [repr(train(*task, backend)) for task in tasks]
    assert [repr(m) for m in train_pack(tasks[::-1], backend)][::-1] == packed


def test_packs_of_several_points_come_back_in_order():
    points = [
        Point.create(
            model=model, n_train=n, temperature=0.3, batch_size=1, width=16, max_presentations=500
        )
        for model, n in (("cnn", 8), ("mlp", 8), ("cnn", 12))
    ]
    tasks = [(point, Seeds.shared(seed)) for seed in (0, 3) for point in points]
    for backend in ("auto", "torch-replicas"):
        results = train_pack(tasks, backend)
        assert {m.backend for m in results} == {"numba" if backend == "auto" else backend}
        assert [repr(m) for m in results] == [repr(train(*task, backend)) for task in tasks]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [None, (1, 8, 8), (3, 9, 7)])
@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_look_ahead_rounds_well_within_what_decides(dtype, shape, gain):
    """Outputs of many rows in one product, and of one row in the product of a step."""
    network = build_network(32, 4, 64 if shape is None else int(np.prod(shape)), shape)
    generator = torch.Generator().manual_seed(0)
    weights = [
        gain * scale * torch.randn(1, *size, generator=generator, dtype=dtype)
        for scale, size in zip(network.scales(), network.shapes(), strict=True)
    ]
    x = torch.randn(300, network.input_dim, generator=generator, dtype=dtype)
    f, size = evaluate(network, weights, x, 64)
    alone = torch.cat([network.forward(weights, row[None, None])[0][0] for row in x])
    unit = rounding_unit(network, weights, x.new_ones(1, 1)) * size
    assert float((f - alone).abs().max()) < float(unit) / 5


def test_a_pack_refills_its_slots_and_takes_replicas_only_when_it_needs_them(make_replica):
    taken = []

    def stream():
        for seed in range(7):
            taken.append(seed)
            yield make_replica(n_train=5, data_seed=seed, alpha=10.0)

    results = train_replicas(stream(), slots=2)
    assert taken == list(range(7))
    expected = [train_replicas([make_replica(n_train=5, data_seed=s, alpha=10.0)]) for s in taken]
    assert [repr(m) for m in results] == [repr(m) for (m,) in expected]
    assert train_replicas([]) == []


def test_packs_are_limited_by_memory():
    point = Point.create(
        model="cnn", n_train=1024, temperature=0.1, batch_size=1, max_presentations=9
    )
    small = build_network(point.width, point.depth, 64, (1, 8, 8))
    large = build_network(point.width, point.depth, 3072, (3, 32, 32))
    cpu = MACHINES["cpu"]
    tight = dataclasses.replace(cpu, memory_bytes=2**26)
    assert most_slots(small, point, cpu) == cpu.slots
    assert 1 <= most_slots(large, point, tight) < most_slots(small, point, tight) <= cpu.slots
    assert most_slots(large, point, dataclasses.replace(cpu, memory_bytes=1)) == 1


def test_look_ahead_grows_as_updates_become_rare():
    rows = []
    for hits in (50, 20, 5, 1, 0):
        look_ahead = LookAhead(overhead=10.0, fixed=0)
        for _ in range(200):
            look_ahead.learn(hits, 50, look_ahead.rows)
        rows.append(look_ahead.rows)
    assert rows == sorted(rows)
    assert (rows[0], rows[-1]) == (LOOK_AHEADS[0], LOOK_AHEADS[-1])


def test_images_of_any_shape_and_strides_have_the_output_of_the_plain_network(make_replica):
    for shape in ((1, 8, 8), (3, 7, 5), (2, 1, 1)):
        replica = images(make_replica, shape=shape, depth=4, n_train=6, width=5)
        network = network_of(replica)
        assert network.shapes() == [w.shape for w in replica.weights]
        weights = [torch.tensor(w) for w in replica.weights]
        scaled = [s * w[None] for s, w in zip(network.scales(), weights, strict=True)]
        f, _ = evaluate(network, scaled, torch.tensor(network.arrange(replica.x_train)), 4)
        expected = network_output(replica)(weights, torch.tensor(replica.x_train))
        assert torch.allclose(f, expected, rtol=1e-12, atol=1e-12)


def test_backend_follows_model_and_device():
    settings = {"n_train": 16, "temperature": 0.1, "batch_size": 1, "max_presentations": 9}
    mlp, cnn = (Point.create(model=model, **settings) for model in ("mlp", "cnn"))
    assert resolve_backend(mlp) == "numba"
    assert resolve_backend(mlp, "torch-replicas") == "torch-replicas"
    assert resolve_backend(cnn) == "numba"
    assert resolve_backend(cnn, "torch") == "torch"
    perceptron = Point.create(model="perceptron", **settings)
    with pytest.raises(InvalidSettingError, match="does not train model=perceptron on device=cpu"):
        resolve_backend(perceptron, "torch")
    with pytest.raises(InvalidSettingError, match="did you mean 'cuda'"):
        resolve_backend(cnn, device="cudo")
    tanh = Point.create(model="cnn", activation="tanh", **settings)
    with pytest.raises(InvalidSettingError, match="activation=tanh cannot be trained with model"):
        resolve_backend(tanh)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_refused_in_one_sentence():
    point = Point.create(n_train=16, temperature=0.1, batch_size=1, max_presentations=9)
    with pytest.raises(InvalidSettingError, match="device=cuda needs a GPU"):
        train(point, Seeds.shared(0), device="cuda")


@needs_gpu
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_gpu_takes_the_steps_of_the_plain_loop(make_replica, model):
    kind = images if model == "cnn" else vectors
    for seed in range(4):
        replica = kind(make_replica, n_train=20, data_seed=seed, alpha=30.0, width=6, depth=2)
        (result,) = train_replicas([replica], device="cuda", slots=8)
        assert_same(result.to_row(), train_reference(replica).to_row())


@needs_gpu
def test_neighbours_change_no_bit_on_a_gpu():
    point = Point.create(
        model="cnn", n_train=48, temperature=0.3, batch_size=2, max_presentations=10**5
    )
    tasks = [(point, Seeds.shared(seed)) for seed in range(5)]
    packed = [repr(m) for m in train_pack(tasks, device="cuda")]
    assert packed == [repr(train(*task, device="cuda")) for task in tasks]


def test_seeds_matter_to_a_convolutional_network():
    point = Point.create(
        model="cnn", n_train=24, temperature=0.3, batch_size=1, width=8, max_presentations=10**5
    )
    base = Seeds.shared(0)
    tasks = [(point, base)]
    tasks += [
        (point, dataclasses.replace(base, **{name: 1}))
        for name in ("trainset", "testset", "init", "batch")
    ]
    assert len({repr(m) for m in train_pack(tasks)}) == 5
    assert prepare_replica(*tasks[0]).input_shape == (1, 8, 8)
