"""The exponent is right, its interval covers, and too little data give no exponent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, fit_power_law, locate_critical_temperatures
from analysis.critical_temperature.adaptive_location import locate_by_posterior
from analysis.curves import build_curves
from analysis.fits.power_law import PowerLaw, fit_power
from analysis.locating.posterior import MeasuredCurve, is_located, propose

Maker = Callable[..., pd.DataFrame]
TRUE_A = 0.4


def crossing_table(
    sizes: tuple[int, ...], n_seeds: int, random: int, shared: bool = True
) -> pd.DataFrame:
    """dw = (T/T_c)^1 c with T_c = 5 P^-0.4: .10 of noise per run, .08 common to a seed.

    Rows that do not share seeds have .13 of noise per run and no labels.
    """
    rng = np.random.default_rng(random)
    grid = np.meshgrid(sizes, np.geomspace(0.1, 3.0, 7), range(n_seeds), indexing="ij")
    p, t, s = (axis.ravel() for axis in grid)
    own, common = (0.10, 0.08) if shared else (0.13, 0.0)
    noise = rng.normal(0, own, p.size) + rng.normal(0, common, n_seeds)[s]
    frame = pd.DataFrame(
        {
            "n_train": p,
            "temperature": t,
            "seed": s,
            "relative_weight_change": 0.1 * t / (5 * p**-TRUE_A) * np.exp(noise),
            "stop_reason": "fitted",
        }
    )
    return frame if shared else frame.drop(columns="seed")


def fit(frame: pd.DataFrame, threshold: float = 0.1, n_bootstrap: int = 200) -> PowerLaw:
    table = MeasurementTable.from_frame(frame)
    return fit_power_law(
        locate_critical_temperatures(table, threshold=threshold, n_bootstrap=n_bootstrap)
    )


def exact(sizes: list[int], log_values: np.ndarray, **others: object) -> PowerLaw:
    n = len(sizes)
    return fit_power(sizes, log_values, np.zeros(n), np.empty((0, n)), n_clusters=1, **others)


def coverage(sizes: tuple[int, ...], n_seeds: int, n_tables: int, shared: bool = True) -> float:
    inside = 0
    for random in range(n_tables):
        estimate = fit(crossing_table(sizes, n_seeds, random, shared)).exponent
        assert estimate is not None
        assert estimate.interval95 is not None
        low, high = estimate.interval95
        inside += low <= TRUE_A <= high
    return inside / n_tables


def test_interval_covers_with_eight_seeds() -> None:
    """Nominal 95 %; 200 tables have a binomial error of 1.5 %."""
    assert 0.90 <= coverage((64, 128, 256, 512, 1024), 8, 200) <= 0.985


# (sizes, seeds, P over a factor, whether the sizes share seeds).
CASES = [
    (4, 4, 16, True),
    (5, 4, 16, True),
    (8, 4, 16, True),
    (4, 8, 16, True),
    (5, 8, 16, True),
    (8, 8, 16, True),
    (5, 16, 16, True),
    (5, 32, 16, True),
    (5, 8, 4, True),
    (5, 8, 16, False),
]


@pytest.mark.verify
@pytest.mark.parametrize(("n_sizes", "n_seeds", "factor", "shared"), CASES)
def test_interval_covers(
    n_sizes: int, n_seeds: int, factor: int, shared: bool, pages: Any
) -> None:
    sizes = tuple(round(p) for p in np.geomspace(64, 64 * factor, n_sizes))
    covered = coverage(sizes, n_seeds, 1000, shared)
    add_coverage(pages, n_sizes, n_seeds, factor, "seeds shared" if shared else "rows", covered)
    assert 0.90 <= covered <= 0.985


def add_coverage(
    pages: Any, n_sizes: int, n_seeds: int, factor: int, what: str, covered: float
) -> None:
    """Add a case to the page of coverages and to its figure."""
    label = f"{n_sizes} P, {n_seeds} seeds, ×{factor}, {what}"
    pages.add(
        "coverage",
        sizes=n_sizes,
        seeds=n_seeds,
        **{"P over": f"×{factor}"},
        replicas=what,
        covered=f"{covered:.3f}",
    )
    pages.mark("coverage", label, covered, math.sqrt(covered * (1 - covered) / 1000))


def adaptive_curves(random: int) -> pd.DataFrame:
    """Five adaptive curves of dw = c (T/T_c)^0.9, noise .12 per run, none of it shared."""
    rng = np.random.default_rng(random)
    rows = []
    for size in (64, 128, 256, 512, 1024):
        log_tc = math.log(5 * size**-TRUE_A)
        temperatures: list[float] = []
        values: list[float | None] = []
        for generation in (1, 1, 4, 4, 2, 2, 2, 2, 2, 2):
            curve = MeasuredCurve.of(temperatures, values)
            if is_located(curve, 0.1, 0.05):
                break
            asked = [propose(curve, 0.1, ADAPTIVE_WINDOW, k) for k in range(generation)]
            temperatures += [math.exp(x) for x in asked]
            values += [0.1 * math.exp(0.9 * (x - log_tc) + rng.normal(0, 0.12)) for x in asked]
        rows += [
            {
                "n_train": size,
                "temperature": t,
                "seed": k,
                "relative_weight_change": y,
                "stop_reason": "fitted",
            }
            for k, (t, y) in enumerate(zip(temperatures, values, strict=True))
        ]
    return pd.DataFrame(rows)


ADAPTIVE_WINDOW = (math.log(1e-3), math.log(10.0))


@pytest.mark.verify
def test_adaptive_interval_covers(pages: Any) -> None:
    inside, n_tables = 0, 1000
    for random in range(n_tables):
        curves = build_curves(adaptive_curves(random))
        estimate = fit_power_law(locate_by_posterior(curves, 0.1, n_samples=500)).exponent
        assert estimate is not None
        assert estimate.interval95 is not None
        low, high = estimate.interval95
        inside += low <= TRUE_A <= high
    covered = inside / n_tables
    add_coverage(pages, 5, 1, 16, "adaptive design", covered)
    assert 0.90 <= covered <= 0.985


def test_recovers_exponent_and_prefactor() -> None:
    result = fit(crossing_table((64, 128, 256, 512, 1024), 32, 0))
    assert result.exponent is not None
    assert result.prefactor is not None
    assert result.exponent.value == pytest.approx(TRUE_A, abs=3 * result.exponent.stderr)
    assert math.log(result.prefactor.value / 5) == pytest.approx(0, abs=0.15)
    assert 0.004 < result.exponent.stderr < 0.012
    assert result.exponent.n == 32
    assert result.exponent.fit_range == "P = 64..1024"
    assert result.p_value is not None
    assert result.p_value > 0.01
    assert result.r_squared is not None
    assert result.r_squared > 0.99
    assert not result.remarks


def test_prints_the_law() -> None:
    sizes = [64, 128, 256, 512, 1024]
    bent = np.array([0.01, -0.02, 0.015, -0.01, 0.005])
    text = str(exact(sizes, np.log(4.9) - np.log(sizes) / 3 + bent))
    assert text == "T_c = 4.9(2) P^-0.333(8), chi2/dof = 2.1/3, P in [64, 1024]"


def test_weights_are_inverse_squares_with_a_floor() -> None:
    """Against the closed form of weighted least squares, errors below .02 raised to it;
    with a million seeds nothing is pooled."""
    sizes = np.array([64, 128, 256, 512])
    y = np.array([0.3, 0.0, -0.1, -0.5])
    s = np.array([0.001, 0.05, 0.03, 0.02])
    result = fit_power(list(sizes), y, s, np.empty((0, 4)), n_clusters=10**6)
    w = np.array([0.02, 0.05, 0.03, 0.02]) ** -2.0
    x = np.log(sizes)
    mean_x, mean_y = np.average(x, weights=w), np.average(y, weights=w)
    slope = (w * (x - mean_x) * (y - mean_y)).sum() / (w * (x - mean_x) ** 2).sum()
    assert result.exponent is not None
    assert result.exponent.value == pytest.approx(-slope, abs=1e-5)
    assert result.covariance[1, 1] == pytest.approx(1 / (w * (x - mean_x) ** 2).sum(), rel=1e-3)
    assert result.chi2 == pytest.approx(
        (w * (y - mean_y - slope * (x - mean_x)) ** 2).sum(), rel=1e-3
    )


def test_errors_of_few_seeds_are_pooled() -> None:
    s = np.array([0.02, 0.20, 0.10, 0.06])
    few, many = (
        fit_power([64, 128, 256, 512], np.zeros(4), s, np.empty((0, 4)), n_clusters=n)
        for n in (2, 200)
    )
    spread = [f.log_stderr.max() / f.log_stderr.min() for f in (few, many)]
    assert spread[0] < 1.2
    assert spread[1] > 3


def test_three_sizes_give_no_exponent_but_a_best_estimate() -> None:
    result = fit(crossing_table((64, 256, 1024), 8, 0))
    assert not result.determined
    assert str(result).startswith("exponent not determined: T_lazy(0.1) is valid at 3 sizes")
    assert result.exponent is not None
    assert result.exponent.value == pytest.approx(TRUE_A, abs=0.1)


def test_a_short_range_gives_no_exponent() -> None:
    result = fit(crossing_table((64, 96, 128, 192, 256), 8, 0))
    assert not result.determined
    assert "over a factor 4" in str(result)


def test_one_size_gives_nothing() -> None:
    result = fit(crossing_table((64,), 8, 0))
    assert (result.exponent, result.determined) == (None, False)
    assert str(result).startswith("exponent not determined: T_lazy(0.1) is valid at 1 of 1 sizes")
    assert np.isnan(result.evaluate(np.array([64.0]))).all()


def test_refused_sizes_are_listed_and_not_fitted() -> None:
    frame = crossing_table((64, 128, 256, 512, 1024), 8, 0)
    frame.loc[frame["n_train"] == 64, "relative_weight_change"] *= 1e-3
    result = fit(frame)
    assert result.refused == (64,)
    assert list(result.x) == [128, 256, 512, 1024]
    assert "not in the fit: P = 64" in result.remarks


def test_a_law_that_hardly_depends_on_size_says_so() -> None:
    sizes = [64, 128, 256, 512, 1024]
    result = exact(sizes, -0.044 * np.log(sizes))
    assert result.remarks == ("P-independent within 13 %",)


def test_a_bent_law_says_that_its_exponent_drifts() -> None:
    sizes = [64, 128, 256, 512, 1024]
    x = np.log(sizes)
    result = exact(sizes, -0.3 * x - 0.05 * (x - x.mean()) ** 2)
    assert result.aic["power law"] - result.aic["quadratic"] > 4
    assert any(remark.startswith("local exponent drifts: ") for remark in result.remarks)
    slopes = [slope.value for slope in result.local_slopes]
    assert slopes == sorted(slopes)
    straight = exact(sizes, -0.3 * x)
    assert straight.aic["quadratic"] - straight.aic["power law"] == pytest.approx(2)
    assert straight.aic["constant"] > straight.aic["power law"] + 100
    assert straight.aic["broken"] - straight.aic["power law"] == pytest.approx(4)


def test_laws_that_are_no_power_are_told_apart() -> None:
    """T_c = 3 - 0.3 ln P, and two power laws that meet at P = 256, each under its own name."""
    sizes = [64, 128, 256, 512, 1024]
    x = np.log(sizes)
    logarithm = exact(sizes, np.log(3 - 0.3 * x)).aic
    assert logarithm["logarithm"] == pytest.approx(4, abs=1e-6)
    assert min(logarithm, key=lambda name: logarithm[name]) == "logarithm"
    kinked = exact(sizes, -0.3 * x - 0.4 * np.maximum(x - x[2], 0)).aic
    assert kinked["broken"] == pytest.approx(8, abs=1e-6)
    assert min(kinked, key=lambda name: kinked[name]) == "broken"


def test_ladder_of_smallest_sizes_follows_a_drift() -> None:
    sizes = [64, 128, 256, 512, 1024]
    x = np.log(sizes)
    result = exact(sizes, -0.3 * x - 0.05 * (x - x.mean()) ** 2)
    assert list(result.from_each) == [64, 128, 256]
    values = [estimate.value for estimate in result.from_each.values()]
    assert values == sorted(values)
    assert result.exponent is not None
    assert values[0] == pytest.approx(result.exponent.value)
    assert values[2] == pytest.approx(0.3 + 0.05 * 2 * math.log(2), abs=1e-9)


def test_leaving_out_an_outlier_restores_the_exponent() -> None:
    sizes = [64, 128, 256, 512, 1024]
    y = -0.4 * np.log(sizes)
    y[0] -= 0.2
    result = exact(sizes, y)
    assert result.leave_one_out[64].value == pytest.approx(0.4)
    assert result.leave_one_out[1024].value < 0.34


def test_one_replica_takes_its_error_from_the_residuals() -> None:
    result = fit(crossing_table((64, 128, 256, 512, 1024), 1, 0))
    assert result.exponent is not None
    assert result.exponent.stderr is not None
    assert "error from the residuals" in result.exponent.definition
    assert result.exponent.value == pytest.approx(TRUE_A, abs=4 * result.exponent.stderr)
