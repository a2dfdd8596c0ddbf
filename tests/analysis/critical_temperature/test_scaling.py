"""From a table to laws, verdicts and numbers: known exponents come back, claims are judged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, ReadTableError, analyse_scaling
from analysis.critical_temperature.study import ScalingResult

Maker = Callable[..., pd.DataFrame]


def analyse(frame: pd.DataFrame, **options: object) -> ScalingResult:
    options.setdefault("n_bootstrap", 200)
    return analyse_scaling(MeasurementTable.from_frame(frame), **options)


def least_squares_delta(temperatures: np.ndarray, onset: float) -> float:
    """Effective delta of ln(1 + T/onset) over some temperatures, the certified answer."""
    x = np.log(temperatures)
    return float(np.polyfit(x, np.log1p(temperatures / onset), 1)[0])


def test_companion_laws_are_recovered(synthetic_study: Maker) -> None:
    result = analyse(synthetic_study())
    window = 10 ** (np.arange(-6, -1) / 4)
    expected = {
        "gamma": 0.36,
        "delta": least_squares_delta(window, 0.0049),
        "b": 1.27,
        "x": 0.0,
        "T_noise": 0.0049,
    }
    for key, value in expected.items():
        estimate = result.estimates[key]
        assert estimate.stderr is not None
        assert estimate.value == pytest.approx(value, abs=3.5 * estimate.stderr), key
        assert estimate.n == 32
    assert result.estimates["gamma"].fit_range == ("P = 64..1024, T = 0.0316..0.316 (25 means)")
    assert result.estimates["b"].stderr < 0.03


def test_keys_of_one_law(synthetic_study: Maker) -> None:
    keys = set(analyse(synthetic_study(8)).estimates)
    assert {"a[lazy,c=0.1]", "a[lazy,c=0.02]", "a[lazy,c=0.05]", "a[noise]", "T_noise"} <= keys
    assert {"gamma", "delta", "b", "gamma/delta", "C[lazy,c=0.1]"} <= keys
    assert {"T_c[lazy,c=0.1,n_train=64]", "T_noise[n_train=64]"} <= keys
    # c = 0.2 leaves the window at P = 64 and 128: three sizes over a factor 4 remain.
    assert "a[lazy,c=0.2]" not in keys
    assert "T_c[lazy,c=0.2,n_train=256]" in keys
    assert "T_c[lazy,c=0.2,n_train=64]" not in keys


def test_one_law_per_setting(synthetic_table: Maker) -> None:
    frame = pd.concat(
        [synthetic_table(6, random=k).assign(alpha=alpha) for k, alpha in enumerate((10.0, 100.0))]
    )
    result = analyse(frame)
    assert [law.label for law in result.laws] == ["alpha=10", "alpha=100"]
    assert {"a[lazy,c=0.1,alpha=100]", "gamma[alpha=10]"} <= set(result.estimates)
    assert "T_c[lazy,c=0.1,n_train=64,alpha=100]" in result.estimates
    assert {"power_law[alpha=10]", "only_T_matters[alpha=100]"} <= set(result.verdicts)
    first, second = result.headline().splitlines()
    assert first.startswith("alpha=10: T_lazy(0.1) = ")
    assert second.startswith("alpha=100: T_lazy(0.1) = ")
    assert list(result.critical_temperatures().columns[:2]) == ["alpha", "batch_size"]


def test_other_batch_sizes_never_enter_the_law(synthetic_table: Maker) -> None:
    alone = synthetic_table(8)
    others = synthetic_table(8, batch_size=4, factor=3.0)
    with_others = analyse(pd.concat([alone, others]))
    for key, estimate in analyse(alone).estimates.items():
        assert with_others.estimates[key] == estimate
    assert with_others.verdicts["only_T_matters"].status == "contradicted"
    both = analyse(pd.concat([alone, others]), batch_sizes=[1, 4])
    assert "a[lazy,c=0.1,batch_size=4]" in both.estimates
    only = analyse(pd.concat([alone, others]), batch_sizes=[4])
    assert only.laws[0].batch_size == 4
    with pytest.raises(ReadTableError, match="batch_size=3 is not in the table; it has 1, 4"):
        analyse(pd.concat([alone, others]), batch_sizes=[3])


@pytest.mark.parametrize(
    ("factor", "n_seeds", "status"),
    [(1.02, 32, "established"), (1.3, 32, "contradicted"), (1.11, 6, "not established")],
)
def test_does_only_temperature_matter(
    synthetic_table: Maker, factor: float, n_seeds: int, status: str
) -> None:
    few = {"temperatures": (0.01, 0.1), "run_noise": 0.05}
    frame = pd.concat(
        [
            synthetic_table(n_seeds, run_noise=0.05),
            synthetic_table(n_seeds, batch_size=4, factor=factor, **few),
        ]
    )
    comparison = analyse(frame).laws[0].batches
    assert comparison.status == status
    assert len(comparison.ratios) == 10
    for ratio in comparison.ratios:
        assert ratio.ratio == pytest.approx(factor, rel=5 * ratio.log_stderr)
        # Paired by seed, the part common to a seed cancels: sqrt(2) .05 / sqrt(n) remains.
        assert ratio.log_stderr < 2 * 0.0707 / np.sqrt(n_seeds)


def test_batch_sizes_without_common_cells(synthetic_table: Maker) -> None:
    frame = pd.concat(
        [synthetic_table(4), synthetic_table(4, batch_size=2, temperatures=(0.02, 0.2))]
    )
    assert "no two batch sizes" in analyse(frame).verdicts["only_T_matters"].reason


def test_headline(synthetic_study: Maker) -> None:
    result = analyse(synthetic_study(random=1))
    a = result.estimates["a[lazy,c=0.1]"]
    low, high = a.interval95
    assert result.headline() == (
        f"T_lazy(0.1) = {result.estimates['C[lazy,c=0.1]']} P^-{a}, "
        f"95% interval of a [{low:.3g}, {high:.3g}], P = 64..1024, 32 seeds"
    )
    assert result.headline() in result.summary()
    assert result.verdicts["power_law"].status == "established"
    assert "systematic of a over c" in result.summary()


def test_lights_turn_red_one_by_one(synthetic_study: Maker) -> None:
    frame = synthetic_study(16)

    def states(rows: pd.DataFrame) -> dict[str, str]:
        (lights,) = analyse(rows).lights.values()
        return {light.name: light.state for light in lights}

    assert set(states(frame).values()) == {"green"}
    assert states(frame[frame["n_train"] > 200])["sizes ≥ 4"] == "red"
    assert states(frame[frame["n_train"] > 200])["P range ≥ ×8"] == "red"
    assert states(frame[frame["batch_size"] == 1])["only T = η/B matters"] == "not measured"
    bent = frame.copy()
    bent.loc[bent["n_train"] == 64, "relative_weight_change"] *= 1.4
    assert states(bent)["χ² acceptable"] == "red"
    assert states(bent)["leave-one-size-out within 2 s.e."] == "red"
    late = frame.copy()
    late.loc[(late["seed"] == 0) & (late["temperature"] < 0.2), "stop_reason"] = "step_budget"
    assert states(late)["censored < 5 %"] == "green"
    late.loc[(late["seed"] == 1) & (late["temperature"] < 0.2), "stop_reason"] = "step_budget"
    assert states(late)["censored < 5 %"] == "red"
    verdict = analyse(late).verdicts["power_law"]
    assert verdict.status == "not established"
    assert "a larger budget per training would settle it" in verdict.reason


def test_prediction_gamma_over_delta_is_contradicted_by_a_drift(synthetic_table: Maker) -> None:
    """At finite c a non-lazy correction of dw pulls a(c) away from gamma/delta."""
    frame = synthetic_table(32)
    dw = frame["relative_weight_change"]
    frame["relative_weight_change"] = dw * (1 + dw / 0.3 * (64 / frame["n_train"]) ** 0.3)
    result = analyse(frame)
    verdict = result.verdicts["a_equals_gamma_over_delta"]
    assert verdict.status == "contradicted"
    assert verdict.pull is not None
    assert verdict.pull < -4
    assert "approaches it for c → 0" in verdict.reason
    assert result.laws[0].systematic > 0.01


def test_noise_temperature_is_independent_of_size(synthetic_study: Maker) -> None:
    assert analyse(synthetic_study()).verdicts["T_noise_independent_of_P"].status == "established"


def test_missing_plateau_leaves_companion_laws_open(synthetic_table: Maker) -> None:
    result = analyse(synthetic_table(8, temperatures=(0.1, 0.2, 0.4, 0.8, 1.6, 3.2)))
    assert "gamma" not in result.estimates
    assert "a[lazy,c=0.1]" in result.estimates
    assert "T_noise, which sets their fit range" in (
        result.verdicts["a_equals_gamma_over_delta"].reason
    )
    assert "plateau not reached" in result.verdicts["T_noise_independent_of_P"].reason


def test_the_same_table_gives_the_same_numbers(synthetic_study: Maker) -> None:
    frame = synthetic_study(8)
    shuffled = frame.sample(frac=1.0, random_state=1)
    one, other = (json.dumps(analyse(f).to_dict(), allow_nan=False) for f in (frame, shuffled))
    assert one == other


def test_counts(synthetic_study: Maker) -> None:
    frame = synthetic_study(4)
    frame.loc[:9, "stop_reason"] = ["diverged"] * 5 + ["step_budget"] * 3 + ["wall_budget"] * 2
    counts = analyse(frame).counts
    assert counts == {"planned": None, "fitted": 390, "censored": 5, "diverged": 5, "failed": None}


@pytest.mark.parametrize(
    ("change", "n_seeds"),
    [({}, 1), ({}, 2), ({"stop_reason": "diverged"}, 4), ({"stop_reason": "step_budget"}, 4)],
)
def test_poor_tables_still_give_strict_json(
    synthetic_study: Maker, change: dict[str, str], n_seeds: int
) -> None:
    result = analyse(synthetic_study(n_seeds).assign(**change))
    assert json.dumps(result.to_dict(), allow_nan=False)
    assert result.summary()


def test_a_bare_table(synthetic_table: Maker) -> None:
    """Required columns only; learning_rate and batch_size for the temperature, no seeds."""
    columns = ["n_train", "learning_rate", "batch_size", "relative_weight_change", "stop_reason"]
    result = analyse(synthetic_table(8)[columns])
    assert result.estimates["a[lazy,c=0.1]"].n == 8
    assert "b" not in result.estimates


@pytest.mark.parametrize("thresholds", [(), (0.1, 0.1), (0.1, -1.0), (float("nan"),)])
def test_thresholds_must_be_positive_and_differ(
    synthetic_table: Maker, thresholds: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="threshold"):
        analyse(synthetic_table(1), thresholds=thresholds)


def test_importing_analysis_draws_nothing() -> None:
    code = "import sys, analysis; print([m for m in ('matplotlib', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_exponent_that_passes_the_prediction_does_not_merely_miss_it(
    synthetic_table: Maker,
) -> None:
    """gamma falls with ln T, so a(c) grows as c falls, through gamma/delta of the middle."""
    frame = synthetic_table(8)
    x, log_p = np.log(frame["temperature"] / 0.1), np.log(frame["n_train"] / 256)
    frame["relative_weight_change"] *= np.exp(-0.04 * x * log_p)
    table = MeasurementTable.from_frame(frame)
    result = analyse_scaling(table, (0.1, 0.03, 0.003), n_bootstrap=50)
    reason = result.verdicts["a_equals_gamma_over_delta"].reason
    assert "a(c) reaches and passes it for c → 0: " in reason
