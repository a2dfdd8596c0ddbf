"""A line that does not rise inside its bracket does what its window says, not what chance does."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.locating.first_crossing import crossings_of_samples, first_rise

X = np.array([0.0, 1.0, 2.0])
SAMPLES = np.array(
    [
        [-1.0, 1.0, 2.0],  # rises at 1/2
        [-3.0, -2.0, -1.0],  # would rise at 3
        [-1.0, -2.0, -3.0],  # falls: its line leads to 0 backward
        [-1.0, -1.0, -1.0],  # flat
        [np.nan, -1.0, 1.0],  # rises at 3/2 behind a gap
    ]
)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("free", [0.5, 3.0, -1.0, np.nan, 1.5]),
        ("clip", [0.5, 2.0, 0.0, 2.0, 1.5]),
        ("rising", [0.5, 3.0, np.nan, np.nan, 1.5]),
    ],
)
def test_samples_without_a_rise_keep_the_bracket_within_the_window(window, expected) -> None:
    found = crossings_of_samples(X, SAMPLES, 1, window=window)
    np.testing.assert_allclose(found, expected)


def test_no_rise_of_a_single_point_or_a_fall() -> None:
    assert first_rise(np.array([0.0]), -1.0) == -1
    assert first_rise(np.array([1.0, -1.0])) == -1
