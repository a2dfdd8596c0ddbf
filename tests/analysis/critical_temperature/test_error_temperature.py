"""The test error rises and falls where it was made to, and refuses in fixed words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.report import write_scaling_report
from analysis.critical_temperature.test_error.edges import check_edges, with_edges
from analysis.critical_temperature.test_error.logistic import LogisticLaw, fit_error_law
from analysis.critical_temperature.test_error.onsets import ErrorOnsets, locate_error_onsets
from analysis.curves import single_law
from analysis.report.content import ReportContext

Maker = Callable[..., pd.DataFrame]
T_NOISE = 0.0049
RISE = 0.01


def with_errors(
    frame: pd.DataFrame,
    *,
    a: float = 1 / 3,
    q: float = 0.0,
    fall: float = 0.5,
    noise: float = 0.03,
    rise: float = 0.2,
    centre: float = 0.5,
) -> pd.DataFrame:
    """Test errors that rise by `rise` around T = 0.01 and fall by fall (P/256)^q around T_c.

    T_c = centre (P/256)^-a. The noise of each run comes on top of 30 % common to a seed, which
    the comparison by seed must remove.
    """
    rng = np.random.default_rng(5)
    t, p = frame["temperature"].to_numpy(), frame["n_train"].to_numpy() / 256
    up = 1 + rise / (1 + (RISE / t) ** 4)
    down = 1 - fall * p**q / (1 + (centre * p**-a / t) ** 2)
    common = np.exp(rng.normal(0, 0.3, 1000))[frame["seed"].to_numpy()]
    own = np.exp(rng.normal(0, noise, len(frame)))
    return frame.assign(test_error=0.1 * p**-0.5 * up * down * common * own)


def onsets(frame: pd.DataFrame, noise_temperature: float | None = T_NOISE) -> ErrorOnsets:
    curves = single_law(MeasurementTable.from_frame(frame))
    return locate_error_onsets(curves, noise_temperature, n_bootstrap=200)


def law(frame: pd.DataFrame) -> LogisticLaw:
    curves = single_law(MeasurementTable.from_frame(frame))
    found = locate_error_onsets(curves, T_NOISE, n_bootstrap=200)
    result = fit_error_law(curves, found.ratios, T_NOISE)
    assert result is not None
    return result


def test_rise_and_fall_are_two_temperatures(synthetic_table: Maker) -> None:
    found = onsets(with_errors(synthetic_table(32)))
    for up, down in zip(found.up.points, found.down.points, strict=True):
        # 1.1 is half of the rise by 20 %; both curves are those of the seed-paired means.
        assert up.value == pytest.approx(RISE, rel=0.12)
        exact = 0.5 * (up.n_train / 256) ** (-1 / 3) * math.sqrt(0.1 / 0.4)
        assert down.value == pytest.approx(exact, rel=0.25)
        assert up.bracket[0] <= up.value <= up.bracket[1]
        assert "standard errors from 1" in up.message


def test_the_ratio_is_paired_by_seed(synthetic_table: Maker) -> None:
    """30 % common to a seed cancels; unpaired it would be 7 % of r with 32 seeds."""
    frame = with_errors(synthetic_table(32))
    curves = single_law(MeasurementTable.from_frame(frame))
    ratios = onsets(frame).ratios
    assert ratios is not None
    assert np.nanmedian(ratios.stderr(curves.n_clusters)) < 0.012


def test_its_errors_agree_with_repetition(synthetic_table: Maker) -> None:
    found, stated = [], []
    for random in range(25):
        frame = synthetic_table(16, sizes=(256,), random=random)
        rng = np.random.default_rng(random)
        frame = with_errors(frame, noise=0.0)
        frame["test_error"] *= np.exp(rng.normal(0, 0.05, len(frame)))
        (point,) = onsets(frame).down.points
        found.append(math.log(point.value or math.nan))
        stated.append(point.log_stderr or math.nan)
    assert np.std(found) == pytest.approx(float(np.median(stated)), rel=0.5)


def test_a_fixed_effect_does_not_move_with_the_number_of_seeds(synthetic_table: Maker) -> None:
    few, many = (onsets(with_errors(synthetic_table(n))).up.points[0].value for n in (8, 64))
    assert few == pytest.approx(many, rel=0.1)


def test_too_few_seeds_say_how_many_are_needed(synthetic_table: Maker) -> None:
    frame = with_errors(synthetic_table(6), noise=0.25)
    statuses = [p.status for p in onsets(frame).down.points]
    assert statuses.count("insufficient seeds") >= 3
    (message, *_) = [p.message for p in onsets(frame).down.points if p.value is None]
    needed = int(message.rpartition("; ")[2].split()[0])
    error = float(message.partition("se(r) = ")[2].split()[0])
    assert needed == pytest.approx(6 * (3 * error / 0.1) ** 2, rel=0.05)


def test_no_fall_inside_the_window(synthetic_table: Maker) -> None:
    for point in onsets(with_errors(synthetic_table(32), fall=0.02)).down.points:
        assert (point.value, point.status) == (None, "Tc > Tmax_stable")
        assert "never reaches 0.9" in point.message


def test_an_error_that_falls_without_a_rise_has_no_temperature_of_the_rise(
    synthetic_table: Maker,
) -> None:
    for point in onsets(with_errors(synthetic_table(32), rise=0.04)).up.points:
        assert (point.value, point.status) == (None, "no departure")
        assert point.bracket == (None, None)
        assert "before it falls below 0.9 at T=" in point.message


def test_a_fall_that_begins_in_its_reference_has_no_plateau(synthetic_table: Maker) -> None:
    """T_noise stays where it is while T_c falls with P: at large P nothing lies between them."""
    found = onsets(with_errors(synthetic_table(32), centre=0.2, a=0.6, rise=0.0)).down.points
    *smaller, largest = found
    assert {point.status for point in smaller} == {"located"}
    assert largest.status == "plateau not reached"
    assert largest.bracket == (None, 0.1)
    assert "the departure runs into its reference" in largest.message


def test_a_fall_next_to_divergence(synthetic_table: Maker) -> None:
    frame = with_errors(synthetic_table(16, sizes=(256,)))
    gone = (frame["temperature"] > 0.2) & (frame["seed"] < 6)
    frame.loc[gone, "stop_reason"] = "diverged"
    (point,) = onsets(frame).down.points
    assert (point.value, point.status) == (None, "limited by divergence")
    frame.loc[gone, "stop_reason"] = "step_budget"
    assert onsets(frame).down.points[0].status == "Tc upper side censored"


def test_without_a_plateau_there_is_no_reference(synthetic_table: Maker) -> None:
    frame = with_errors(synthetic_table(8))
    for found in (onsets(frame, None), onsets(frame.drop(columns="seed"))):
        assert {p.status for p in found.up.points + found.down.points} == {"plateau not reached"}
    late = frame[frame["temperature"] > 0.004]
    assert {p.status for p in onsets(late).up.points} == {"plateau not reached"}
    early = frame[frame["temperature"] < 0.02]
    assert {p.status for p in onsets(early).down.points} == {"plateau not reached"}


def test_all_crossings_are_named(synthetic_table: Maker) -> None:
    found = onsets(with_errors(synthetic_table(32)))
    assert all("non-monotone: crossings at T=" in p.message for p in found.up.points)


@pytest.mark.parametrize("q", [0.0, 0.2])
def test_exponent_and_amplitude_of_a_clear_fall(synthetic_table: Maker, q: float) -> None:
    grid = tuple(float(f"{10 ** (k / 4):.6g}") for k in range(-14, 5))
    frame = with_errors(synthetic_table(48, temperatures=grid), a=0.4, q=q, noise=0.02, rise=0.0)
    fit = law(frame)
    assert fit.identifiable, fit.reason
    assert fit.a.stderr is not None
    assert fit.q.stderr is not None
    assert fit.a.value == pytest.approx(0.4, abs=max(0.03, 3 * fit.a.stderr))
    assert fit.q.value == pytest.approx(q, abs=max(0.03, 3 * fit.q.stderr))
    assert fit.width == pytest.approx(0.5, rel=0.15)
    # Without q the amplitude is blamed on the temperature.
    assert (abs(fit.a_constant.value - 0.4) > 0.05) == (q > 0)


def test_a_fall_that_is_cut_off_is_not_identifiable(synthetic_table: Maker) -> None:
    """Only the onset of the fall lies in the window: depth and position trade off."""
    frame = with_errors(synthetic_table(24), centre=6.0, noise=0.15, a=0.4, q=0.3)
    fit = law(frame)
    assert not fit.identifiable
    assert fit.reason.startswith("not identifiable: a = ")
    assert "with q = " in fit.reason


def test_a_law_that_does_not_describe_the_fall_has_no_exponent(synthetic_table: Maker) -> None:
    """Sizes of alternating depth have no common A ~ P^q, however small the errors."""
    grid = tuple(float(f"{10 ** (k / 4):.6g}") for k in range(-14, 5))
    frame = with_errors(synthetic_table(48, temperatures=grid), noise=0.02, rise=0.0)
    shallow = (frame["temperature"] > 0.5) & frame["n_train"].isin([128, 512])
    frame.loc[shallow, "test_error"] *= 1.3
    fit = law(frame)
    assert not fit.identifiable
    assert "one logistic law does not describe the fall: chi2/dof = " in fit.reason


def test_report_quotes_a_test_only_with_q(
    tmp_path: Path, synthetic_study: Maker, synthetic_table: Maker
) -> None:
    grid = tuple(float(f"{10 ** (k / 4):.6g}") for k in range(-14, 5))
    clear = with_errors(synthetic_table(32, temperatures=grid), noise=0.02, rise=0.0)
    result = analyse_scaling(MeasurementTable.from_frame(clear), n_bootstrap=200)
    assert {"a[test]", "q[test]", "a[test,down,f=0.1]"} <= set(result.estimates)
    assert result.verdicts["a_test_equals_a"].pull is not None
    vague = with_errors(synthetic_study(8), centre=6.0, noise=0.15)
    result = analyse_scaling(MeasurementTable.from_frame(vague), n_bootstrap=200)
    assert "a[test]" not in result.estimates
    assert result.verdicts["a_test_equals_a"].status == "not established"
    page = write_scaling_report(result, tmp_path, ReportContext()).read_text()
    assert "neither confirmed nor refuted" in page
    assert ">not identifiable</td>" in page
    assert "T_test,up(0.1)" in page
    json.loads((tmp_path / "report.json").read_text())


def test_an_edge_that_decides_is_a_systematic(synthetic_table: Maker) -> None:
    """The fall of large P begins inside T = 6..35 T_noise: where that ends shifts the exponent."""
    grid = tuple(float(f"{10 ** (k / 4):.6g}") for k in range(-14, 5))
    early, late = (
        with_errors(
            synthetic_table(32, temperatures=grid),
            **{"a": 0.4, "centre": centre, "noise": 0.02, "rise": 0.0},
        )
        for centre in (0.45, 2.0)
    )
    spreads, biases = [], []
    for frame in (early, late):
        result = analyse_scaling(MeasurementTable.from_frame(frame), (0.1,), n_bootstrap=100)
        spreads.append(result.to_dict()["systematics"]["a[test,down,f=0.1]"])
        (fall,) = (law.onset_fits["test,down"] for law in result.laws)
        assert f"systematic ±{spreads[-1]:.3f} from the edge of its reference" in fall.remarks[-1]
        assert f"a[test,down,f=0.1]: +-{spreads[-1]:.3f} (edge of the" in result.summary()
        biases.append(abs(result.estimates["a[test,down,f=0.1]"].value - 0.4))
    assert spreads[0] > 2 * spreads[1]
    assert biases[0] > 2 * biases[1]


def test_an_exponent_that_the_edge_decides_is_not_identifiable(synthetic_table: Maker) -> None:
    """Errors of a law may be tiny where its reference is not: the systematic counts as well."""
    grid = tuple(float(f"{10 ** (k / 4):.6g}") for k in range(-14, 5))
    frame = with_errors(synthetic_table(32, temperatures=grid), noise=0.02, rise=0.0)
    fit = law(frame)
    found = locate_error_onsets(
        single_law(MeasurementTable.from_frame(frame)), T_NOISE, n_bootstrap=20
    )
    checks = check_edges(single_law(MeasurementTable.from_frame(frame)), found, T_NOISE)
    kept = with_edges(fit, checks)
    assert kept is not None
    assert kept.identifiable == fit.identifiable
    shifted = [
        replace(check, law=replace(check.law, a=replace(check.law.a, value=fit.a.value + 0.3)))
        for check in checks
        if check.law is not None
    ]
    refused = with_edges(fit, shifted)
    assert refused is not None
    assert not refused.identifiable
    assert refused.reason.startswith("not identifiable: a = ")
    assert "systematic ±0.15 from the edge of the reference" in refused.reason
