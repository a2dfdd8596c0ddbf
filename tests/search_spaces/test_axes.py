"""An axis takes a value, a list or a log range, from YAML or from a command line."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import InvalidSettingError, LogAxis, parse_axis


def test_scalar_list_and_ranges():
    assert parse_axis("alpha", 100).values() == (100.0,)
    assert parse_axis("n_train", [64, 128]).values() == (64, 128)
    assert parse_axis("n_train", "log(64, 1024)").values() == (64, 128, 256, 512, 1024)
    assert parse_axis("temperature", "log(0.01,1,2)").values() == (
        0.01, 0.0316228, 0.1, 0.316228, 1.0
    )  # fmt: skip
    mapping = {"low": 0.01, "high": 1, "per_decade": 2}
    assert parse_axis("temperature", mapping) == parse_axis("temperature", "log(0.01, 1, 2)")
    assert parse_axis("data", "digits").values() == ("digits",)


def test_yaml_reads_exponents_without_a_point_as_text():
    assert parse_axis("temperature", ["1e-3", 1]).values() == (0.001, 1.0)
    assert parse_axis("temperature", {"low": "1e-3", "high": 1}).low == 0.001


@given(low=st.floats(1e-5, 1e3), factor=st.floats(1.01, 1e4), per_decade=st.integers(1, 12))
def test_grid_is_ordered_and_keeps_its_ends(low, factor, per_decade):
    values = LogAxis(low, low * factor, per_decade).values()
    assert values[0] == pytest.approx(low, rel=1e-5)
    assert values[-1] == pytest.approx(low * factor, rel=1e-5)
    assert all(a < b for a, b in itertools.pairwise(values))
    steps = [math.log(b / a) for a, b in itertools.pairwise(values)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-2)


@pytest.mark.parametrize(
    ("name", "raw", "sentence"),
    [
        ("temprature", 1, "did you mean 'temperature'"),
        ("alpha", [], "alpha=[] is empty"),
        ("alpha", [1, 1.0], "repeats a value"),
        ("alpha", "nan", "must be a positive finite number"),
        ("alpha", "much", "is not a number"),
        ("n_train", [64, 1.5], "must be a whole number"),
        ("n_train", True, "n_train=True"),
        ("temperature", "log(1, 0.1)", "needs low < high"),
        ("temperature", "log(a, b)", "is not log(LOW, HIGH)"),
        ("temperature", {"low": 1, "hihg": 2}, "did you mean 'high'"),
        ("temperature", {"low": 1}, "needs both low and high"),
        ("data", "log(1, 2)", "takes names"),
        ("data", 3, "is not a name"),
    ],
)
def test_bad_axes_get_one_sentence(name, raw, sentence):
    with pytest.raises(InvalidSettingError) as caught:
        parse_axis(name, raw)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
