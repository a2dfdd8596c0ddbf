"""A point is complete, immutable, and identified by its parameters alone."""

import math

import pytest

from search_spaces import InvalidSettingError, Point
from search_spaces.point import resolve_temperature


def point(**changes):
    settings = {"n_train": 64, "temperature": 0.1, "batch_size": 4, "max_presentations": 1000}
    return Point.create(**{**settings, **changes})


def test_third_of_temperature_rate_and_batch_is_derived():
    assert point().learning_rate == 0.4
    by_rate = point(temperature=None, learning_rate=0.4)
    by_batch = point(batch_size=None, learning_rate=0.4)
    assert by_rate == by_batch == point()


def test_identity_ignores_rounding_of_the_last_digit():
    assert point(temperature=0.1 + 0.2).identity == point(temperature=0.3).identity


def test_identity_is_stable_across_versions():
    # A stored study is reopened by these hashes: changing them orphans every ledger.
    assert point().identity == "a39273834d7f"


def test_defaults_follow_model_and_data():
    perceptron = point(model="perceptron")
    assert (perceptron.data, perceptron.chi, perceptron.input_dim) == ("perceptron", 1.0, 64)
    assert (perceptron.depth, perceptron.scheme, perceptron.alpha) == (0, "jump", 1.0)
    assert (point(model="cnn").width, point(model="cnn").depth) == (32, 4)
    assert point(data="mixture").chi is None
    assert point(sampling="full_batch", batch_size=64).batch_size == 64


def test_a_point_survives_its_plain_form():
    asked = point(model="perceptron", chi=3, observables=["curves"], input_dim=16)
    assert Point.from_dict(asked.to_dict()) == asked


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": 10.0},
        {"bias": True},
        {"scheme": "jump"},
        {"data": "perceptron"},
        {"observables": ["curves"]},
        {"n_train": 128},
        {"temperature": 0.2},
        {"batch_size": 1},
        {"width": 32},
        {"depth": 2},
        {"loss": "quadratic_hinge"},
        {"sampling": "with_replacement"},
        {"dtype": "float64"},
        {"n_test": 100},
        {"max_presentations": 999},
    ],
)
def test_every_parameter_enters_the_identity(change):
    assert point(**change).identity != point().identity


def test_dictionary_round_trip():
    assert Point.from_dict(point().to_dict()) == point()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"temperature": -1.0}, "temperature=-1.0 must be a positive finite number"),
        ({"temperature": 0}, "temperature=0 must be"),
        ({"temperature": math.nan}, "temperature=nan must be"),
        ({"alpha": math.inf}, "alpha=inf must be"),
        ({"alpha": "big"}, "alpha='big' is not a number"),
        ({"n_train": 0}, "n_train=0 must be a whole number"),
        ({"n_train": 64.5}, "n_train=64.5 must be a whole number"),
        ({"batch_size": 65}, "batch_size=65 exceeds n_train=64"),
        ({"width": 0}, "width=0"),
        ({"loss": "hing"}, "did you mean 'hinge'"),
        ({"model": "cn"}, "model='cn' is unknown; allowed: mlp, perceptron, cnn"),
        ({"model": "perceptron", "width": 8}, "width=8 has no meaning for model=perceptron"),
        ({"activation": "linear"}, "activation=linear belongs to model=perceptron"),
        ({"chi": 1.0}, "chi=1.0 has no meaning for data=digits"),
        ({"data": "perceptron", "chi": -1.0}, "chi=-1.0 is out of range; allowed: above -1"),
        ({"sampling": "full_batch"}, "sampling=full_batch takes all P=64 points"),
        ({"scheme": "leap"}, "scheme='leap' is unknown; allowed: sequential, jump"),
        ({"observables": "hessian"}, "observables='hessian' must be a list of names"),
        ({"observables": ["hesian"]}, "did you mean 'hessian'"),
        ({"bias": 1}, "bias=1 must be true or false"),
        ({"learning_rate": 0.5}, "contradict T = eta/B"),
        ({"temprature": 0.5}, "did you mean 'temperature'"),
    ],
)
def test_bad_values_get_one_sentence(change, sentence):
    with pytest.raises(InvalidSettingError) as caught:
        point(**change)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_batch_size_from_rate_and_temperature_must_be_whole():
    assert resolve_temperature(0.1, 0.4, None) == (0.1, 4)
    with pytest.raises(InvalidSettingError, match=r"batch_size=4\.5"):
        resolve_temperature(0.1, 0.45, None)
    with pytest.raises(InvalidSettingError, match="two of"):
        resolve_temperature(0.1, None, None)
