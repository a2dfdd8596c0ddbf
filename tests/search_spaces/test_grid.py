"""Experiments other than trainings: declared settings, complete configurations, one sentence."""

import pytest

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from search_spaces.configuration import Configuration
from search_spaces.grid import GridSpace, Setting
from search_spaces.numbers import positive_integer, positive_number


def noise(name, value):
    return check_name(name, value, ("levy", "gaussian"))


SETTINGS = (
    Setting("noise", "levy", noise),
    Setting("tail_index", 1.5, positive_number),
    Setting("n_steps", 100, positive_integer),
)


def build(values):
    if values["noise"] == "gaussian":
        return {**values, "tail_index": 2.0}
    if values["tail_index"] >= 2:
        raise InvalidSettingError(f"tail_index={values['tail_index']:g} needs noise=gaussian")
    return values


def space(**given):
    return GridSpace("escape", SETTINGS, build, **given)


def test_the_grid_is_the_product_and_equal_configurations_are_one():
    grid = space(noise=["levy", "gaussian"], tail_index=[1.2, 1.5], n_seeds=3)
    found = [(c["noise"], c["tail_index"]) for c in grid.points()]
    assert found == [("levy", 1.2), ("levy", 1.5), ("gaussian", 2.0)]
    assert list(grid.seeds) == [0, 1, 2]


def test_ranges_are_grids():
    assert space(tail_index="log(0.5, 1.0, 3.32)").values["tail_index"] == (0.5, 1.0)
    assert space(n_steps={"low": 10, "high": 1000, "per_decade": 1}).values["n_steps"] == (
        10,
        100,
        1000,
    )


def test_a_space_survives_its_plain_form():
    grid = space(noise=["levy", "gaussian"], first_seed=2)
    again = space(**grid.to_plain())
    assert again.points() == grid.points()
    assert again.seeds == grid.seeds


def test_a_configuration_survives_its_record_and_keeps_its_identity():
    (configuration,) = space().points()
    plain = configuration.to_dict()
    again = Configuration.create(plain.pop("experiment"), plain)
    assert again == configuration
    assert configuration.identity == "1e49f59f098d"
    assert list(configuration.columns()) == ["point", "noise", "tail_index", "n_steps"]
    assert configuration.label == "tail_index=1.5 n_steps=100"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"nose": 1}, "did you mean 'noise'"),
        ({"noise": "levi"}, "did you mean 'levy'"),
        ({"tail_index": -1}, "tail_index=-1 must be a positive finite number"),
        ({"tail_index": []}, "tail_index=[] is empty"),
        ({"tail_index": [1, 1.0]}, "repeats a value"),
        ({"tail_index": 2}, "tail_index=2 needs noise=gaussian"),
        ({"n_steps": "log(3)"}, "n_steps='log(3)' must be a whole number"),
        ({"n_seeds": 0}, "n_seeds=0 must be a whole number"),
        ({"tail_index": "log(0.1, 1, 20000)"}, "more than 10000 values"),
    ],
)
def test_bad_settings_get_one_sentence(given, sentence):
    with pytest.raises(InvalidSettingError) as caught:
        space(**given).points()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
