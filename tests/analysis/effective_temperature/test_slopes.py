"""Temperatures with known answers, and refusals to give one."""

import numpy as np
import pytest

from analysis.effective_temperature.boundary import (
    boundary_width,
    mean_field_distance,
    replica_distance,
)
from analysis.effective_temperature.slopes import (
    FluctuationRecord,
    MeasureTemperatureError,
    fluctuations_from_dmft,
    measure_temperatures,
    midpoint_displacement,
)
from analysis.mean_field.problem import DynamicsProblem
from analysis.mean_field.solver import solve_dmft, solve_dmft_seeds

DEFAULTS = {"load": 4.0, "learning_rate": 0.05}


def langevin_modes(curvatures, temperature, rate, length):
    """Return exact B and chi of w' = (1 - rate k) w + sqrt(2 T rate) xi, averaged over modes."""
    steps = np.arange(length + 2)
    decay = (1 - rate * np.asarray(curvatures)[:, None]) ** steps
    k = np.asarray(curvatures)[:, None]
    variance = 2 * temperature * rate / (1 - (1 - rate * k) ** 2)
    return (variance * (1 - decay)).mean(axis=0), ((1 - decay) / k).mean(axis=0)


def record(b, chi, norm=(1.0, 1.0)):
    return FluctuationRecord(
        b[None], chi[None], {"train loss": np.ones((1, 2)), "|w|²/N": np.array([norm])}
    )


def test_langevin_dynamics_in_any_well_has_its_temperature():
    """The midpoint is exact at every step size; the raw displacement is not."""
    b, chi = langevin_modes([0.5, 2.0, 8.0], temperature=0.3, rate=0.1, length=100)
    found = measure_temperatures(record(b, chi))
    assert list(found.slopes.values()) == pytest.approx([0.3, 0.3, 0.3])
    raw = b[100] / chi[100]
    assert raw > 1.06 * 0.3
    assert midpoint_displacement(b) == pytest.approx(0.3 * chi[:-1])


def test_mean_field_langevin_has_its_temperature():
    """Published: 0.1007, 0.1003, 0.1000 at T_L = 0.1; 0.1078 without the midpoint."""
    problem = DynamicsProblem(**DEFAULTS, langevin_temperature=0.1)
    fluctuations = fluctuations_from_dmft(
        [solve_dmft(problem, 221, n_samples=1500, n_response=400)], 120, 80
    )
    found = measure_temperatures(fluctuations)
    assert list(found.slopes.values()) == pytest.approx([0.1] * 3, rel=0.03)
    raw = fluctuations.displacement[..., 80].mean() / fluctuations.response[..., 80].mean()
    assert raw == pytest.approx(0.1078, rel=0.015)


def test_sgd_has_three_temperatures_and_the_shortest_is_the_bare_noise():
    """Published at b = 0.5: T_sec = 0.0578, T_long = 0.0461 +- 10 %."""
    problem = DynamicsProblem(**DEFAULTS, active_fraction=0.5)
    solutions = solve_dmft_seeds(problem, 221, n_samples=3000, n_response=400, seeds=(0, 1))
    found = measure_temperatures(fluctuations_from_dmft(solutions, 120, 80))
    slope = np.mean([s.samples.squared_slope[120:].mean() for s in solutions])
    assert found.slopes["short"] == pytest.approx(problem.bare_temperature(slope), rel=0.03)
    assert found.secant.value == pytest.approx(0.0578, rel=0.05)
    assert found.long.value < found.secant.value < found.short.value
    assert found.secant.n == 2
    assert found.secant.stderr < 0.05 * found.secant.value


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"load": 2.0, "learning_rate": 0.05}, "|w|²/N changes"),
        ({"load": 0.5, "learning_rate": 0.1}, "train loss changes"),
    ],
)
def test_no_temperature_near_the_transition_or_below_it(settings, words):
    problem = DynamicsProblem(**settings, active_fraction=0.5)
    solution = solve_dmft(problem, 161, n_samples=1000, n_response=600)
    found = measure_temperatures(fluctuations_from_dmft([solution], 80, 60))
    assert found.secant is None
    assert found.long is None
    assert words in found.summary()
    assert found.to_dict()["stationary"] is False


def test_an_unfinished_window_is_named():
    b, chi = langevin_modes([0.5], temperature=0.3, rate=0.1, length=30)
    assert "slower than the window" in measure_temperatures(record(b, chi)).summary()


def test_useless_curves_are_refused():
    flat = np.zeros(40)
    with pytest.raises(MeasureTemperatureError, match="does not grow"):
        measure_temperatures(record(flat, flat))
    with pytest.raises(MeasureTemperatureError, match="too short"):
        record(np.zeros(5), np.zeros(5))
    solution = solve_dmft(DynamicsProblem(**DEFAULTS), 20, n_samples=200)
    with pytest.raises(MeasureTemperatureError, match="need 31 steps; the solution has 20"):
        fluctuations_from_dmft([solution], 20, 10)


def test_width_of_gaussian_margins():
    """gamma = h/2 with h ~ N(1, 0.5^2)."""
    h = 1.0 + 0.5 * np.random.default_rng(0).standard_normal((2, 200000))
    width = boundary_width(h, 4.0, target_margin=1.0)
    assert width.mean == pytest.approx(0.5, abs=0.002)
    assert width.spread == pytest.approx(0.25, rel=0.005)
    assert width.hard == pytest.approx(0.5 - 1.6449 * 0.25, abs=0.003)
    assert width.contact == pytest.approx(0.07966, rel=0.02)


def test_distances_of_weights_and_functions_agree():
    rng = np.random.default_rng(1)
    first = rng.standard_normal(4000)
    second = first + 0.3 * rng.standard_normal(4000)
    second *= np.linalg.norm(first) / np.linalg.norm(second)
    found = replica_distance(first, second)
    expected = mean_field_distance((first**2).mean(), found.weights)
    assert found.angle == pytest.approx(expected.angle)
    points = rng.standard_normal((4000, 4000), dtype=np.float32)
    differs = (points @ first.astype("f4") > 0) != (points @ second.astype("f4") > 0)
    assert found.disagreement == pytest.approx(differs.mean(), abs=0.02)
