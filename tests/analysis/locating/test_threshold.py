"""T_lazy(c) is found where it is, and refused in fixed words where it is not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, ReadTableError, locate_critical_temperatures
from analysis.critical_temperature.noise_onset import locate_noise_onset
from analysis.curves import single_law

Maker = Callable[..., pd.DataFrame]


def locate(frame: pd.DataFrame, threshold: float = 0.1):  # type: ignore[no-untyped-def]
    table = MeasurementTable.from_frame(frame)
    return locate_critical_temperatures(table, threshold=threshold, n_bootstrap=200)


def one_size(frame: pd.DataFrame, size: int = 256) -> pd.DataFrame:
    return frame[frame["n_train"] == size].reset_index(drop=True)


@pytest.mark.parametrize("threshold", [0.02, 0.05, 0.1])
def test_recovers_the_certified_temperature(
    synthetic_table: Maker,
    certified_temperature: Callable[[float, float], float],
    threshold: float,
) -> None:
    for point in locate(synthetic_table(), threshold).points:
        exact = certified_temperature(point.n_train, threshold)
        low, high = point.bracket
        assert low < point.value <= high
        assert point.value == pytest.approx(exact, rel=4 * point.log_stderr)
        # .10 per run and .08 per seed over 32 seeds: .02 in ln dw, hence in ln T.
        assert 0.012 < point.log_stderr < 0.035
        assert (point.n_replicas, point.status, point.message) == (32, "located", "")


def test_window_that_ends_below(synthetic_table: Maker) -> None:
    frame = synthetic_table(8, temperatures=(0.001, 0.01, 0.1, 0.3))
    for point in locate(frame).points:
        assert point.value is None
        assert point.status == "Tc > Tmax_stable"
        assert point.bracket == (0.3, None)
        assert "extend the temperature axis above 0.3" in point.message


def test_window_that_starts_above(synthetic_table: Maker) -> None:
    frame = synthetic_table(8, temperatures=(3.0, 10.0, 30.0))
    for point in locate(frame).points:
        assert (point.value, point.status, point.bracket) == (None, "Tc < Tmin", (None, 3.0))
        assert "feature regime" not in point.message


def test_plateau_above_the_threshold_is_the_feature_regime(synthetic_table: Maker) -> None:
    frame = synthetic_table(8, factor=1000.0, temperatures=(1e-4, 3e-4, 1e-3, 1e-2))
    assert all("feature regime" in point.message for point in locate(frame).points)


def test_crossing_next_to_divergence(synthetic_table: Maker) -> None:
    frame = one_size(synthetic_table(10))
    frame.loc[(frame["temperature"] >= 1.0) & (frame["seed"] < 3), "stop_reason"] = "diverged"
    (point,) = locate(frame).points
    assert (point.value, point.status) == (None, "limited by divergence")
    assert point.bracket[0] == pytest.approx(0.562341)
    assert "3 of 20 runs" in point.message
    assert "lower bound" in point.message


def test_nothing_fitted_above_the_window(synthetic_table: Maker) -> None:
    frame = one_size(synthetic_table(10))
    gone = frame["temperature"] >= 0.5
    frame.loc[gone, "stop_reason"] = "diverged"
    frame.loc[gone, "relative_weight_change"] = np.nan
    (point,) = locate(frame).points
    assert point.status == "limited by divergence"
    assert point.bracket == (0.316228, None)


def test_censored_bracket(synthetic_table: Maker) -> None:
    frame = one_size(synthetic_table(10))
    frame.loc[(frame["temperature"] >= 0.9) & (frame["seed"] < 2), "stop_reason"] = "step_budget"
    (point,) = locate(frame).points
    assert (point.value, point.status) == (None, "Tc upper side censored")
    assert point.n_censored == 4


def test_a_rare_censored_run_is_mentioned(synthetic_table: Maker) -> None:
    frame = one_size(synthetic_table(32))
    last = (frame["temperature"] == 1.0) & (frame["seed"] == 0)
    frame.loc[last, "stop_reason"] = "wall_budget"
    (point,) = locate(frame).points
    assert point.value is not None
    assert "Tc upper side censored: 1 of 64 runs in the bracket" in point.message


def test_all_crossings_of_a_curve_that_is_not_monotone(synthetic_table: Maker) -> None:
    frame = one_size(synthetic_table(16))
    for t, factor in ((0.1, 10.0), (0.177828, 0.5)):
        frame.loc[frame["temperature"] == t, "relative_weight_change"] *= factor
    (point,) = locate(frame).points
    assert len(point.crossings) == 3
    assert point.value == pytest.approx(point.crossings[0])
    assert point.bracket == (0.0562341, 0.1)
    assert "non-monotone: crossings at T=" in point.message


def test_a_significant_step_down_is_mentioned(synthetic_table: Maker) -> None:
    frame = one_size(synthetic_table(16))
    frame.loc[frame["temperature"] == 0.0177828, "relative_weight_change"] *= 0.3
    (point,) = locate(frame).points
    assert "falls by more than 3 standard errors above T=0.01" in point.message


def test_few_seeds_are_mentioned(synthetic_table: Maker) -> None:
    assert all("insufficient seeds: 3" in p.message for p in locate(synthetic_table(3)).points)


def test_nothing_ever_fitted(synthetic_table: Maker) -> None:
    frame = one_size(synthetic_table(4)).assign(stop_reason="diverged")
    (point,) = locate(frame).points
    assert (point.status, point.n_diverged) == ("limited by divergence", 64)


def test_rows_without_seeds_are_independent(synthetic_table: Maker) -> None:
    """Without labels the noise common to a seed looks like noise of each run."""
    frame = synthetic_table(32, run_noise=0.02, seed_noise=0.1)
    shared = locate(frame)
    alone = locate(frame.drop(columns="seed"))
    for one, other in zip(shared.points, alone.points, strict=True):
        assert one.value == pytest.approx(other.value)
        # Two independent cells of the bracket instead of a common shift: smaller error.
        assert other.log_stderr < one.log_stderr
    assert alone.n_clusters == 32


def test_seed_labels_that_never_recur_are_independent_rows(synthetic_table: Maker) -> None:
    frame = synthetic_table(8)
    curves = single_law(MeasurementTable.from_frame(frame.assign(seed=np.arange(len(frame)))))
    assert (curves.shared_seeds, curves.n_clusters) == (False, 8)


def test_several_laws_need_a_choice(synthetic_table: Maker) -> None:
    frame = pd.concat([synthetic_table(2), synthetic_table(2).assign(alpha=10.0)])
    with pytest.raises(ReadTableError, match="holds 2 laws"):
        locate(frame)
    with pytest.raises(ValueError, match="threshold=-1"):
        locate(synthetic_table(2), threshold=-1)


def test_other_observables_must_exist_and_be_positive(synthetic_table: Maker) -> None:
    table = MeasurementTable.from_frame(synthetic_table(2).assign(test_error=0.0))
    with pytest.raises(ReadTableError, match="test_error=0 cannot be averaged"):
        locate_critical_temperatures(table, "test_error", 0.1)
    with pytest.raises(ReadTableError, match="lacks the column 'loss_value'"):
        locate_critical_temperatures(table, "loss_value", 0.1)


def test_noise_onset_is_recovered(synthetic_table: Maker) -> None:
    onset = locate_noise_onset(single_law(MeasurementTable.from_frame(synthetic_table())))
    for point in onset.temperatures.points:
        assert point.value == pytest.approx(0.0049, rel=4 * point.log_stderr)
        assert 0.005 < point.log_stderr < 0.08
    assert onset.geometric_mean == pytest.approx(0.0049, rel=0.04)
    assert onset.parameters[:, 2] == pytest.approx(np.ones(5), abs=0.03)


def test_noise_onset_errors_agree_with_repetition(synthetic_table: Maker) -> None:
    """The spread over independent tables is the error that each of them states."""
    logs, errors = [], []
    for random in range(40):
        table = MeasurementTable.from_frame(synthetic_table(16, sizes=(256,), random=random))
        (point,) = locate_noise_onset(single_law(table), n_bootstrap=200).temperatures.points
        logs.append(math.log(point.value))
        errors.append(point.log_stderr)
    assert np.std(logs) == pytest.approx(np.mean(errors), rel=0.35)


@pytest.mark.parametrize("temperatures", [(0.01, 0.02, 0.05, 0.1, 0.2), (1e-4, 2e-4, 5e-4, 1e-3)])
def test_plateau_not_reached(synthetic_table: Maker, temperatures: tuple[float, ...]) -> None:
    table = MeasurementTable.from_frame(synthetic_table(8, temperatures=temperatures))
    onset = locate_noise_onset(single_law(table), n_bootstrap=50)
    assert onset.geometric_mean is None
    for point in onset.temperatures.points:
        assert (point.value, point.status) == (None, "plateau not reached")
        assert point.message.startswith("plateau not reached at P=")
