"""The event-driven perceptron has the law of the naive loop, and the physics of the theory."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from search_spaces import InvalidSettingError, Point, Seeds
from trainers import StopReason, train, train_pack
from trainers.batches.events import (
    choose,
    log_idle_probability,
    open_stream,
    steps_to_event,
    suspects_in_batch,
)
from trainers.batches.streams import Purpose
from trainers.data import load_dataset, signed_inputs
from trainers.perceptron.backend import (
    prepare_perceptron,
    problem_from_margins,
    train_perceptron,
)
from trainers.perceptron.events import count_suspects


def perceptron_margins(n, input_dim, chi, seed):
    """Return z = y x/sqrt(d) of the training points of a seed."""
    dataset = load_dataset("perceptron", input_dim=input_dim, chi=chi)
    return signed_inputs(*dataset.draw(n, seed, Purpose.TRAINSET, np.dtype(np.float64)))


def make_point(**settings):
    values = {"n_train": 64, "temperature": 10.0, "batch_size": 1, "n_test": 10, "chi": 1.0}
    values |= {"input_dim": 16, "max_presentations": 10**12}
    return Point.create(model="perceptron", **(values | settings))


def measure(point, seeds, column):
    return np.array([getattr(m, column) for m in train_pack([(point, s) for s in seeds])])


LAWS = [
    {"temperature": 0.3, "batch_size": 1},
    {"temperature": 10.0, "batch_size": 1},
    {"temperature": 1.0, "batch_size": 8},
    {"temperature": 1.0, "batch_size": 48},
    {"temperature": 1.0, "batch_size": 8, "sampling": "with_replacement"},
    {"temperature": 100.0, "batch_size": 2, "n_train": 256, "chi": 3.0},
]


@pytest.mark.parametrize("settings", LAWS)
def test_events_have_the_law_of_the_naive_loop(settings):
    """Two-sample Kolmogorov-Smirnov tests on one data set; seeds differ in the batches alone."""
    samples = []
    for scheme, first in (("jump", 0), ("sequential", 10**6)):
        problem = prepare_perceptron(make_point(scheme=scheme, **settings), Seeds.shared(3))
        runs = [
            train_perceptron(replace(problem, batch_seed=first + k))
            for k in range(1500 if problem.point.n_train == 64 else 400)
        ]
        assert {run.stop_reason for run in runs} == {StopReason.FITTED}
        samples.append(runs)
    for column in ("weight_norm", "n_steps", "n_updates", "n_violators_used"):
        first, second = ([getattr(run, column) for run in runs] for runs in samples)
        assert stats.ks_2samp(first, second).pvalue > 1e-3, column


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize(("n", "batch_size"), [(1, 1), (3, 7), (30, 40), (190, 3), (200, 5)])
def test_suspects_in_a_batch_follow_the_conditioned_law(n, batch_size, replacement):
    """P = 200, against scipy's hypergeometric and binomial laws."""
    law = stats.binom(batch_size, n / 200) if replacement else stats.hypergeom(200, n, batch_size)
    idle = law.pmf(0)
    log_idle = log_idle_probability(n, 200, batch_size, replacement)
    assert math.exp(log_idle) == pytest.approx(idle, rel=1e-9, abs=1e-300)
    stream = open_stream(np.uint64(5))
    arguments = (n, 200, batch_size, replacement, log_idle, stream)
    drawn = np.array([suspects_in_batch(*arguments) for _ in range(20_000)])
    assert drawn.min() >= 1
    assert drawn.max() <= (batch_size if replacement else min(n, batch_size))
    mean, square = (law.expect(lambda k, q=q: k**q) / (1 - idle) for q in (1, 2))
    error = math.sqrt(max(square - mean**2, 1e-12) / len(drawn))
    assert abs(drawn.mean() - mean) < 4 * error + 1e-9
    waits = np.array([steps_to_event(log_idle, stream) for _ in range(20_000)])
    assert abs(waits.mean() * (1 - idle) - 1) < 4 * math.sqrt(idle / len(waits)) + 1e-12


def test_short_and_long_products_of_the_idle_probability_agree():
    """Both forms of ln C(P-n, B)/C(P, B); 64 factors are the last that are multiplied out."""
    for few, many in ((64, 100), (65, 100), (65, 5000)):
        exact = sum(math.log1p(-many / (10_000 - i)) for i in range(few))
        assert log_idle_probability(few, 10_000, many, False) == pytest.approx(exact, rel=1e-9)
        assert log_idle_probability(many, 10_000, few, False) == pytest.approx(exact, rel=1e-9)
    assert log_idle_probability(5000, 10_000, 5000, False) < -6900  # underflows as a probability
    assert steps_to_event(-6931.0, open_stream(np.uint64(0))) == 1
    assert log_idle_probability(5001, 10_000, 5000, False) == -math.inf


def test_chosen_points_are_distinct_and_uniform():
    stream, stamps = open_stream(np.uint64(1)), np.full(7, -1, np.int64)
    chosen, counts = np.empty(3, np.int64), np.zeros(7)
    for k in range(7000):
        choose(7, 3, False, stamps, k, stream, chosen)
        assert len(set(chosen)) == 3
        counts[chosen] += 1
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("scheme", ["jump", "sequential"])
def test_one_point_is_fitted_after_the_steps_that_its_norm_needs(scheme):
    """m = k T |z|^2 after k updates, every step being one."""
    point = make_point(n_train=1, temperature=0.3, scheme=scheme, dtype="float64")
    norm = (perceptron_margins(1, 16, 1.0, seed=2) ** 2).sum()
    run = train(point, Seeds.shared(2))
    assert run.n_steps == run.n_updates == math.ceil(1 / (0.3 * norm))
    assert run.weight_norm == pytest.approx(0.3 * run.n_updates * math.sqrt(norm))
    assert run.margin_min == pytest.approx(0.3 * run.n_updates * norm)


@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_a_full_batch_is_deterministic(temperature):
    """The plain iteration w += T sum of violators, without any random number."""
    settings = {"temperature": temperature, "batch_size": 64, "dtype": "float64"}
    z = perceptron_margins(64, 16, 1.0, seed=4)
    w, n_steps, n_violators = np.zeros(16), 0, 0
    while (violators := z @ w < 1).any():
        w += temperature * z[violators].sum(axis=0)
        n_steps += 1
        n_violators += violators.sum()
    for scheme in ("jump", "sequential"):
        problem = prepare_perceptron(make_point(scheme=scheme, **settings), Seeds.shared(4))
        runs = [train_perceptron(replace(problem, batch_seed=seed)) for seed in (0, 1)]
        assert runs[0].weight_norm == runs[1].weight_norm
        assert (runs[0].n_steps, runs[0].n_violators_used) == (n_steps, n_violators)
        assert runs[0].weight_norm == pytest.approx(np.linalg.norm(w), rel=1e-12)


def test_result_is_the_measurement_of_its_weights():
    """Everything that is reported follows from the definitions."""
    run = train(make_point(temperature=0.5, alpha=2.0, n_test=500), Seeds.shared(1))
    row = run.to_row()
    assert row["relative_weight_change"] is None
    assert row["margin_min"] >= 1
    assert row["train_error"] == 0
    assert row["training_time"] == 0.5 * row["n_steps"]
    noise = row["signal"] / row["signal_to_noise"]
    assert row["weight_norm"] == pytest.approx(math.hypot(row["signal"], noise))
    last = row["trajectory"].split()[-1].split(":")
    assert len(row["trajectory"].split()) == int(math.log2(row["n_updates"])) + 1
    assert int(last[0]) <= row["n_steps"]
    assert float(last[1]) <= row["signal"]
    # Error of a perceptron whose weights stand at an angle theta to the boundary, chi = 1:
    # P(a + theta g < 0) = (1 - 1/sqrt(1 + theta^2))/2.
    theta = 1 / row["signal_to_noise"]
    expected = (1 - 1 / math.sqrt(1 + theta**2)) / 2
    assert abs(row["test_error"] - expected) < 4 * math.sqrt(expected / 500)


def test_weights_scale_with_the_margin():
    """||w||(T, kappa) = kappa ||w||(T/kappa, 1): the same steps, point by point."""
    narrow = train(make_point(temperature=2.0, alpha=1.0, dtype="float64"), Seeds.shared(0))
    wide = train(make_point(temperature=8.0, alpha=0.25, dtype="float64"), Seeds.shared(0))
    assert (narrow.n_steps, narrow.n_updates) == (wide.n_steps, wide.n_updates)
    assert wide.weight_norm == pytest.approx(4 * narrow.weight_norm, rel=1e-9)


def test_suspects_hold_every_violator():
    rng = np.random.default_rng(0)
    z = perceptron_margins(500, 8, 0.0, seed=0)
    z = z[np.argsort(z[:, 0])]
    radius = np.linalg.norm(z[:, 1:], axis=1).max()
    for scale in (0.0, 0.1, 0.5, 3.0):
        for _ in range(20):
            w = np.concatenate([[rng.uniform(0.1, 5)], scale * rng.standard_normal(7)])
            n = count_suspects(z[:, 0].copy(), w, 0.3, radius, 1.0)
            assert (z[n:] @ w >= 0.3).all()


def test_points_in_any_order_are_one_problem():
    z, z_test = perceptron_margins(200, 16, 1.0, seed=0), np.ones((1, 16))
    point = make_point(n_train=200)
    expected = repr(train_perceptron(problem_from_margins(point, z, z_test, 0)))
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(z)
        assert repr(train_perceptron(problem_from_margins(point, shuffled, z_test, 0))) == expected


def test_results_do_not_depend_on_packing_or_order():
    points = [make_point(n_train=n, temperature=t) for n, t in ((64, 1.0), (256, 10.0))]
    tasks = [(point, Seeds.shared(seed)) for seed in (0, 7) for point in points]
    packed = train_pack(tasks)
    assert [repr(m) for m in train_pack(tasks[::-1])][::-1] == [repr(m) for m in packed]
    assert [repr(train(*task)) for task in tasks] == [repr(m) for m in packed]


@pytest.mark.parametrize("data", ["mixture", "digits"])
@pytest.mark.parametrize("batch_size", [1, 40])
def test_data_without_a_signal_are_fitted_too(data, batch_size):
    """Then every point is a suspect; at B = P the plain iteration is the answer."""
    names = {"chi": None, "input_dim": None, "data": data, "dtype": "float64"}
    point = make_point(n_train=40, batch_size=batch_size, temperature=1.0, **names)
    problem = prepare_perceptron(point, Seeds.shared(0))
    run = train_perceptron(problem)
    assert run.stop_reason == StopReason.FITTED
    assert run.margin_min >= 1
    row = run.to_row()
    assert row["signal"] is None
    assert row["trajectory"] == ""
    w, n_steps = np.zeros(problem.z.shape[1]), 0
    while (violators := problem.z @ w < 1).any():
        w += problem.z[violators].sum(axis=0)
        n_steps += 1
    if batch_size == 40:
        assert run.n_steps == n_steps
        assert run.weight_norm == pytest.approx(np.linalg.norm(w), rel=1e-12)


def test_single_precision_data_take_the_same_path():
    """Weights and margins are float64 for both: rounding of the data rarely moves a decision."""
    points = [make_point(n_train=512, dtype=dtype) for dtype in ("float32", "float64")]
    seeds = [Seeds.shared(seed) for seed in range(24)]
    single, double = (measure(point, seeds, "n_steps") for point in points)
    assert (single == double).mean() > 0.9
    single, double = (measure(point, seeds, "weight_norm") for point in points)
    assert np.log(single).mean() == pytest.approx(np.log(double).mean(), abs=0.01)


def test_budgets_of_steps_and_updates_censor():
    full = train(make_point(n_train=256), Seeds.shared(0))
    for scheme in ("jump", "sequential"):
        point = make_point(n_train=256, scheme=scheme, max_presentations=100)
        run = train(point, Seeds.shared(0))
        assert run.stop_reason == StopReason.STEP_BUDGET
        assert run.n_steps <= 100 < full.n_steps
        assert run.margin_min < 1
        problem = prepare_perceptron(make_point(n_train=256, scheme=scheme), Seeds.shared(0))
        run = train_perceptron(problem, max_updates=17)
        assert run.stop_reason == StopReason.STEP_BUDGET
        assert run.n_updates == 17
    exact = make_point(n_train=256, max_presentations=full.n_steps)
    assert train(exact, Seeds.shared(0)).stop_reason == StopReason.FITTED


def test_what_no_perceptron_knows_is_refused():
    for settings, message in (
        ({"loss": "logistic"}, "loss=logistic cannot be trained by model=perceptron"),
        ({"bias": True}, "bias=True cannot be trained by model=perceptron"),
    ):
        with pytest.raises(InvalidSettingError, match=message):
            train(make_point(**settings), Seeds.shared(0))
    with pytest.raises(InvalidSettingError, match="backend=torch does not train model=perceptron"):
        train(make_point(), Seeds.shared(0), "torch")


@pytest.mark.verify
@pytest.mark.parametrize(
    ("chi", "n_train", "n"),
    [(3.0, 2048, 400), (1.0, 256, 400), (1.0, 4096, 150), (0.0, 1024, 120)],
)
def test_events_have_the_law_of_the_naive_loop_at_the_sizes_of_the_study(chi, n_train, n, pages):
    runs = {}
    for scheme, first in (("jump", 0), ("sequential", 10**6)):
        point = make_point(
            n_train=n_train, chi=chi, temperature=100.0, input_dim=64, scheme=scheme
        )
        runs[scheme] = train_pack([(point, Seeds.shared(first + k)) for k in range(n)])
    for column in ("weight_norm", "signal_to_noise", "n_steps", "n_updates"):
        events, naive = (np.log([getattr(run, column) for run in runs[scheme]]) for scheme in runs)
        p_value = stats.ks_2samp(events, naive).pvalue
        pull = (events.mean() - naive.mean()) / math.hypot(stats.sem(events), stats.sem(naive))
        pages.add(
            "perceptron-events",
            χ=f"{chi:g}",
            P=n_train,
            runs=f"2 × {n}",
            quantity=f"`{column}`",
            events=f"{math.exp(events.mean()):.4g}",
            loop=f"{math.exp(naive.mean()):.4g}",
            pull=f"{pull:+.1f}",
            p=f"{p_value:.2f}",
        )
        assert p_value > 1e-3, column
        assert abs(pull) < 4, column
