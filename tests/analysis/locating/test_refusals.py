"""Every refusal is reached by data that deserve it, in its fixed words, and is in the report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.report import scaling_content
from analysis.report.content import ReportContext

Maker = Callable[..., pd.DataFrame]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def reported(frame: pd.DataFrame) -> str:
    """Everything the report says in its boxes, tables and captions."""
    result = analyse_scaling(MeasurementTable.from_frame(frame), (0.1,), n_bootstrap=50)
    content = scaling_content(result, ReportContext())
    words = [str(p) for answer in content.answers for p in answer.paragraphs]
    words += [figure.caption for figure in content.figures]
    for _, tables in content.tables:
        words += [cell for table in tables for row in table.rows for cell in row]
    return "\n".join(words)


def lost(reason: str, above: float, seeds: int) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        gone = (frame["temperature"] > above) & (frame["seed"] < seeds)
        frame.loc[gone, "stop_reason"] = reason
        return frame

    return change


def at(low: float, high: float) -> Change:
    return lambda frame: frame[frame["temperature"].between(low, high)]


def scaled(factor: float, low: float = 0.0, high: float = np.inf) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame["temperature"].between(low, high), "relative_weight_change"] *= factor
        return frame

    return change


def bent(frame: pd.DataFrame) -> pd.DataFrame:
    x = np.log(frame["n_train"] / 256)
    return frame.assign(
        relative_weight_change=frame["relative_weight_change"] * np.exp(0.1 * x**2)
    )


def torn(frame: pd.DataFrame) -> pd.DataFrame:
    """Each size has a slope of its own: no shift brings the curves together."""
    slope = 0.15 * np.log(frame["n_train"] / 256)
    return frame.assign(
        relative_weight_change=frame["relative_weight_change"] * frame["temperature"] ** slope
    )


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    change = frame["relative_weight_change"] * (frame["n_train"] / 256) ** -0.33
    return frame.assign(relative_weight_change=change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (at(3e-4, 0.2), "Tc > Tmax_stable at P=64: no crossing"),
        (at(1.1, 2.0), "Tc < Tmin at P=1024: no crossing"),
        (lost("diverged", 0.3, 4), "limited by divergence at P=64"),
        (lost("step_budget", 0.3, 3), "Tc upper side censored at P=64"),
        (scaled(30.0, 0.05, 0.06), "non-monotone: crossings at T="),
        (lambda frame: frame[frame["seed"] < 6], "insufficient seeds at P=64: r = "),
        (lambda frame: frame[frame["seed"] < 6], " seeds are needed"),
        (at(0.02, 2.0), "plateau not reached at P=64"),
        (lambda frame: frame[frame["n_train"] > 200], "exponent not determined: T_lazy(0.1) is"),
        (lambda frame: frame[frame["n_train"] < 300], "exponent not determined: T_lazy(0.1) is"),
        (flat, "P-independent within "),
        (scaled(1000.0), "feature regime at P=64: relative_weight_change is"),
        (bent, "local exponent drifts: "),
        (torn, "no collapse: S = "),
        (lambda frame: frame, "not identifiable: a = "),
    ],
)  # fmt: skip
def test_refusal_is_reported(synthetic_table: Maker, change: Change, words: str) -> None:
    frame = change(synthetic_table(16).reset_index(drop=True)).reset_index(drop=True)
    assert words in reported(frame)


def test_three_sizes_never_give_an_exponent(synthetic_table: Maker) -> None:
    frame = synthetic_table(8, sizes=(64, 256, 1024))
    result = analyse_scaling(MeasurementTable.from_frame(frame), n_bootstrap=50)
    assert not any(key.startswith(("a[lazy", "a[noise")) for key in result.estimates)


def test_verdicts_carry_their_numbers(synthetic_study_of_16_seeds: pd.DataFrame) -> None:
    table = MeasurementTable.from_frame(synthetic_study_of_16_seeds)
    verdicts = analyse_scaling(table, n_bootstrap=100).to_dict()["verdicts"]
    measured = ("only_T_matters", "a_equals_gamma_over_delta", "T_noise_independent_of_P")
    for key in (*measured, "training_time_is_linear_in_T", "collapse"):
        assert {"status", "reason", "literature", "value", "stderr", "pull"} <= set(verdicts[key])
    assert {"power_law", "a_test_equals_a", "T_test_up_independent_of_P"} <= set(verdicts)
