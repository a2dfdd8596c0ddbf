"""The stable law: table, estimators, decision rule, degenerate columns, cache."""

import numpy as np
import pytest
from scipy import special, stats

from analysis.distributions.comparison import compare_laws
from analysis.distributions.controls import (
    compare_batch_sizes,
    gaussian_surrogate,
    pooled_tail_index,
    rank_correlation,
    summarize_layer,
)
from analysis.distributions.stable import (
    METHODS,
    FitStableLawError,
    bootstrap_stable,
    draw_stable,
    fit_stable,
)
from analysis.distributions.stable_density import density_row, jump_constant
from analysis.distributions.stable_table import _STEP, N_COLUMNS, TAIL_INDICES, stable_table
from analysis.distributions.student import fit_student


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def test_draws_at_index_two_have_twice_the_squared_scale_as_variance(rng):
    assert draw_stable(2.0, (200_000,), rng, scale=1.5).var() == pytest.approx(4.5, rel=0.02)


def test_draws_at_index_one_are_cauchy(rng):
    assert stats.kstest(draw_stable(1.0, (20_000,), rng), "cauchy").pvalue > 1e-3


def test_draws_have_the_tail_of_the_jump_constant(rng):
    x = np.abs(draw_stable(1.5, (2_000_000,), rng))
    predicted = 2 * jump_constant(1.5) / 1.5 * 30**-1.5
    assert (x > 30).mean() == pytest.approx(float(predicted), rel=0.04)


@pytest.mark.parametrize("tail_index", [0.0, -1.0, 2.1, np.nan])
def test_draws_refuse_an_index_outside_the_law(tail_index, rng):
    with pytest.raises(FitStableLawError, match=r"\(0, 2\]"):
        draw_stable(tail_index, (3,), rng)


def test_table_agrees_with_scipy_at_index_1_5():
    x = np.linspace(0, 200, 41)
    law = stats.levy_stable(1.5, 0)
    table = stable_table()
    assert np.abs(table.log_pdf(x, 1.5) - law.logpdf(x)).max() < 1e-4
    assert np.allclose(1 - table.cdf(x[:9], 1.5), law.sf(x[:9]), rtol=1e-4)


def test_table_holds_the_closed_forms_on_both_sides():
    table, x = stable_table(), np.array([-30.0, -2.0, 0.0, 0.3, 500.0, 1e6])
    assert table.log_pdf(x, 1.0) == pytest.approx(-np.log(np.pi * (1 + x**2)), abs=2e-5)
    assert table.cdf(x, 1.0) == pytest.approx(0.5 + np.arctan(x) / np.pi, abs=2e-5)
    assert table.log_pdf(x, 2.0) == pytest.approx(-(x**2) / 4 - np.log(2 * np.sqrt(np.pi)))
    assert table.cdf(x, 2.0) == pytest.approx(special.ndtr(x / np.sqrt(2)))


def test_table_between_its_rows_equals_the_integral():
    x = np.sinh(np.linspace(0, 6, 40))
    for tail_index in (0.77, 1.113, 1.9525):
        log_density, log_tail = density_row(tail_index, x)
        assert np.abs(stable_table().log_pdf(x, tail_index) - log_density).max() < 3e-3
        tail = 1 - stable_table().cdf(x, tail_index)
        assert np.abs(np.log(tail) - log_tail).max() < 3e-3


@pytest.mark.parametrize("tail_index", [1.2, 1.5, 1.8])
def test_regression_is_unbiased_and_sharp(tail_index, rng):
    fit = fit_stable(draw_stable(tail_index, (2000, 300), rng, scale=3.0))
    assert abs(fit.tail_index.mean() - tail_index) < 0.01
    assert fit.tail_index.std() < 0.045
    assert fit.scale.mean() == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize(
    ("method", "largest_error"), [("mcculloch", 0.06), ("mohammadi", 0.2), ("mle", 0.05)]
)
def test_other_estimators_agree_within_their_errors(method, largest_error, rng):
    fit = fit_stable(draw_stable(1.5, (2000, 25), rng, scale=0.2), method)
    assert fit.tail_index.mean() == pytest.approx(1.5, abs=largest_error / 2)
    assert fit.tail_index.std() < largest_error
    assert fit.scale.mean() == pytest.approx(0.2, rel=0.05)


def test_likelihood_calls_a_gaussian_two(rng):
    assert np.median(fit_stable(rng.standard_normal((2000, 9)), "mle").tail_index) > 1.995


def test_estimates_do_not_depend_on_the_other_columns(rng):
    samples = draw_stable(1.6, (500, 120), rng) * np.geomspace(1e-3, 1e3, 120)
    together = compare_laws(samples)
    alone = compare_laws(samples[:, 77])
    assert together.tail_index[77] == pytest.approx(alone.tail_index[0], rel=1e-12)
    assert together.delta_aic[77] == pytest.approx(alone.delta_aic[0], rel=1e-9)


def test_block_log_moment_is_biased_by_a_shift_and_the_regression_is_not(rng):
    shifted = rng.standard_normal((10_000, 10)) + 0.5
    assert fit_stable(shifted, "mohammadi").tail_index.max() < 1.2
    assert fit_stable(shifted).tail_index.min() > 1.98


def test_gaussian_noise_is_called_gaussian_and_heavy_noise_heavy(rng):
    n = 2000
    assert compare_laws(rng.standard_normal((n, 400))).heavy.mean() <= 0.02
    assert compare_laws(rng.standard_t(3, (n, 200))).heavy.mean() >= 0.99
    assert compare_laws(draw_stable(1.8, (n, 200), rng)).heavy.mean() >= 0.99


def test_comparison_tells_stable_from_student_and_laplace(rng):
    stable = compare_laws(draw_stable(1.5, (2000, 40), rng))
    student = compare_laws(rng.standard_t(3, (2000, 40)))
    laplace = compare_laws(rng.laplace(size=(2000, 40)))
    assert (stable.student_gain < 0).mean() > 0.9
    assert (student.student_gain > 0).mean() > 0.9
    assert not stable.neither_fits.any()
    assert laplace.neither_fits.mean() > 0.9
    assert np.median(laplace.stability_gap) > 0.25 > 5 * np.median(stable.stability_gap)
    assert np.median(student.student_dof) == pytest.approx(3, rel=0.1)
    assert np.median(stable.heldout_z) > 1.645


def test_student_fit_agrees_with_scipy(rng):
    x = 0.01 * rng.standard_t(4, 1500)
    fit = fit_student(x)
    dof, _, scale = stats.t.fit(x, floc=0)
    assert (fit.dof[0], fit.scale[0]) == pytest.approx((dof, scale), rel=1e-2)
    expected = stats.t.logpdf(x, dof, 0, scale).sum()
    assert fit.log_likelihood[0] == pytest.approx(expected, abs=1e-2)


def test_bootstrap_covers_the_index(rng):
    low_high = bootstrap_stable(draw_stable(1.5, (1000, 30), rng), n_resamples=60)
    covered = (low_high.low < 1.5) & (low_high.high > 1.5)
    assert 22 <= covered.sum() <= 30
    assert low_high.stderr.mean() == pytest.approx(0.055, rel=0.3)


def test_degenerate_columns_are_named_and_never_averaged_in(rng):
    x = rng.standard_normal((1000, 6)).astype(np.float32)
    x[:, 1] = 0
    x[:, 2] = 3.25
    x[5, 3] = np.nan
    x[: 1000 // 10, 4] = -0.3
    comparison = compare_laws(x)
    assert comparison.columns.reason.tolist() == [
        "used", "dead (constant)", "dead (constant)", "not finite", "atom of 5 % or more", "used",
    ]  # fmt: skip
    assert np.isnan(comparison.tail_index[1:5]).all()
    assert not comparison.heavy[1:5].any()
    assert comparison.columns.atom[4] == pytest.approx(0.1)
    assert comparison.counts["used"] == 2
    summary = summarize_layer(comparison, np.arange(6))
    assert (summary.n_used, summary.n_sampled) == (2, 6)
    assert np.isnan(summarize_layer(comparison, [1, 2]).median)


@pytest.mark.parametrize("n", [0, 1, 99])
def test_too_few_minibatches_give_no_index(n, rng):
    fit = fit_stable(rng.standard_normal((n, 3)))
    assert np.isnan(fit.tail_index).all()
    assert fit.counts["used"] == 0


def test_an_index_below_the_table_is_clipped_and_says_so(rng):
    fit = fit_stable(draw_stable(0.3, (1000, 5), rng))
    assert fit.at_floor.all()
    assert (fit.tail_index == 0.5).all()


@pytest.mark.parametrize("samples", [np.ones((2, 2, 2)), np.array([["a"]]), np.ones(3) * 1j])
def test_samples_that_are_no_matrix_are_refused(samples):
    with pytest.raises(FitStableLawError, match="not a matrix"):
        fit_stable(samples)


def test_unknown_method_is_refused():
    with pytest.raises(FitStableLawError, match=", ".join(METHODS)):
        fit_stable(np.ones((200, 1)), "fft")


def test_pooling_gaussians_of_unequal_scale_makes_a_heavy_tail(rng):
    gaussian = rng.standard_normal((500, 400)) * np.exp(rng.standard_normal(400))
    assert pooled_tail_index(gaussian) == pytest.approx(1.16, abs=0.06)
    assert compare_laws(gaussian).heavy.mean() <= 0.02
    surrogate = gaussian_surrogate(gaussian)
    assert surrogate.std(axis=0) == pytest.approx(gaussian.std(axis=0), rel=0.15)


def test_stable_noise_is_invariant_under_the_batch_size_and_finite_variance_is_not(rng):
    def comparisons(draw):
        return {b: compare_laws(draw((2000, 30, b)).mean(axis=2)) for b in (1, 4, 16)}

    stable = compare_batch_sizes(comparisons(lambda size: draw_stable(1.5, size, rng)))
    finite = compare_batch_sizes(comparisons(lambda size: rng.standard_t(3, size)))
    assert stable.invariant
    assert stable.scale_exponent == pytest.approx(1 / 1.5 - 1, abs=0.03)
    assert not finite.invariant
    assert finite.index_slope > 0.05
    assert finite.scale_exponent < -0.38


def test_rank_correlation_ignores_what_is_missing():
    a = np.array([1.0, 2.0, 3.0, np.nan, 5.0])
    assert rank_correlation(a, a**3) == 1
    assert np.isnan(rank_correlation(a, np.ones(5)))


def test_the_shipped_table_is_what_its_rows_compute():
    table, x = stable_table(), np.sinh(np.arange(N_COLUMNS) * _STEP)
    assert table.log_density.shape == table.log_tail.shape == (TAIL_INDICES.size, N_COLUMNS)
    for row in (0, 25, 60, TAIL_INDICES.size - 2):
        log_density, log_tail = density_row(float(TAIL_INDICES[row]), x)
        np.testing.assert_allclose(table.log_density[row], log_density, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(table.log_tail[row], log_tail, rtol=1e-9, atol=1e-9)
