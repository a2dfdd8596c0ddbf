"""Laws of escape and of power-law dynamics against their closed forms and published values."""

import numpy as np
import pytest
from scipy import integrate

from analysis.distributions.levy_escape import (
    distance_to_exponential,
    levy_escape,
    noise_scale_for,
    overshoot_probability,
    schedule_survival,
)
from analysis.distributions.power_law_escape import (
    EscapeSettingError,
    diffusion_validity,
    hill_exponent,
    kesten_exponent,
    log_mean_first_passage,
    log_normalization,
    log_well_escape,
    power_law_kappa,
    power_law_log_pdf,
    power_law_variance,
    sgd_variance,
)


def log_escape(barrier, sigma_h):
    return log_well_escape(np.sqrt(2 * barrier), 1.0, 0.1, 1.0, sigma_h)


def test_levy_rates_have_the_published_values():
    law = levy_escape([1.2, 1.5, 1.8, 1.95], 0.05, 1.0)
    assert law.mean_time == pytest.approx(48.3, rel=2e-3)
    assert law.exit_probability == pytest.approx([0.737, 0.215, 0.040, 0.007], abs=6e-4)
    assert law.trapping_probability(law.mean_time) == pytest.approx(np.exp(-1))


def test_wide_and_weak_coordinates_can_beat_a_smaller_index():
    law = levy_escape([1.9, 1.5], [0.08, 0.03], [1.0, 2.0])
    assert law.exit_probability == pytest.approx([0.518, 0.482], abs=1e-3)


def test_gaussian_noise_never_jumps():
    law = levy_escape(2.0, 0.1, 1.0)
    assert law.mean_time == np.inf
    assert not law.reliable


def test_range_of_the_asymptotic_law_is_marked():
    assert levy_escape(1.5, 0.034, 1.0).reliable
    assert not levy_escape(1.8, noise_scale_for(1.8, 100.0), 1.0).reliable
    assert levy_escape(1.8, 0.0376, 1.0).relative_width == pytest.approx(36.8, abs=0.1)
    assert noise_scale_for(1.5, 400.0) == pytest.approx(0.034, abs=1e-4)


def test_only_the_product_of_step_and_noise_matters_for_survival():
    decay = np.repeat([1.0, 0.5, 0.1], [1000, 1000, 2000])
    eta, sigma = np.full(4000, 0.1), np.full(4000, 0.1)
    by_step = schedule_survival(1.5, eta * decay, sigma)
    assert by_step == schedule_survival(1.5, eta, sigma * decay)
    assert schedule_survival(1.5, eta * decay, sigma / decay) == pytest.approx(
        schedule_survival(1.5, eta, sigma)
    )
    # The same rate by the continuous clock dt = eta.
    law = levy_escape(1.5, 0.1 ** (0.5 / 1.5) * 0.1, 1.0)
    assert schedule_survival(1.5, eta, sigma) == pytest.approx(law.trapping_probability(400.0))


def test_overshoot_is_pareto():
    assert overshoot_probability([0.5, 1.0, 2 ** (1 / 1.5)], 1.5) == pytest.approx([1, 1, 0.5])


def test_exponential_times_are_close_to_their_law():
    times = np.random.default_rng(0).exponential(3.0, 4000)
    assert distance_to_exponential(times) < 0.02 < 0.3 < distance_to_exponential(times * 0 + 1)


def test_kappa_by_convention():
    assert power_law_kappa(1, 0.1, 4) == 3.5
    assert power_law_kappa(1, 0.1, 4, "paper") == 2.5
    assert power_law_kappa(1, 0.1, 0) == np.inf
    with pytest.raises(EscapeSettingError, match="stratonovich"):
        power_law_kappa(1, 0.1, 4, "itoh")
    with pytest.raises(EscapeSettingError, match="positive"):
        power_law_kappa(-1, 0.1, 4)


def test_stationary_law_is_normalized_with_the_known_variance():
    kappa, rho = power_law_kappa(1, 0.1, 4), 4.0
    density = lambda w: np.exp(power_law_log_pdf(w, kappa, rho))  # noqa: E731
    assert integrate.quad(density, -np.inf, np.inf)[0] == pytest.approx(1)
    variance = integrate.quad(lambda w: w**2 * density(w), -np.inf, np.inf)[0]
    assert variance == pytest.approx(power_law_variance(1, 0.1, 1, 4), rel=1e-6)
    assert power_law_variance(1, 0.1, 1, 30) == np.inf
    assert sgd_variance(1, 0.5, 1, 2) == pytest.approx(1.0)


def test_first_passage_has_the_published_values():
    for barrier, expected in ((0.05, 0.368), (0.4, 6.916), (6.4, 125.457)):
        assert log_escape(barrier, 0.0) == pytest.approx(expected, abs=2e-3)
    assert log_escape(6.4, 5.0) == pytest.approx(9.697, abs=2e-3)
    assert log_escape(0.2, 15.0) == pytest.approx(1.550, abs=2e-3)


def test_escape_is_exponential_for_langevin_and_polynomial_for_power_law_noise():
    slope = (log_escape(6.4, 0.0) - log_escape(3.2, 0.0)) / 3.2
    assert 19.5 < slope < 20
    power = (log_escape(6.4, 5.0) - log_escape(3.2, 5.0)) / np.log(2)
    assert power == pytest.approx(2.43, abs=0.05)


def test_first_passage_of_free_diffusion_and_of_drift():
    # Reflecting at 0, absorbing at b: (b^2 - x^2)/D.
    ones = np.ones_like
    value = log_mean_first_passage(np.zeros_like, lambda w: 2 * ones(w), 3.0, start=1.0)
    assert np.exp(value) == pytest.approx((9 - 1) / 2, rel=1e-6)
    # Strong drift: distance over speed.
    fast = log_mean_first_passage(lambda w: 5 * ones(w), lambda w: 1e-3 * ones(w), 2.0)
    assert np.exp(fast) == pytest.approx(2 / 5, rel=1e-3)


@pytest.mark.parametrize("start", [-0.1, 3.0])
def test_first_passage_refuses_an_impossible_start(start):
    with pytest.raises(EscapeSettingError, match="barrier"):
        log_mean_first_passage(np.zeros_like, np.ones_like, 3.0, start=start)
    with pytest.raises(EscapeSettingError, match="must be positive"):
        log_mean_first_passage(np.zeros_like, lambda w: 1 - w, 3.0)


def _log_wide_well_escape(
    width: float, curvature: float, learning_rate: float, sigma_g: float, sigma_h: float
) -> float:
    """Return the wide-well limit of :func:`log_well_escape`, polynomial in the width.

    E[tau] = (2/(eta sigma_g)) (Z/2) rho^m b^(2m+1) / (2m+1) with m = H/(eta sigma_H) and Z the
    normalization at kappa = 1 + m.
    """
    m = curvature / (learning_rate * sigma_h)
    rho = sigma_h / sigma_g
    log_z = float(log_normalization(np.asarray(1 + m), np.asarray(rho)))
    return float(
        -np.log(learning_rate * sigma_g)
        + log_z
        + m * np.log(rho)
        + (2 * m + 1) * np.log(width)
        - np.log(2 * m + 1)
    )


def test_wide_wells_reach_the_closed_form():
    assert _log_wide_well_escape(np.sqrt(400), 1, 0.1, 1, 5) == pytest.approx(
        log_escape(200, 5.0), abs=3e-3
    )
    assert _log_wide_well_escape(np.sqrt(12.8), 1, 0.1, 1, 15) == pytest.approx(5.481, abs=1e-3)


def test_kesten_exponent_of_random_curvature():
    rng = np.random.default_rng(0)
    tail = kesten_exponent(0.1 + rng.standard_normal(1_000_000), 0.1)
    assert tail.value == pytest.approx(2.97, abs=0.05)
    assert tail.converged
    # Convex samples: the diffusion's exponent, 4.33, is far off.
    regression = kesten_exponent(rng.standard_normal(1_000_000) ** 2, 0.3)
    assert regression.value == pytest.approx(5.33, abs=0.2)
    assert diffusion_validity(1.0, 2.0) > 1 > diffusion_validity(0.1, 1.0)


def test_kesten_exponent_says_where_there_is_none():
    assert kesten_exponent(np.array([0.5, 1.0]), 0.1).value == np.inf
    assert np.isnan(kesten_exponent(np.array([-1.0, 0.2]), 0.1).value)
    rare = kesten_exponent(np.random.default_rng(0).standard_normal(100_000) ** 2, 0.1)
    assert not rare.converged


def test_hill_exponent_of_a_pareto_sample():
    drawn = np.random.default_rng(0).pareto(2.5, 400_000) + 1
    assert hill_exponent(drawn, 0.01) == pytest.approx(2.5, rel=0.05)
