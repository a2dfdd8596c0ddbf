"""The compiled kernel does exactly what the brute-force autograd loop does."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces import Point, Seeds
from search_spaces.choices import DTYPES, FIXED_SIZES, LOSSES, SCHEMES
from trainers import train, train_pack
from trainers.kernels import preparation
from trainers.kernels.backend import train_replica
from trainers.kernels.sgd import ADAPTIVE
from trainers.models.replica import prepare_replica
from trainers.reference.loop import train_reference

WIDTHS = (*range(1, 9), 16, 31, 48, 64)
"""Below a vector, whole vectors, and what lies between."""
LOOK_AHEADS = ((1, 2.0), (1, 0.0), (3, 0.5), (1000, 2.0), (ADAPTIVE, 0.3))
TOO_SLOW = [HealthCheck.too_slow]
FEW = settings(deadline=None, max_examples=30, derandomize=True, suppress_health_check=TOO_SLOW)
MANY = settings(FEW, max_examples=1000)


@st.composite
def problems(draw, dtype="float64", losses=LOSSES):
    """Draw settings of a training of few, stable steps."""
    n_train = draw(st.integers(1, 20))
    loss = draw(st.sampled_from(losses))
    sampling = draw(st.sampled_from(FIXED_SIZES))
    batch_size = n_train if sampling == "full_batch" else draw(st.integers(1, n_train))
    alpha = 10 ** draw(st.floats(-1.5, 2.5))
    # Steps of a loss that bends are stable for eta alpha K < 2. The quadratic hinge approaches
    # the margin geometrically, until rounding decides who is a violator: few steps.
    bends = loss != "hinge"
    log_t = draw(st.floats(-3, -0.7)) if bends else draw(st.floats(-2.5, 0.5))
    return {
        "n_train": n_train,
        "input_dim": draw(st.integers(1, 10)),
        "data_seed": draw(st.integers(0, 10**6)),
        "width": draw(st.sampled_from(WIDTHS)),
        "depth": draw(st.integers(1, 3)),
        "activation": draw(st.sampled_from(["relu", "tanh", "gelu"])),
        "bias": draw(st.booleans()),
        "batch_size": batch_size,
        "temperature": 10**log_t / (alpha * batch_size if bends else 1),
        "alpha": alpha,
        "loss": loss,
        "sampling": sampling,
        "scheme": "sequential" if loss == "logistic" else draw(st.sampled_from(SCHEMES)),
        "dtype": dtype,
        "max_presentations": (120 if loss == "hinge" else 30) * batch_size,
    }


def assert_same(row, reference):
    exact = ("n_steps", "n_updates", "n_violators_used", "stop_reason", "train_error")
    for name in (*exact, "n_presentations", "test_error"):
        assert row[name] == reference[name], name
    assert set(row) == set(reference)
    for name in set(row) - {"backend", "curve", *exact}:
        value, expected = row[name], reference[name]
        assert (value is None) == (expected is None), name
        if value is not None:
            assert value == pytest.approx(expected, rel=1e-7, abs=1e-9), name


def check_against_brute_force(make_replica, problem):
    replica = make_replica(**problem)
    assert_same(train_replica(replica).to_row(), train_reference(replica).to_row())


def check_look_ahead(make_replica, problem, wild):
    if wild:  # also far beyond stability, where outputs overflow
        problem = problem | {"temperature": problem["temperature"] * 1e4, "alpha": 1.0}
    replica = make_replica(**problem)
    expected = repr(train_replica(replica))
    for look_ahead, full_check in LOOK_AHEADS:
        assert repr(train_replica(replica, look_ahead, full_check)) == expected


EITHER_DTYPE = st.one_of(
    problems(losses=["hinge", "quadratic_hinge"]),
    problems(dtype="float32", losses=["hinge", "quadratic_hinge"]),
)


@FEW
@given(problem=problems())
def test_kernel_equals_brute_force(make_replica, problem):
    check_against_brute_force(make_replica, problem)


@pytest.mark.verify
@MANY
@given(problem=problems())
def test_kernel_equals_brute_force_in_many_problems(make_replica, problem):
    check_against_brute_force(make_replica, problem)


@FEW
@given(problem=EITHER_DTYPE, wild=st.booleans())
def test_look_ahead_changes_no_bit(make_replica, problem, wild):
    check_look_ahead(make_replica, problem, wild)


@pytest.mark.verify
@MANY
@given(problem=EITHER_DTYPE, wild=st.booleans())
def test_look_ahead_changes_no_bit_in_many_problems(make_replica, problem, wild):
    check_look_ahead(make_replica, problem, wild)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("bias", [False, True])
def test_look_ahead_changes_no_bit_for_any_network(activation, bias):
    point = Point.create(
        n_train=128, temperature=0.1, batch_size=2, width=32, activation=activation, bias=bias,
        max_presentations=10**4,
    )  # fmt: skip
    replica = prepare_replica(point, Seeds.shared(0))
    expected = train_replica(replica)
    assert expected.stop_reason == "fitted"
    for look_ahead, full_check in LOOK_AHEADS:
        assert repr(train_replica(replica, look_ahead, full_check)) == repr(expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "hinge"},
        {"loss": "hinge", "scheme": "jump"},
        {"loss": "logistic"},
        {"loss": "hinge", "alpha": 1e3, "temperature": 1e6},
    ],
)
def test_a_curve_changes_no_bit_and_agrees_with_brute_force(make_replica, settings):
    settings = {"n_train": 12, "alpha": 5.0, "max_presentations": 200, **settings}
    replica = make_replica(observables=("curves",), **settings)
    recorded, plain = train_replica(replica), train_replica(make_replica(**settings))
    assert repr(replace(recorded, curve=None)) == repr(plain)
    expected = train_reference(replica).to_row()["curve"]
    curve = recorded.to_row()["curve"]
    assert len(curve) == len(expected) > 3
    for entry, other in zip(curve, expected, strict=True):
        known = [a is not None for a in entry]
        assert known == [a is not None for a in other]
        if all(known):
            assert entry == pytest.approx(other, rel=1e-7)
    assert curve[-1][0] == max(recorded.n_steps, curve[-1][0])
    assert curve[-1][-3:] == [
        recorded.to_row()[name] for name in ("relative_weight_change", "train_error", "test_error")
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("n_train", "batch_size", "temperature"), [(256, 1, 0.1), (256, 16, 0.1), (256, 4, 0.001)]
)
def test_look_ahead_changes_no_bit_on_digits(dtype, n_train, batch_size, temperature):
    point = Point.create(
        n_train=n_train, temperature=temperature, batch_size=batch_size, dtype=dtype,
        max_presentations=10**5,
    )  # fmt: skip
    for seed in range(3):
        replica = prepare_replica(point, Seeds.shared(seed))
        expected = repr(train_replica(replica))
        for look_ahead, full_check in LOOK_AHEADS:
            assert repr(train_replica(replica, look_ahead, full_check)) == expected


@pytest.mark.parametrize("batch_size", [1, 8])
def test_kernel_equals_brute_force_on_digits(batch_size):
    """A whole training of a real network, in double precision."""
    point = Point.create(
        n_train=64, temperature=0.1, batch_size=batch_size, width=16, dtype="float64",
        max_presentations=10**5,
    )  # fmt: skip
    row = train(point, Seeds.shared(1), "numba").to_row()
    reference = train(point, Seeds.shared(1), "torch").to_row()
    assert row["stop_reason"] == "fitted"
    assert row["backend"] == "numba"
    assert reference["backend"] == "torch"
    assert_same(row, reference)


def test_single_precision_agrees_with_double_in_law():
    """32 seeds; the trajectories part, their mean log weight change does not."""
    means = []
    for dtype in DTYPES:
        point = Point.create(
            n_train=128, temperature=0.1, batch_size=1, dtype=dtype, max_presentations=10**5
        )
        pack = train_pack([(point, Seeds.shared(seed)) for seed in range(32)])
        means.append(np.mean([math.log(m.relative_weight_change) for m in pack]))
    assert means[0] == pytest.approx(means[1], abs=0.04)


def test_results_do_not_depend_on_packing_or_order():
    cases: list[dict] = [
        {"n_train": 64, "batch_size": 1},
        {"n_train": 32, "batch_size": 4, "activation": "tanh", "bias": True},
        {"n_train": 64, "batch_size": 1, "bias": True},
        {"n_train": 64, "batch_size": 1, "scheme": "jump"},
        {"n_train": 32, "batch_size": 2, "loss": "logistic", "temperature": 0.01},
    ]
    points = [
        Point.create(**({"temperature": 0.1, "max_presentations": 2000} | case)) for case in cases
    ]
    tasks = [(point, Seeds.shared(seed)) for seed in (0, 5) for point in points]
    packed = train_pack(tasks)
    assert [repr(m) for m in train_pack(tasks[::-1])][::-1] == [repr(m) for m in packed]
    assert [repr(train(*task)) for task in tasks] == [repr(m) for m in packed]


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_kept_between_trainings_changes_no_bit(dtype, monkeypatch):
    """Trained from arrays, in a fresh process, a second time, and with nothing ever kept."""
    points = [
        Point.create(
            n_train=n, temperature=t, batch_size=1, dtype=dtype, width=16, max_presentations=10**5
        )
        for n in (64, 32)
        for t in (0.1, 0.3)
    ]
    tasks = [(point, Seeds.shared(seed)) for seed in (0, 1) for point in points]
    expected = [repr(train_replica(prepare_replica(*task))) for task in tasks]
    for limit in (2**20, 0, 10**4):
        monkeypatch.setattr(preparation, "_kept", preparation._Kept(limit))
        assert [repr(train(*task)) for task in tasks] == expected
        assert [repr(train(*task)) for task in tasks[::-1]] == expected[::-1]
        assert preparation._kept.size <= limit


def test_seeds_of_init_batch_and_split_each_matter():
    point = Point.create(n_train=32, temperature=0.1, batch_size=1, max_presentations=10**5)
    base = Seeds.shared(0)
    results = {
        repr(train(point, replace(base, **{name: 1})))
        for name in ("trainset", "testset", "init", "batch")
    }
    assert len(results | {repr(train(point, base))}) == 5
    assert repr(train(point, replace(base, noise=1))) == repr(train(point, base))
