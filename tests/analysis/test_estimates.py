"""Numbers print with the digits their errors allow, and errors have the size they claim."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import Estimate
from analysis.estimates import estimate_from_replicates, format_value, resampling_weights


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (0.333, 0.006, "0.333(6)"),
        (4.94, 0.21, "4.9(2)"),
        (0.3844, 0.0123, "0.384(12)"),
        (0.3844, 0.0096, "0.384(10)"),
        (0.3844, 0.095, "0.38(10)"),
        (-0.333, 0.006, "-0.333(6)"),
        (1234.0, 56.0, "1230(60)"),
        (12.0, 3.0, "12(3)"),
        (0.0, 0.02, "0.00(2)"),
        (0.00491, 0.00006, "0.00491(6)"),
        (4.7e-6, 2e-7, "4.7(2)e-06"),
        (2.5e7, 3e5, "2.50(3)e+07"),
        # What is printed has one digit before the point, whatever the rounding does.
        (-0.00099, 0.0007, "-0.0010(7)"),
        (0.00094, 0.0007, "9(7)e-04"),
        (0.00999, 0.0007, "0.0100(7)"),
        (9999999.0, 1000.0, "1.00000(10)e+07"),
        (1e-5, 9.7e-4, "0.0000(10)"),
        (-0.001, 0.02, "0.00(2)"),
        (5e-324, 5e-324, "5(5)e-324"),
        (0.5, None, "0.5"),
        (0.5, math.nan, "0.5"),
        (0.5, 0.0, "0.5"),
    ],
)
def test_value_and_error_in_parentheses(value: float, stderr: float | None, text: str) -> None:
    assert format_value(value, stderr) == text
    assert str(Estimate(value, stderr, None, 8, "", "")) == text


def read_back(text: str) -> tuple[float, float]:
    """Read ``value(error)e+xx`` as every reader of a paper does."""
    body, _, power = text.partition("e")
    number, shown = body.rstrip(")").split("(")
    last = -len(number.partition(".")[2]) + int(power or 0)
    return float(f"{number}e{power or 0}"), float(f"{shown}e{last}")


def test_numbers_of_numpy_are_numbers() -> None:
    assert format_value(np.float64(0.333), np.float64(0.006)) == "0.333(6)"
    assert format_value(np.float32(0.333), np.float32(0.006)) == "0.333(6)"


_SIZES = st.floats(1e-300, 1e300)


@given(st.floats(-1e300, 1e300) | st.floats(-1e5, 1e5), _SIZES | st.floats(1e-6, 1e3))
def test_value_and_error_can_be_read_back(value: float, stderr: float) -> None:
    number, error = read_back(format_value(value, stderr))
    assert error == pytest.approx(stderr, rel=0.25)
    assert abs(number - value) <= 0.5 * stderr * 1.06 + 1e-15 * abs(value)


@given(st.floats(1e-12, 1e12), st.floats(1e-4, 1e4))
def test_powers_of_ten_are_set_apart_outside_of_a_thousandth_to_a_million(
    value: float, share: float
) -> None:
    text = format_value(value, share * value)
    number, error = read_back(text)
    larger = max(number, error)
    assert ("e" in text) == (larger < 1e-3 * (1 - 1e-12) or larger >= 1e6)
    if "e" in text:
        assert 1 - 1e-12 <= larger / float("1e" + text.partition("e")[2]) < 10


def test_missing_numbers_are_null_in_json() -> None:
    estimate = Estimate(math.nan, None, None, 1, "definition", "range")
    assert json.loads(json.dumps(estimate.to_dict(), allow_nan=False))["value"] is None


def test_weights_resample_as_many_clusters_as_there_are() -> None:
    weights = resampling_weights(7, 500, np.random.default_rng(1))
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean() == pytest.approx(1.0)


def test_interval_of_a_mean_is_that_of_student() -> None:
    """For a mean the bootstrap must return s/sqrt(n) and t_{n-1}: 2.776 with five clusters."""
    data = np.array([1.0, 2.0, 4.0, 7.0, 11.0])
    weights = resampling_weights(5, 40_000, np.random.default_rng(2))
    estimate = estimate_from_replicates(
        data.mean(), weights @ data / 5, 5, definition="mean", fit_range="all"
    )
    exact = data.std(ddof=1) / math.sqrt(5)
    assert estimate.stderr == pytest.approx(exact, rel=0.02)
    assert estimate.interval95 is not None
    assert (estimate.interval95[1] - data.mean()) / exact == pytest.approx(2.776, rel=0.02)


def test_one_cluster_has_no_error() -> None:
    estimate = estimate_from_replicates(1.0, np.ones(10), 1, definition="", fit_range="")
    assert (estimate.stderr, estimate.interval95) == (None, None)
