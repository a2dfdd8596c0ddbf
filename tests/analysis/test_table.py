"""A table is either right or refused with one sentence that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, ReadTableError


def small(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "n_train": [64, 64, 128, 128],
            "temperature": [0.1, 0.2, 0.1, 0.2],
            "relative_weight_change": [0.01, 0.02, 0.015, 0.03],
            "stop_reason": ["fitted"] * 4,
        }
    )
    return frame.assign(**changes)


BROKEN = {
    "missing column": (
        small().drop(columns="n_train"),
        "lacks the column 'n_train'",
    ),
    "mistyped column": (
        small().rename(columns={"temperature": "temprature"}),
        "lacks the column 'temperature' (is it 'temprature'?); learning_rate and batch_size",
    ),
    "text": (small(temperature=["0.1", "hot", "0.1", "0.2"]), "temperature='hot' in row 2"),
    "NaN temperature": (small(temperature=[0.1, np.nan, 0.1, 0.2]), "in row 2 must be a positive"),
    "zero temperature": (small(temperature=[0.1, 0.0, 0.1, 0.2]), "temperature=0 in row 2"),
    "negative size": (small(n_train=[64, 64, -1, 128]), "n_train=-1 in row 3"),
    "fractional size": (small(n_train=[64, 64, 1.5, 128]), "n_train=1.5 in row 3 must be a whole"),
    "fitted without weight change": (
        small(relative_weight_change=[0.01, np.nan, 0.015, 0.03]),
        "in row 2 must be a positive finite number in a fitted run",
    ),
    "unknown stop reason": (
        small(stop_reason=["fitted", "done", "fitted", "fitted"]),
        "stop_reason='done' in row 2 is unknown; allowed: fitted, step_budget, wall_budget",
    ),
    "repeated replica": (
        small(temperature=[0.1, 0.1, 0.1, 0.2], seed=[0, 0, 0, 0]),
        "row 2 repeats seed=0 at n_train=64, temperature=0.1",
    ),
    "contradicting eta": (
        small(learning_rate=[0.1, 0.2, 0.1, 0.3], batch_size=1),
        "temperature=0.2 in row 4 contradicts learning_rate and batch_size",
    ),
    "eta that is no multiple of T": (
        small(learning_rate=[0.1, 0.2, 0.1, 0.3]),
        "learning_rate=0.3 in row 4 divided by temperature is no whole batch size",
    ),
    "alpha not positive": (small(alpha=[1, 1, 1, -1.0]), "alpha=-1 in row 4 must be a positive"),
    "setting left out": (small(data=["a", "a", None, "a"]), "data is empty in row 3"),
    "seed left out": (small(seed=[0, 1, None, 1]), "seed is empty in row 3"),
    "no rows": (small().iloc[:0], "holds no rows"),
    "training time of zero": (small(training_time=[1, 0, 1, 1]), "training_time=0 in row 2"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_refuses_with_one_sentence(case: str) -> None:
    frame, sentence = BROKEN[case]
    with pytest.raises(ReadTableError) as caught:
        MeasurementTable.from_frame(frame)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_runs_that_did_not_fit_may_lack_numbers() -> None:
    frame = small(
        relative_weight_change=[0.01, np.inf, np.nan, 0.03],
        stop_reason=["fitted", "diverged", "step_budget", "fitted"],
    )
    assert len(MeasurementTable.from_frame(frame).frame) == 4


def test_temperature_from_learning_rate_is_one_number_for_all_batch_sizes() -> None:
    frame = small(learning_rate=[0.1, 0.3, 0.7, 1.3], batch_size=[1, 3, 7, 13])
    table = MeasurementTable.from_frame(frame.drop(columns="temperature"))
    assert table.frame["temperature"].tolist() == [0.1] * 4


def test_batch_size_from_temperature_and_learning_rate() -> None:
    table = MeasurementTable.from_frame(small(learning_rate=[0.1, 0.2, 0.4, 0.8]))
    assert table.frame["batch_size"].tolist() == [1, 1, 4, 4]


def test_groups_are_the_varying_settings() -> None:
    frame = pd.concat([small(alpha=10.0, width=64), small(alpha=100.0, width=64)])
    table = MeasurementTable.from_frame(frame)
    assert [group.label for group in table.groups()] == ["alpha=10", "alpha=100"]
    assert table.fixed_settings() == {"width": 64}
    assert [group.label for group in table.groups(without=("alpha",))] == [""]


def test_read_csv(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    small().to_csv(path, index=False)
    assert len(MeasurementTable.read_csv(path).frame) == 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00broken\x81", "not a comma-separated table"),
        (b"n_train,temperature\n1,2,3\n1\n4,5,6,7\n", "table"),
        (b"hello\n", "holds no rows"),
        (b"hello\n1\n", "lacks the columns"),
    ],
)
def test_unreadable_files(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ReadTableError, match=sentence) as caught:
        MeasurementTable.read_csv(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReadTableError, match="does not exist"):
        MeasurementTable.read_csv(tmp_path / "none.csv")
    with pytest.raises(ReadTableError, match="is a folder"):
        MeasurementTable.read_csv(tmp_path)
