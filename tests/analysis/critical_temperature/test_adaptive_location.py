"""T_lazy(c) from single trainings: recovered with the stated error, or refused in fixed words."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.adaptive_location import is_adaptive, locate_by_posterior
from analysis.curves import build_curves
from analysis.locating.located import CriticalTemperature, CriticalTemperatures

SIZES = (64, 128, 256, 512, 1024)


def trainings(
    temperatures: list[float], tc: float = 1.0, slope: float = 0.9, size: int = 64, random: int = 0
) -> pd.DataFrame:
    rng = np.random.default_rng([random, size])
    t = np.array(temperatures)
    noise = rng.normal(0, 0.1, len(t))
    return pd.DataFrame(
        {
            "n_train": size,
            "temperature": t,
            "seed": np.arange(len(t)),
            "relative_weight_change": 0.1 * (t / tc) ** slope * np.exp(noise),
            "stop_reason": "fitted",
        }
    )


def located(frame: pd.DataFrame, **options: object) -> CriticalTemperatures:
    return locate_by_posterior(build_curves(frame), 0.1, **options)  # type: ignore[arg-type]


def one(frame: pd.DataFrame, **options: object) -> CriticalTemperature:
    (point,) = located(frame, **options).points
    return point


AROUND = [0.75, 1.3, 0.8, 1.2, 0.7, 1.25, 0.78, 1.35, 0.8, 1.3]


def test_recovers_the_crossing_with_its_error() -> None:
    pulls = []
    for random in range(60):
        point = one(trainings(AROUND, random=random))
        assert point.status == "located"
        assert point.bracket[0] < point.value < point.bracket[1]
        pulls.append(math.log(point.value) / point.log_stderr)
    # The prior noise of .15 is larger than the true .10, so errors are conservative.
    assert 0.5 < np.std(pulls) < 1.1


def test_a_law_from_the_posteriors() -> None:
    frame = pd.concat(
        [trainings([t * 4.8 * p ** (-1 / 3) for t in AROUND], 4.8 * p ** (-1 / 3), size=p)
         for p in SIZES]
    )  # fmt: skip
    assert is_adaptive(build_curves(frame))
    result = analyse_scaling(MeasurementTable.from_frame(frame), (0.1, 0.05), n_bootstrap=1000)
    (law,) = result.laws
    assert law.is_adaptive
    assert law.thresholds == (0.1,)
    a = result.estimates["a[lazy,c=0.1]"]
    errors = [p.log_stderr for p in law.lazy[0.1].points]
    expected = np.mean(errors) / math.log(2) / math.sqrt(10)
    assert a.stderr == pytest.approx(expected, rel=0.1)
    assert a.value == pytest.approx(1 / 3, abs=3 * a.stderr)
    assert f"{len(frame)} trainings" in result.headline()
    point = result.estimates["T_c[lazy,c=0.1,n_train=64]"]
    assert point.n == law.lazy[0.1].points[0].n_replicas
    assert result.verdicts["a_equals_gamma_over_delta"].reason.startswith("not measured")


def test_trainings_that_did_not_fit_are_bounds() -> None:
    frame = trainings([*AROUND, 2.0, 2.5])
    frame.loc[frame["temperature"] >= 2, "stop_reason"] = "diverged"
    frame.loc[frame["temperature"] >= 2, "relative_weight_change"] = 1e-6
    point = one(frame)
    assert math.log(point.value) == pytest.approx(0, abs=3 * point.log_stderr)
    assert "2 trainings that did not fit are upper bounds only" in point.message


@pytest.mark.parametrize(
    ("frame", "status", "bracket"),
    [
        (trainings([0.08, 0.1, 0.09, 0.1]), "Tc > Tmax_stable", (0.1, None)),
        (trainings([9.0, 10.0, 9.5, 11.0], slope=1.0), "Tc < Tmin", (None, 9.0)),
        (trainings([2.0, 4.0, 8.0, 3.0, 2.0], tc=0.01, slope=0.05), "feature regime", (None, 2.0)),
    ],
)
def test_a_crossing_outside_the_range_is_refused(
    frame: pd.DataFrame, status: str, bracket: tuple[float | None, float | None]
) -> None:
    point = one(frame)
    assert (point.value, point.status, point.bracket) == (None, status, bracket)
    assert point.message.startswith(f"{status} at P=64: ")


@pytest.mark.parametrize(
    ("reason", "status"),
    [("diverged", "limited by divergence"), ("step_budget", "Tc upper side censored")],
)
def test_a_crossing_beyond_the_first_lost_run_is_refused(reason: str, status: str) -> None:
    frame = trainings([0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6])
    frame.loc[frame["temperature"] >= 0.5, "stop_reason"] = reason
    point = one(frame)
    assert (point.value, point.status) == (None, status)
    assert point.bracket == (0.45, None)
    everything = one(frame.assign(stop_reason=reason))
    assert everything.status == status


def test_too_few_trainings_and_a_tolerance_that_is_not_reached() -> None:
    assert one(trainings([0.8, 1.2, 0.9])).status == "not located yet"
    point = one(trainings(AROUND[:5]), tolerance=0.02)
    assert point.value is not None
    assert "tolerance 0.02 not reached: the error of ln T_c is 0.0" in point.message


def test_a_grid_is_not_adaptive() -> None:
    grid = trainings([0.5, 0.5, 1.0, 1.0, 2.0, 2.0]).assign(seed=[0, 1, 0, 1, 0, 1])
    assert not is_adaptive(build_curves(grid))
    assert not is_adaptive(build_curves(grid.drop(columns="seed")))
