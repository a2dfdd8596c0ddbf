"""A crossing is found with few measurements, its error is honest, and it is refused in time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.locating.located import ABOVE_WINDOW, BELOW_WINDOW, DIVERGENCE, LOCATED
from analysis.locating.posterior import (
    NOISE,
    OPEN,
    MeasuredCurve,
    crossing_status,
    is_located,
    locate_crossing,
    propose,
)

WINDOW = (math.log(1e-3), math.log(10.0))
LEVEL = 0.1
NOTHING = MeasuredCurve.of([], [])


class SyntheticCurve:
    """y = c (T/T_c)^D with 12 % noise, for D near 0.9 and T_c inside the window."""

    def __init__(self, random, log_tc=None, diverges_above=math.inf, noise=0.12):
        self.rng = np.random.default_rng(random)
        drawn = self.rng.uniform(math.log(0.03), math.log(2.0))
        self.log_tc = drawn if log_tc is None else log_tc
        self.slope = float(np.clip(self.rng.normal(0.9, 0.1), 0.6, 1.2))
        self.diverges_above = diverges_above
        self.noise = noise
        self.temperatures, self.values = [], []

    def measure(self, log_t):
        log_y = self.slope * (log_t - self.log_tc) + self.noise * self.rng.normal()
        self.temperatures.append(math.exp(log_t))
        diverged = math.exp(log_t) > self.diverges_above
        self.values.append(math.nan if diverged else LEVEL * math.exp(log_y))

    def measured(self):
        return MeasuredCurve.of(self.temperatures, self.values)

    def locate(self, tolerance, generation=1, n_max=100):
        """Measure generations until the status is settled; return it."""
        while len(self.values) < n_max:
            curve = self.measured()
            status = crossing_status(curve, LEVEL, WINDOW, tolerance)
            if status != OPEN:
                return status
            for pending in range(generation):
                self.measure(propose(curve, LEVEL, WINDOW, pending))
        return OPEN


def located(n_curves, tolerance, generation=1, **settings):
    """Return errors of ln T_c, their claimed standard deviations, and trainings per curve."""
    rows = []
    for random in range(n_curves):
        synthetic = SyntheticCurve(random, **settings)
        assert synthetic.locate(tolerance, generation) == LOCATED
        crossing = locate_crossing(synthetic.measured(), LEVEL)
        rows.append((crossing.mean - synthetic.log_tc, crossing.sd, len(synthetic.values)))
    return np.array(rows).T


# Published: .058/5.8, .046/9.5 and .030/20.6; 300 curves know a rmse to 4 %.
@pytest.mark.parametrize(
    ("tolerance", "rmse", "n_trainings"),
    [(0.08, 0.058, 5.8), (0.05, 0.046, 9.5), (0.03, 0.03, 21)],
)
def test_error_and_number_of_trainings(tolerance, rmse, n_trainings):
    errors, _, n = located(300, tolerance)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(rmse, rel=0.15)
    assert n.mean() == pytest.approx(n_trainings, rel=0.15)
    assert abs(errors.mean()) < 3 * rmse / math.sqrt(300)


def test_divergence_above_the_crossing_costs_nothing():
    errors, _, n = located(300, 0.05, diverges_above=3.0)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(0.047, rel=0.15)
    assert n.mean() == pytest.approx(9.4, rel=0.15)


@pytest.mark.parametrize("generation", [2, 4])
def test_generations_cost_less_than_half_of_one_more(generation):
    errors, _, n = located(200, 0.05, generation)
    assert np.sqrt(np.mean(errors**2)) < 0.055
    assert n.mean() < 10 + 1.5 * generation


@pytest.mark.parametrize("noise", [0.08, 0.12, 0.15])
def test_stated_deviations_are_honest(noise):
    errors, sd, _ = located(300, 0.05, noise=noise)
    pulls = errors / sd
    # The prior of the noise is 0.15: less noise makes the stated error too large, never too small.
    assert 0.6 < np.std(pulls) < 1.15
    assert np.mean(np.abs(pulls) < 1.96) > 0.92


def test_stated_deviations_without_a_stopping_rule():
    """At the assumed noise and slope prior the posterior is exact: unit variance, 95 %."""
    pulls = []
    for random in range(400):
        synthetic = SyntheticCurve(random, noise=0.15)
        synthetic.slope = float(synthetic.rng.normal(0.9, 0.2))
        for offset in (-0.6, 0.1, 0.4, 0.7):
            synthetic.measure(synthetic.log_tc + offset)
        crossing = locate_crossing(synthetic.measured(), LEVEL)
        pulls.append((crossing.mean - synthetic.log_tc) / crossing.sd)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.12)
    assert np.mean(np.abs(pulls) < 1.96) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_posterior_is_the_integral_over_slope_and_crossing(n):
    """Against a brute-force posterior on a grid of (D, x_c), with a flat prior of x_c."""
    log_t, log_y = np.array([0.0, 0.5, -0.3, 0.2])[:n], np.array([-0.4, 0.2, -0.5, -0.3])[:n]
    slope, x_c = np.meshgrid(np.linspace(0.15, 1.65, 301), np.linspace(-4, 8, 2401))
    residuals = log_y - slope[..., None] * (log_t - x_c[..., None])
    prior = np.exp(-0.5 * ((slope - 0.9) / 0.2) ** 2)
    weights = prior * np.exp(-np.square(residuals).sum(axis=-1) / (2 * 0.15**2))
    weights /= weights.sum()
    mean = np.sum(weights * x_c)
    sd = math.sqrt(np.sum(weights * (x_c - mean) ** 2))
    crossing = locate_crossing(MeasuredCurve(log_t, math.log(LEVEL) + log_y), LEVEL)
    assert crossing.mean == pytest.approx(mean, abs=0.005)
    assert crossing.sd == pytest.approx(sd, rel=0.02)
    assert crossing.slope == pytest.approx(np.sum(weights * slope), abs=0.005)


def test_points_far_from_the_level_are_ignored():
    near = [(0.5, 0.05), (1.0, 0.1), (2.0, 0.2)]
    alone = locate_crossing(MeasuredCurve.of(*zip(*near, strict=True)), LEVEL)
    far = [(1e-3, 1e-4), (1e-2, 0.02), (10.0, 5.0)]
    crossing = locate_crossing(MeasuredCurve.of(*zip(*near, *far, strict=True)), LEVEL)
    assert (crossing.mean, crossing.sd, crossing.n_used) == (alone.mean, alone.sd, 3)
    assert crossing.n_fitted == 6


def test_noise_is_measured_from_five_points_on():
    log_t = np.linspace(-0.5, 0.5, 8)
    log_y = math.log(LEVEL) + log_t + 0.1 * np.array([1, -1, -1, 1, 1, -1, -1, 1])
    for n, noise in ((4, NOISE), (8, math.sqrt((0.08 + 2 * NOISE**2) / 8))):
        crossing = locate_crossing(MeasuredCurve(log_t[:n], log_y[:n]), LEVEL)
        assert crossing.noise == pytest.approx(noise, rel=1e-6)


def test_first_proposals_halve_the_window():
    fractions = [(propose(NOTHING, LEVEL, (2.0, 6.0), k) - 2) / 4 for k in range(7)]
    assert fractions == [0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]


def test_proposals_alternate_about_the_mean():
    curve = MeasuredCurve.of([0.5, 1.0, 2.0], [0.05, 0.1, 0.2])
    mean = locate_crossing(curve, LEVEL).mean
    steps = [propose(curve, LEVEL, WINDOW, k) - mean for k in range(4)]
    assert steps == pytest.approx([-0.25, 0.25, -0.25, 0.25])


def test_moves_are_limited_and_stay_in_the_window():
    curve = MeasuredCurve.of([1e-2], [1e-6])
    assert propose(curve, LEVEL, WINDOW) == pytest.approx(math.log(1e-2) + 2.5)
    assert propose(curve, LEVEL, (WINDOW[0], math.log(0.05))) == math.log(0.05)


def test_proposals_retreat_from_divergence():
    diverged = MeasuredCurve.of([0.1, 1.0], [None, math.nan])
    assert locate_crossing(diverged, LEVEL) is None
    assert propose(diverged, LEVEL, WINDOW) == pytest.approx(math.log(0.1 / 4))
    assert propose(diverged, LEVEL, WINDOW, 1) == pytest.approx(math.log(0.1 / 16))
    between = MeasuredCurve.of([0.1, 1.0], [0.01, math.inf])
    assert propose(between, LEVEL, WINDOW) == pytest.approx(math.log(0.1 * math.sqrt(10)))
    assert propose(between, LEVEL, WINDOW, 1) == pytest.approx(math.log(0.1 * 10 ** (1 / 3)))


@pytest.mark.parametrize(
    ("tc", "diverges_above", "status"),
    [(1.0, 0.3, DIVERGENCE), (60.0, math.inf, ABOVE_WINDOW), (1e-4, math.inf, BELOW_WINDOW)],
)
def test_a_crossing_out_of_reach_is_given_up(tc, diverges_above, status):
    for random in range(20):
        synthetic = SyntheticCurve(random, math.log(tc), diverges_above)
        assert synthetic.locate(0.05, n_max=30) == status
        assert not is_located(synthetic.measured(), LEVEL, 0.05)


def test_four_points_are_needed():
    curve = MeasuredCurve.of([0.8, 1.0, 1.2], [0.08, 0.1, 0.12])
    assert not is_located(curve, LEVEL, 1.0)
    four = MeasuredCurve.of([0.8, 1.0, 1.2, 1.1], [0.08, 0.1, 0.12, 0.11])
    assert is_located(four, LEVEL, 1.0)


def test_a_temperature_that_diverged_is_not_measured_again():
    # 2.5 above the only fitted point lies, but for rounding, what has just diverged.
    curve = MeasuredCurve.of([0.1, 1.21825], [0.005, None])
    assert math.exp(propose(curve, LEVEL, WINDOW)) == pytest.approx(0.1 * math.exp(1.25), rel=1e-3)


def test_estimate_quotes_temperature_level_and_range():
    curve = MeasuredCurve.of([0.5, 1.0, 2.0], [0.05, 0.1, 0.2])
    crossing = locate_crossing(curve, LEVEL)
    estimate = crossing.to_estimate()
    assert estimate.value == pytest.approx(1.0, abs=0.02)
    assert estimate.stderr == pytest.approx(crossing.sd * estimate.value)
    low, high = estimate.interval95
    assert low < estimate.value < high
    assert (estimate.n, estimate.fit_range) == (3, "T = 0.5..2")
    assert "ln 0.1" in estimate.definition


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan, math.inf])
def test_threshold_must_be_positive(threshold):
    with pytest.raises(ValueError, match="positive finite"):
        locate_crossing(NOTHING, threshold)


def test_curves_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="do not match"):
        MeasuredCurve.of([1.0], [])
    with pytest.raises(ValueError, match="positive and finite"):
        MeasuredCurve(np.array([math.nan]), np.array([0.0]))
