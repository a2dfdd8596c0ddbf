"""A collapse is found where there is one, with honest errors, and refused where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from analysis import MeasurementTable, fit_collapse
from analysis.critical_temperature.collapse_figure import plot_collapse
from analysis.fits.collapse import CollapseFit
from analysis.fits.collapse_quality import (
    CollapseData,
    bhattacharjee_seno,
    collapse_quality,
    minimise_over_a,
)

A, G = 0.4, 0.15
RANGES = {
    64: (-2.0, 0.5),
    128: (-2.25, 0.25),
    256: (-2.0, 0.25),
    512: (-2.5, 0.0),
    1024: (-2.5, -0.25),
}
"""Decades of T measured at each size: no two sizes alike."""


def ragged_frame(
    random: int, n_seeds: int = 16, a: float = A, seed_noise: float = 0.0
) -> pd.DataFrame:
    """y = .02 P^G sqrt(1 + (T P^a/.3)^2) with 10 % noise per run and noise common to a seed."""
    rng = np.random.default_rng([7, random])
    common = rng.normal(0, seed_noise, n_seeds)[:, None]
    frames = []
    for size, (low, high) in RANGES.items():
        t = 10 ** np.arange(low, high + 0.01, 0.25)
        master = 0.02 * size**G * np.sqrt(1 + (t * size**a / 0.3) ** 2)
        noise = rng.normal(0, 0.1, (n_seeds, t.size)) + common
        frames.append(
            pd.DataFrame(
                {
                    "n_train": size,
                    "temperature": np.tile(t, n_seeds),
                    "seed": np.repeat(np.arange(n_seeds), t.size),
                    "relative_weight_change": (master * np.exp(noise)).ravel(),
                    "stop_reason": "fitted",
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def fit(frame: pd.DataFrame, **options: object) -> CollapseFit:
    options.setdefault("n_bootstrap", 100)
    return fit_collapse(MeasurementTable.from_frame(frame), **options)


def test_known_exponent_is_recovered_with_quality_one() -> None:
    fits = [fit(ragged_frame(k), g=G) for k in range(10)]
    for each in fits:
        assert each.determined
        assert each.a.value == pytest.approx(A, abs=3.5 * each.a.stderr)
        assert each.a.stderr < 0.01
        assert each.a_interval[0] < A < each.a_interval[1]
        assert each.opinion.a == pytest.approx(A, abs=each.opinion.width)
        assert each.unscaled.value > 30
        assert each.quality.fraction > 0.9
    assert np.mean([each.quality.value for each in fits]) == pytest.approx(1.0, abs=0.15)


def test_both_exponents_are_recovered() -> None:
    for k in range(5):
        both = fit(ragged_frame(k), g=None)
        assert both.determined
        assert both.a.value == pytest.approx(A, abs=3.5 * both.a.stderr)
        assert both.g.value == pytest.approx(G, abs=3.5 * both.g.stderr)
        assert both.a.stderr < 0.02
        assert both.g_interval[0] < G < both.g_interval[1]


def test_free_g_is_the_minimum_over_g() -> None:
    data = fit(ragged_frame(0)).data
    best = collapse_quality(data, 0.35, None)
    for g in best.g + np.array([-0.05, -0.01, 0.01, 0.05]):
        assert collapse_quality(data, 0.35, float(g)).value > best.value


@pytest.mark.parametrize("n_seeds", [4, 8])
def test_few_seeds_do_not_look_like_disagreement(n_seeds: int) -> None:
    values = [fit(ragged_frame(k, n_seeds), g=G, n_bootstrap=2).quality.value for k in range(20)]
    assert np.mean(values) == pytest.approx(1.0, abs=0.25)


@pytest.mark.verify
def test_coverage_of_the_68_percent_interval() -> None:
    inside = 0
    for k in range(200):
        a = fit(ragged_frame(k, 32, seed_noise=0.08), g=G).a
        inside += abs(a.value - A) < special.stdtrit(31, 0.8413) * a.stderr
    assert 0.60 <= inside / 200 <= 0.76


def test_quality_equals_its_definition_point_by_point() -> None:
    """The formula of the docstring, one point at a time."""
    data = fit(ragged_frame(3)).data
    a, g = 0.3, 0.1
    terms = []
    curves = []
    for p, log_size in enumerate(data.log_sizes):
        known = np.isfinite(data.y[p])
        x = data.log_temperatures[known] + a * log_size
        curves.append((x, data.y[p, known] - g * log_size, data.s[p, known]))
    for i, own in enumerate(curves):
        for x, y, s in zip(*own, strict=True):
            bracket = []
            for j, (xs, ys, ss) in enumerate(curves):
                if j != i and xs[0] <= x <= xs[-1]:
                    k = int(np.clip(np.searchsorted(xs, x, side="right"), 1, len(xs) - 1))
                    bracket += [(xs[m] - x, ys[m], ss[m]) for m in (k - 1, k)]
            if bracket:
                at, values, errors = np.array(bracket).T
                line, covariance = np.polyfit(at, values, 1, w=1 / errors, cov="unscaled")
                terms.append((y - line[1]) ** 2 / (s**2 + covariance[1, 1]))
    quality = collapse_quality(data, a, g)
    assert quality.n_used == len(terms)
    assert quality.value == pytest.approx(np.mean(terms), rel=1e-9)


def test_lost_overlap_is_not_rewarded() -> None:
    """A periodic master curve collapses at a = .3 and, a period later, at 1.2 with little overlap.

    Only the ends of the curves are free of noise, so S is far smaller where only they overlap.
    """
    t = np.linspace(0.0, 2.0, 33)
    log_p = np.log([64.0, 256.0, 1024.0, 4096.0])
    period = 0.9 * np.log(4.0)
    y = np.sin(2 * np.pi * (t + 0.3 * log_p[:, None]) / period)
    y[:, 7:-7] += 0.05 * np.random.default_rng(5).normal(size=(4, 19))
    data = CollapseData(t, log_p, y, np.full(y.shape, 0.05))
    far, near = collapse_quality(data, 1.2), collapse_quality(data, 0.3)
    assert far.value < 0.5 * near.value
    assert far.fraction < 0.6 < near.fraction

    def measure(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        residuals = data.residuals(a)
        return residuals.minimise(0.0)[0], residuals.fraction

    assert minimise_over_a(measure, 1)[0] == pytest.approx(0.3, abs=0.02)
    assert bhattacharjee_seno(data).a == pytest.approx(0.3, abs=0.02)
    assert np.isnan(collapse_quality(data, 50.0).value)


def published(published_table: pd.DataFrame, **options: object) -> CollapseFit:
    return fit(published_table, error_floor=0.02, n_bootstrap=2, **options)


def test_published_weight_change_in_the_noise_regime(published_table: pd.DataFrame) -> None:
    collapse = published(published_table, temperatures=(0.1, 1.8))
    assert collapse.a.value == pytest.approx(0.347, abs=0.01)
    assert collapse.quality.value == pytest.approx(2.4, abs=0.5)
    assert collapse.unscaled.value > 300
    assert collapse.opinion.a == pytest.approx(0.350, abs=0.02)
    assert collapse.opinion.width == pytest.approx(0.027, abs=0.005)
    assert collapse.opinion.distance == pytest.approx(0.022, abs=0.01)
    assert collapse.a.stderr is None
    assert "insufficient seeds" in collapse.summary()


def test_published_weight_change_with_its_own_scale(published_table: pd.DataFrame) -> None:
    """With g free the onset of the noise decides, which does not depend on P."""
    collapse = published(published_table, g=None, temperatures=(0.0001, 1.0))
    assert collapse.a.value == pytest.approx(-0.053, abs=0.015)
    assert collapse.g.value == pytest.approx(0.40, abs=0.01)
    assert collapse.quality.value == pytest.approx(2.9, abs=0.5)


# ||w||/T at T = .316..1000, kappa = 1, d = 32, twelve seeds of spread 7, 8 and 13 %.
PERCEPTRON = {
    1: (
        (512, 2048, 8192),
        "74.5 28.8 14.5 10.0 8.71 8.30 8.00 8.14 142 54.6 26.5 18.3 15.5 14.6 13.7 13.7 "
        "274 103 50.1 33.4 28.1 25.9 25.6 24.7",
        0.08,
    ),
    3: (
        (512, 2048, 8192),
        "29.0 11.7 6.38 4.55 3.96 4.21 3.97 3.84 40.0 15.8 8.47 5.91 5.17 5.26 4.95 4.95 "
        "56.6 22.2 11.4 7.77 6.89 6.67 6.40 6.39",
        0.07,
    ),
    0: (
        (256, 1024),
        "153 58.6 28.1 19.5 16.1 15.8 15.3 15.2 593 219 103 66.9 55.4 50.7 50.6 48.9",
        0.13,
    ),
}


@pytest.mark.parametrize(
    ("chi", "best", "theory", "unscaled"),
    [(1, 0.45, 0.5, 204), (3, 0.20, 0.25, 96), (0, 0.90, 1.0, 296)],
)
def test_perceptron_collapses_without_rescaling_temperature(
    chi: int, best: float, theory: float, unscaled: float
) -> None:
    sizes, text, spread = PERCEPTRON[chi]
    t = np.array([0.316, 1, 3.16, 10, 31.6, 100, 316, 1000])
    y = np.log(np.array(text.split(), dtype=float).reshape(len(sizes), 8) * t)
    error = np.full(y.shape, spread / np.sqrt(12) + 0.01)
    data = CollapseData(np.log(t), np.log(sizes), y, error)
    collapse = collapse_quality(data, 0.0, None)
    assert collapse.g == pytest.approx(best, abs=0.02)
    assert collapse.value < 3
    assert collapse_quality(data, 0.0, theory).value > 2 * collapse.value
    # The published errors were those of each cell, here one spread stands for all.
    assert unscaled / 2 < collapse_quality(data).value < 2 * unscaled


def test_curves_that_differ_do_not_collapse() -> None:
    frame = ragged_frame(0, 64)
    power = 1 + 0.3 * np.log2(frame["n_train"] / 64) / 4
    frame["relative_weight_change"] **= power
    refused = fit(frame)
    assert not refused.determined
    assert str(refused).startswith("no collapse: S = ")
    assert refused.a.stderr > 0
    assert refused.quality.value > 3


def test_two_curves_are_not_a_collapse() -> None:
    frame = ragged_frame(0)
    refused = fit(frame[frame["n_train"] < 200], g=G)
    assert str(refused).startswith("no collapse: 2 curves; at least 3 are needed")
    assert refused.a.value == pytest.approx(A, abs=0.05)


def test_one_curve_has_no_exponent() -> None:
    frame = ragged_frame(0)
    refused = fit(frame[frame["n_train"] == 64])
    assert refused.a is None
    assert refused.summary() == "no collapse: 1 curve; at least 3 are needed"
    with pytest.raises(ValueError, match="nothing to draw: no collapse"):
        plot_collapse(refused)


def test_minimum_at_the_bound() -> None:
    refused = fit(ragged_frame(0, a=-0.4), g=G)
    assert any("at the bound a = -0.2 of the search" in remark for remark in refused.remarks)
    assert not refused.determined


def test_curves_that_hardly_overlap() -> None:
    """Consecutive windows of one master curve touch only at their ends."""
    frame = ragged_frame(0, a=0.0)
    log_t = np.log10(frame["temperature"])
    start = -2.0 + 0.5 * np.log2(frame["n_train"] / 64)
    narrow = frame[(log_t > start - 0.01) & (log_t < start + 0.51)]
    refused = fit(narrow[narrow["n_train"] < 1000], g=None)
    assert any("overlap other curves at the minimum" in remark for remark in refused.remarks)
    assert not refused.determined


def test_same_seed_gives_the_same_fit_and_unstable_cells_stay_out() -> None:
    frame = ragged_frame(1)
    spoiled = frame.copy()
    last = (spoiled["n_train"] == 64) & (spoiled["temperature"] > 3) & (spoiled["seed"] < 8)
    spoiled.loc[last, ["stop_reason", "relative_weight_change"]] = ["diverged", np.nan]
    whole, less = fit(frame), fit(spoiled)
    assert whole.a == fit(frame.sample(frac=1.0, random_state=1)).a
    assert less.data.known.sum() == whole.data.known.sum() - 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperatures": (1.0, 0.1)}, "low < high"),
        ({"temperatures": (100.0, 200.0)}, "no temperature in the window"),
        ({"error_floor": -0.1}, "error_floor=-0.1"),
    ],
)
def test_wrong_arguments(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(ragged_frame(0), **options)


def test_unknown_errors_need_a_floor(published_table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="give an error_floor"):
        fit(published_table, error_floor=0.0)


def test_figure_shows_the_data_and_the_scan() -> None:
    collapse = fit(ragged_frame(0), g=G)
    a = collapse.a.value
    figure = plot_collapse(collapse)
    main, unscaled, scan, _ = figure.axes
    assert main.lines[0].get_xdata() == pytest.approx(10 ** np.arange(-2, 0.6, 0.25) * 64**a)
    assert unscaled.get_title() == f"unscaled: S = {collapse.unscaled.value:.3g}"
    assert scan.get_xlim()[0] < collapse.a_interval[0] < collapse.a_interval[1]
    assert str(collapse.a) in main.get_title()
