"""Averages over replicas: geometric where the observable multiplies, fitted replicas only."""

import math

import pytest

from studies.experiments.averages import average_replicas


def row(change: float | None, error: float = 0.1, reason: str = "fitted") -> dict[str, object]:
    return {"stop_reason": reason, "relative_weight_change": change, "test_error": error}


def test_weight_change_is_averaged_in_logarithms_and_errors_are_of_the_mean() -> None:
    averages = average_replicas([row(0.1, 0.02), row(0.4, 0.04)])
    assert averages["relative_weight_change"] == pytest.approx(0.2)
    # Half the difference of two logarithms is the standard error of their mean.
    assert averages["relative_weight_change_stderr"] == pytest.approx(0.2 * math.log(2))
    assert averages["test_error"] == pytest.approx(0.03)
    assert averages["test_error_stderr"] == pytest.approx(0.01)


def test_replicas_that_did_not_fit_are_counted_not_averaged() -> None:
    rows = [row(0.1), row(None, reason="diverged"), row(9.0, reason="step_budget"), row(0.1)]
    averages = average_replicas(rows)
    assert averages["relative_weight_change"] == pytest.approx(0.1)
    assert averages["fitted_fraction"] == 0.5
    assert averages["n_seeds"] == 4


def test_one_replica_has_no_error_and_none_has_no_mean() -> None:
    assert "test_error_stderr" not in average_replicas([row(0.1)])
    alone = average_replicas([row(None, reason="diverged")])
    assert alone == {"fitted_fraction": 0.0, "n_seeds": 1.0}
