"""The planned grid: the product of the axes, each point once, valid or refused."""

import pytest

from search_spaces import InvalidSettingError, SearchSpace, temperature_window
from search_spaces.windows import (
    onset_temperature,
    presentation_budget,
    stable_learning_rate,
)


def test_window_of_the_reference_network():
    # K = 4 for three hidden layers: T_1 = 1/(alpha K) = .0025, eta_max = 1.75.
    assert onset_temperature(100.0, 3) == pytest.approx(0.0025)
    assert stable_learning_rate(100.0, 3) == pytest.approx(1.75)
    window = temperature_window(100.0, 3)
    assert (window[0], window[-1], len(window)) == (0.000316228, 1.77828, 16)


def test_onset_follows_one_over_alpha_when_lazy_and_root_alpha_in_the_feature_regime():
    assert onset_temperature(10.0, 3) / onset_temperature(1000.0, 3) == pytest.approx(100)
    assert onset_temperature(0.1, 3) / onset_temperature(0.001, 3) == pytest.approx(10)


def test_windows_of_different_alpha_and_batch_share_their_lattice():
    wide = set(temperature_window(1000.0, 3))
    assert set(temperature_window(100.0, 3)) <= wide
    assert set(temperature_window(100.0, 3, batch_size=4)) <= wide


def test_budget_grows_with_size_and_below_the_onset_of_noise():
    base = presentation_budget(64, 0.1, 1, 100.0, 3)
    assert base == 8000
    assert presentation_budget(128, 0.1, 1, 100.0, 3) == pytest.approx(base * 2**1.3, rel=1e-3)
    assert presentation_budget(64, 0.000525, 1, 100.0, 3) == pytest.approx(10 * base, rel=1e-3)


def test_product_of_axes():
    space = SearchSpace(
        n_train=[64, 128], temperature=[0.1, 1], batch_size=[1, 4], alpha=[10, 100], n_seeds=3
    )
    points = space.points()
    assert len(points) == len({p.identity for p in points}) == 16
    assert list(space.seeds) == [0, 1, 2]


def test_learning_rate_and_batch_size_give_the_temperature():
    space = SearchSpace(n_train=64, learning_rate=[0.4, 0.8], batch_size=4)
    assert [p.temperature for p in space.points()] == [0.1, 0.2]


def test_every_setting_survives_plain_form():
    space = SearchSpace(
        n_train="log(64, 256)", temperature="window", batch_size=1, alpha=[10, 100], width=32
    )
    again = SearchSpace(**space.to_plain())
    assert again.points() == space.points()
    assert again.to_plain() == space.to_plain()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature": 0.1}, "give two"),
        ({"temperature": "window", "learning_rate": 1.0, "batch_size": 1}, "temperature=window"),
        ({"temperature": 0.1, "batch_size": 100, "n_train": 64}, "batch_size=100 exceeds"),
        ({"temperature": 0.1, "batch_size": 1, "model": "mpl"}, "did you mean 'mlp'"),
        ({"temperature": 0.1, "batch_size": 1, "n_seeds": 0}, "n_seeds=0"),
        ({"temperature": 0.1, "batch_size": 1, "first_seed": -1}, "first_seed=-1"),
    ],
)
def test_bad_spaces_get_one_sentence(settings, sentence):
    with pytest.raises(InvalidSettingError) as caught:
        SearchSpace(**settings).points()
    assert sentence in str(caught.value)


def test_measured_kernel_and_learning_rate_replace_the_formulas():
    assert onset_temperature(100.0, 4, kernel=0.5) == pytest.approx(1 / (100 * 0.5))
    assert stable_learning_rate(100.0, 4, kernel=0.5) == pytest.approx(14)
    window = temperature_window(100.0, 4, kernel=0.9, learning_rate=5.62341)
    assert (window[0], window[-1]) == (0.001, 5.62341)
    assert temperature_window(100.0, 4, batch_size=10, learning_rate=5.62341)[-1] == 0.562341
    assert temperature_window(0.01, 3, learning_rate=10.0)[-1] == pytest.approx(1.0)  # alpha^(1/2)
    budget = presentation_budget(64, 0.01, 1, 100.0, 4, kernel=0.5)
    assert budget == pytest.approx(20 * 400 * 2.1 * 0.02 / 0.01, rel=1e-3)


def test_window_of_images_needs_two_measured_numbers():
    settings = {"model": "cnn", "batch_size": 1, "temperature": "window", "n_train": [64]}
    space = SearchSpace(**settings)
    assert space.lacks_window
    with pytest.raises(InvalidSettingError, match="needs kernel_diagonal and stable_learning"):
        space.points()
    space = SearchSpace(**settings, kernel_diagonal=0.93, stable_learning_rate=5.62341)
    assert not space.lacks_window
    assert space.points()[-1].temperature == 5.62341
    again = SearchSpace(**space.to_plain())
    assert [p.identity for p in again.points()] == [p.identity for p in space.points()]
    assert not SearchSpace(**{**settings, "temperature": [0.1]}).lacks_window


def test_measured_window_belongs_to_one_network():
    settings = {"model": "cnn", "batch_size": 1, "temperature": "window"}
    with pytest.raises(InvalidSettingError, match="is measured for one width"):
        SearchSpace(**settings, width=[16, 32])
    with pytest.raises(InvalidSettingError, match="is measured for one model"):
        SearchSpace(**{**settings, "model": ["mlp", "cnn"]})


def test_a_window_may_end_elsewhere_than_the_stable_one():
    wide = SearchSpace(n_train=64, alpha=[1, 100], temperature="window(0.1, 4)", batch_size=1)
    stable = SearchSpace(n_train=64, alpha=[1, 100], temperature="window", batch_size=1)
    assert set(stable.points()) < set(wide.points())
    assert max(p.temperature for p in wide.points()) == pytest.approx(4 * 1.75, rel=0.25)
    assert SearchSpace(**wide.to_plain()).points() == wide.points()
    assert stable.to_plain()["temperature"] == "window"


@pytest.mark.parametrize("raw", ["window(0.1)", "window(1, -4)", "window(a, b)", "windows"])
def test_a_misspelt_window_gets_one_sentence(raw):
    with pytest.raises(InvalidSettingError, match="is not a window"):
        SearchSpace(n_train=64, temperature=raw, batch_size=1)
