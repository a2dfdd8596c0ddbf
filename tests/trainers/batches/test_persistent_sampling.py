"""Persistent selection: its stationary law, its memory, and random access to it."""

import numpy as np
import pytest

from search_spaces import InvalidSettingError
from search_spaces.perceptron_dynamics import PerceptronDynamics
from search_spaces.selection import convert_persistence_time, flip_probabilities
from trainers.batches.selection import is_active, selection_masks

CASES = {
    "plain": (0.3, flip_probabilities(0.3, None, 0.1)),
    "persistent": (0.3, flip_probabilities(0.3, 1.0, 0.1)),
    "anticorrelated": (0.5, (0.9, 0.9)),
}


@pytest.mark.parametrize("case", CASES)
def test_selection_is_stationary_with_the_stated_memory(case):
    """E[s^t s^(t+k)] - b^2 = b (1-b) rho^k."""
    b, flips = CASES[case]
    masks = selection_masks(3, 60, 20000, b, flips).astype(float)
    rho = 1 - sum(flips)
    assert np.abs(masks.mean(axis=1) - b).max() < 5 * np.sqrt(b * (1 - b) / 20000)
    for k in (1, 2, 5):
        covariance = (masks[:-k] * masks[k:]).mean() - b**2
        assert covariance == pytest.approx(b * (1 - b) * rho**k, abs=0.004)


@pytest.mark.parametrize("case", CASES)
def test_the_selection_of_any_step_is_known_without_its_history(case):
    b, flips = CASES[case]
    masks = selection_masks(5, 80, 50, b, flips)
    seed = np.uint64(5)
    found = [[is_active(seed, t, k, 50, b, *flips) for k in range(50)] for t in range(80)]
    assert (np.array(found) == masks).all()


def test_one_step_of_persistence_is_plain_sgd_bit_for_bit():
    persistent = flip_probabilities(0.5, 0.1, 0.05)
    assert (
        selection_masks(1, 30, 100, 0.5, persistent)
        == selection_masks(1, 30, 100, 0.5, (0.5, 0.5))
    ).all()


def test_the_two_conventions_of_the_persistence_time():
    """tau is the mean time active, tau' the mean time idle; plain SGD is eta/(1-b) or eta/b."""
    eta, b = 0.1, 0.25
    assert convert_persistence_time(eta / (1 - b), b, "active", "idle") == pytest.approx(eta / b)
    off, on = flip_probabilities(b, convert_persistence_time(0.9, b, "idle"), eta)
    assert on == pytest.approx(eta / 0.9)
    assert off == pytest.approx((1 - b) / b * eta / 0.9)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"active_fraction": 0.0}, "active_fraction=0.0: must be above 0"),
        ({"active_fraction": 1.01}, "at most 1"),
        ({"active_fraction": 0.5, "persistence_time": 0.02}, "at least 0.05"),
        ({"persistence_time": 1.0}, "no meaning at active_fraction=1"),
        ({"loss": "quadratic-hinge"}, "did you mean 'quadratic_hinge'"),
        ({"load": float("inf")}, "load=inf"),
        ({"n_weights": 3}, "n_weights=3"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(settings, words):
    with pytest.raises(InvalidSettingError) as error:
        PerceptronDynamics(**settings)
    assert words in str(error.value)
