"""Simulated Levy-driven, power-law and Langevin dynamics against theory."""

import numpy as np
import pytest
from scipy import stats

from analysis.distributions.levy_escape import (
    levy_escape,
    overshoot_probability,
    schedule_survival,
)
from analysis.distributions.power_law_escape import (
    log_well_escape,
    power_law_variance,
    sgd_variance,
)
from analysis.distributions.stable import fit_stable
from analysis.distributions.student import fit_student
from search_spaces import InvalidSettingError
from trainers.diffusion.models import (
    PowerLawDynamics,
    simulate_levy,
    simulate_regression,
    simulate_schedule,
    stable_noise,
)


def assert_within(value, expected, stderr, errors=3.0):
    assert abs(value - expected) <= errors * stderr, f"{value} ± {stderr}, expected {expected}"


def test_noise_of_index_two_has_variance_two():
    assert stable_noise(2.0, (1000, 200), seed=3).var() == pytest.approx(2, rel=0.02)


def test_noise_has_the_tail_index_asked_for_in_every_column():
    draws = stable_noise([1.0, 1.5, 1.9], (20_000, 3), seed=4)
    assert fit_stable(draws).tail_index == pytest.approx([1.0, 1.5, 1.9], abs=0.04)
    assert stats.kstest(draws[:, 0], "cauchy").pvalue > 1e-3


def test_a_path_is_the_same_alone_and_among_others():
    settings = {"dt": 0.02, "max_time": 30.0, "seed": 8}
    few = simulate_levy([1.2, 1.8], 0.1, 1.0, n_paths=3, **settings)
    many = simulate_levy([1.2, 1.8], 0.1, 1.0, n_paths=30, **settings)
    assert np.array_equal(few.time, many.time[:3])
    assert np.array_equal(few.position, many.position[:3])


def test_levy_escape_takes_the_predicted_time_and_overshoots_as_pareto():
    exits = simulate_levy(1.5, 0.034, 1.0, max_time=8000.0, n_paths=1000, seed=1)
    assert exits.exited.all()
    assert exits.mean_time == pytest.approx(400, rel=0.10)
    factor = np.abs(exits.position[:, 0])
    for threshold in (1.5, 3.0):
        expected = float(overshoot_probability(threshold, 1.5))
        error = np.sqrt(expected * (1 - expected) / factor.size)
        assert_within((factor > threshold).mean(), expected, error, 4)


def test_levy_exits_prefer_the_coordinate_with_the_largest_rate():
    index = [1.2, 1.5, 1.8, 1.95]
    law = levy_escape(index, 0.05, 1.0)
    exits = simulate_levy(index, 0.05, 1.0, max_time=4 * law.mean_time, n_paths=1000, seed=2)
    left = exits.coordinate[exits.exited]
    shares = np.bincount(left, minlength=4) / left.size
    # Simulated elsewhere with 600 paths: .712 .232 .046 .010; the asymptotic law within its bias.
    published = np.array([0.712, 0.232, 0.046, 0.010])
    error = np.sqrt(published * (1 - published) * (1 / 600 + 1 / left.size))
    assert (np.abs(shares - published) < 3 * error).all()
    assert shares == pytest.approx(law.exit_probability, abs=0.05)
    assert exits.mean_time == pytest.approx(46.0, rel=0.1)


def test_decaying_the_step_or_the_noise_traps_equally():
    decay = np.repeat([1.0, 0.5, 0.1], [1000, 1000, 2000])
    eta = np.full(4000, 0.1)
    constant = schedule_survival(1.5, eta, np.ones(4000))
    sigma = np.full(4000, (1.5 / -np.log(constant)) ** (1 / 1.5))
    predicted = schedule_survival(1.5, eta * decay, sigma)
    assert predicted == pytest.approx(0.588, abs=2e-3)
    settings = {"n_paths": 2500, "seed": 5}
    by_step = 1 - simulate_schedule(1.5, eta * decay, sigma, **settings).exited.mean()
    by_noise = 1 - simulate_schedule(1.5, eta, sigma * decay, **settings).exited.mean()
    neither = 1 - simulate_schedule(1.5, eta, sigma, **settings).exited.mean()
    assert_within(by_step, by_noise, np.sqrt(2 * predicted * (1 - predicted) / 2500))
    assert (by_step, by_noise) == pytest.approx((predicted, predicted), abs=0.03)
    assert neither == pytest.approx(np.exp(-1.5), abs=0.03)


@pytest.mark.parametrize(
    ("convention", "kappa"), [("ito", 2.25), ("stratonovich", 1.75), ("paper", 1.25)]
)
def test_stationary_law_has_the_exponent_of_its_convention(convention, kappa):
    dynamics = PowerLawDynamics(1.0, 0.1, 1.0, 8.0, convention)
    w = dynamics.samples(3000, 15, burn_time=12, interval=2, dt=0.01, seed=6)
    fit = fit_student(w.ravel())
    assert fit.kappa[0] == pytest.approx(kappa, rel=0.04)
    assert fit.rho[0] == pytest.approx(8.0, rel=0.12)
    if convention == "ito":
        assert w.var() == pytest.approx(power_law_variance(1.0, 0.1, 1.0, 8.0), rel=0.15)


def test_sgd_with_random_curvature_has_the_ito_exponent():
    # The step of SGD with A ~ N(H, 1), b ~ N(0, 1) is the Euler step of dt = eta.
    dynamics = PowerLawDynamics(0.1, 0.1, 1.0, 1.0)
    u = dynamics.samples(500, 200, burn_time=100, interval=20, dt=0.1, seed=7)
    assert fit_student(u.ravel()).kappa[0] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("barrier", "sigma_h"), [(0.1, 0.0), (0.2, 5.0), (0.4, 15.0)])
def test_exits_of_diffusions_take_the_exact_time(barrier, sigma_h):
    width = np.sqrt(2 * barrier)
    dynamics = PowerLawDynamics(1.0, 0.1, 1.0, sigma_h)
    exits = dynamics.exit_times(width, dt=0.005, max_time=500.0, n_paths=1500, seed=9)
    expected = log_well_escape(width, 1.0, 0.1, 1.0, sigma_h)
    assert_within(np.log(exits.mean_time), expected, 1 / np.sqrt(exits.exited.sum()))


def test_regression_has_its_exact_variance_not_that_of_the_diffusion():
    u = simulate_regression(0.3, n_paths=800, n_kept=300, n_burn=100, seed=0)
    assert u.var() == pytest.approx(sgd_variance(1.0, 0.3, 1.0, 2.0), rel=0.04)
    assert sgd_variance(1.0, 0.3, 1.0, 2.0) == pytest.approx(0.2727, abs=1e-4)


def test_censored_paths_count_with_their_time():
    exits = simulate_levy(1.5, 0.034, 1.0, max_time=100.0, n_paths=400, seed=3)
    assert 0 < exits.exited.mean() < 0.5
    assert_within(exits.mean_time, 400, exits.stderr, 4)
    assert (exits.time[~exits.exited] == 100).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tail_index": 2.5}, r"\(0, 2\]"),
        ({"noise_scale": -1.0}, "noise_scale"),
        ({"width": 0.0}, "width"),
        ({"gradient": [[0.0, 1.0]] * 2}, "coordinates"),
        ({"max_time": np.nan}, "max_time"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    values = {"tail_index": 1.5, "noise_scale": 0.1, "width": 1.0, "max_time": 1.0, "n_paths": 2}
    with pytest.raises(InvalidSettingError, match=message):
        simulate_levy(**(values | settings), seed=0)


def test_an_unknown_convention_is_refused():
    with pytest.raises(InvalidSettingError, match="stratonovich"):
        PowerLawDynamics(1.0, 0.1, 1.0, 1.0, "stratonovitch")


def test_a_jump_across_the_barrier_of_a_double_well_has_the_one_sided_rate():
    # U = w^4/4 - w^2/2, from its minimum at 1: a jump below 0 reaches the other one.
    exits = simulate_levy(
        1.5, 0.05, 3.0, gradient=[[0.0, -1.0, 0.0, 1.0]], start=[1.0], max_time=100.0,
        n_paths=400, seed=4,
    )  # fmt: skip
    inside = exits.position[~exits.exited, 0]
    one_sided = levy_escape(1.5, 0.05, 1.0).rates[0] / 2
    expected = (1 - np.exp(-2 * one_sided * 100)) / 2
    crossed = (inside < 0).mean()
    assert_within(crossed, expected, np.sqrt(expected * (1 - expected) / inside.size))
    assert np.median(np.abs(inside)) == pytest.approx(1.0, abs=0.1)
