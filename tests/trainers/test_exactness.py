"""The compiled kernel does exactly what the brute-force autograd loop does."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces import Point, Seeds
from search_spaces.choices import DTYPES, SAMPLINGS
from trainers import preparation, train, train_pack
from trainers.dynamics import train_reference
from trainers.kernels import train_replica
from trainers.models import prepare_replica
from trainers.sgd_kernel import ADAPTIVE

LOOK_AHEADS = ((1, 2.0), (1, 0.0), (3, 0.5), (1000, 2.0), (ADAPTIVE, 0.3))
FAST = settings(
    deadline=None, max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@st.composite
def problems(draw, dtype="float64"):
    n_train = draw(st.integers(1, 20))
    loss = draw(st.sampled_from(["hinge", "quadratic_hinge"]))
    alpha = 10 ** draw(st.floats(-1.5, 2.5))
    batch_size = draw(st.integers(1, n_train))
    # The quadratic hinge approaches the margin geometrically, until rounding decides who is a
    # violator, and is unstable at eta alpha K > 2: few steps, of stable size.
    quadratic = loss == "quadratic_hinge"
    log_t = draw(st.floats(-3, -0.7)) if quadratic else draw(st.floats(-2.5, 0.5))
    temperature = 10**log_t / (alpha * batch_size if quadratic else 1)
    return {
        "n_train": n_train,
        "input_dim": draw(st.integers(1, 10)),
        "data_seed": draw(st.integers(0, 10**6)),
        "width": draw(st.integers(1, 8)),
        "depth": draw(st.integers(1, 3)),
        "batch_size": batch_size,
        "temperature": temperature,
        "alpha": alpha,
        "loss": loss,
        "sampling": draw(st.sampled_from(SAMPLINGS)),
        "dtype": dtype,
        "max_presentations": (30 if quadratic else 120) * batch_size,
    }


def assert_same(row, reference):
    for name in ("n_steps", "n_updates", "n_violators_used", "n_presentations", "stop_reason"):
        assert row[name] == reference[name], name
    for name in ("relative_weight_change", "weight_norm", "training_time"):
        assert row[name] == pytest.approx(reference[name], rel=1e-9), name
    assert row["margin_min"] == pytest.approx(reference["margin_min"], rel=1e-9, abs=1e-9)
    assert row["test_error"] == reference["test_error"]
    assert row["train_error"] == reference["train_error"]


@FAST
@given(problem=problems())
def test_kernel_equals_brute_force(make_replica, problem):
    replica = make_replica(**problem)
    assert_same(train_replica(replica).to_row(), train_reference(replica).to_row())


@FAST
@given(problem=st.one_of(problems(), problems(dtype="float32")), wild=st.booleans())
def test_look_ahead_changes_no_bit(make_replica, problem, wild):
    if wild:  # also far beyond stability, where outputs overflow
        problem = problem | {"temperature": problem["temperature"] * 1e4, "alpha": 1.0}
    replica = make_replica(**problem)
    expected = repr(train_replica(replica))
    for look_ahead, full_check in LOOK_AHEADS:
        assert repr(train_replica(replica, look_ahead, full_check)) == expected


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
    points = [
        Point.create(n_train=n, temperature=0.1, batch_size=b, max_presentations=10**5)
        for n, b in ((64, 1), (32, 4), (128, 1))
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
