"""b, tau and B = b P: settings of batches that vary in size."""

import pandas as pd
import pytest

from analysis import MeasurementTable
from search_spaces import InvalidSettingError, Point, SearchSpace
from search_spaces.choices import SAMPLINGS

BASE = {"n_train": 64, "temperature": 0.1, "max_presentations": 1000}


def test_old_points_keep_their_identity():
    point = Point.create(**BASE, batch_size=4)
    assert point.identity == "a39273834d7f"
    assert "active_fraction" not in point.columns()
    assert SAMPLINGS[:3] == ("without_replacement", "with_replacement", "full_batch")


def test_b_and_the_mean_batch_are_one_setting():
    given = [
        Point.create(**BASE, sampling="bernoulli", active_fraction=0.25),
        Point.create(**BASE, sampling="bernoulli", batch_size=16),
        Point.create(**BASE, sampling="bernoulli", batch_size=16, active_fraction=0.25),
    ]
    assert len({point.identity for point in given}) == 1
    assert (given[0].batch_size, given[0].learning_rate, given[0].flips) == (16, 1.6, (0.75, 0.25))
    assert Point.from_dict(given[0].to_dict()) == given[0]
    odd = Point.create(**BASE, sampling="bernoulli", active_fraction=0.3)
    assert (odd.batch_size, odd.learning_rate) == (19.2, 1.92)
    assert Point.from_dict(odd.to_dict()) == odd


def test_both_conventions_of_the_persistence_time_are_one_point():
    selection = {"sampling": "persistent", "active_fraction": 0.25}
    active = Point.create(**BASE, **selection, persistence_time=4)
    idle = Point.create(**BASE, **selection, persistence_time=12, persistence_convention="idle")
    assert idle == active
    assert active.flips == pytest.approx((0.4, 0.4 / 3))
    assert active.columns()["persistence_time"] == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sampling": "bernoulli"}, "needs active_fraction, the probability b"),
        ({"sampling": "bernoulli", "active_fraction": 1.5}, "above 0 and at most 1"),
        ({"sampling": "bernoulli", "active_fraction": 0}, "above 0 and at most 1"),
        ({"sampling": "bernoulli", "batch_size": 65}, "exceeds n_train=64"),
        ({"sampling": "bernoulli", "batch_size": 3, "active_fraction": 0.5}, "contradicts"),
        ({"sampling": "bernoulli", "batch_size": 3, "persistence_time": 9}, "draws every step"),
        ({"sampling": "persistent", "batch_size": 3}, "needs persistence_time"),
        ({"sampling": "persistent", "batch_size": 64, "persistence_time": 99}, "no meaning at"),
        ({"sampling": "persistent", "batch_size": 32, "persistence_time": 1}, r"at least 3\.2"),
        ({"batch_size": 3, "active_fraction": 0.5}, "belongs to sampling=bernoulli or persistent"),
        ({"batch_size": 3, "persistence_time": 0.5}, "belongs to sampling=persistent"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_sentence(settings, words):
    with pytest.raises(InvalidSettingError, match=words):
        Point.create(**BASE, **settings)


def test_a_space_scans_b_and_tau():
    space = SearchSpace(
        n_train=[64, 100], temperature=0.01, active_fraction=[0.3, 0.5], sampling="persistent",
        persistence_time="log(10, 100, 1)", persistence_convention="idle",
    )  # fmt: skip
    points = space.points()
    assert len(points) == 8
    assert {p.batch_size for p in points} == {19.2, 32, 30, 50}
    times = sorted({p.persistence_time for p in points})
    assert times == pytest.approx([10 * 3 / 7, 10, 100 * 3 / 7, 100])
    short, long = (p for p in points if p.n_train == 64 and p.active_fraction == 0.5)
    assert long.max_presentations == pytest.approx(10 * short.max_presentations, rel=1e-3)
    again = SearchSpace(**space.to_plain())
    assert {p.identity for p in again.points()} == {p.identity for p in points}
    plain = SearchSpace(n_train=64, temperature=0.1, batch_size=1).to_plain()
    assert "persistence_convention" not in plain
    with pytest.raises(InvalidSettingError, match="both give the mean batch"):
        SearchSpace(temperature=0.1, batch_size=2, active_fraction=0.5, sampling="bernoulli")
    with pytest.raises(InvalidSettingError, match="without_replacement takes batch_size"):
        SearchSpace(temperature=0.1, active_fraction=0.5)


def test_the_window_of_a_selection_ends_at_its_mean_batch():
    spaces = [
        SearchSpace(n_train=64, temperature="window", **batch)
        for batch in ({"batch_size": 16}, {"active_fraction": 0.25, "sampling": "bernoulli"})
    ]
    temperatures = [[p.temperature for p in space.points()] for space in spaces]
    assert temperatures[0] == temperatures[1]


def test_a_table_at_fixed_b_holds_one_law():
    rows = [
        {**point.columns(), "seed": 0, "stop_reason": "fitted", "relative_weight_change": 0.1}
        for n in (64, 100)
        for point in [
            Point.create(
                n_train=n, temperature=0.1, max_presentations=10, sampling="bernoulli",
                active_fraction=0.3,
            )
        ]
    ]  # fmt: skip
    table = MeasurementTable.from_frame(pd.DataFrame(rows))
    assert len(table.groups()) == 1
    assert table.fixed_settings()["active_fraction"] == 0.3
    assert len(MeasurementTable.from_frame(pd.DataFrame(rows[:1])).frame) == 1
