"""Perceptron laws recovered from tables in which they hold exactly, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, analyse_scaling
from analysis.perceptron_exponents.claims import judge, lights
from analysis.perceptron_exponents.laws import PerceptronLaws
from analysis.perceptron_exponents.report import perceptron_content
from analysis.perceptron_exponents.seed_means import SeedMeans, fit_growth, seed_means
from analysis.perceptron_exponents.study import PerceptronResult, analyse_perceptron
from analysis.perceptron_exponents.temperatures import fit_additive_law
from analysis.perceptron_exponents.theory import PerceptronTheory
from analysis.report.content import ReportContext
from analysis.report.page import write_report
from analysis.table import ReadTableError

DIMENSION = 32
SIZES = tuple(128 * 2**k for k in range(7))
C0, C1 = 2.0, 0.8


def make_rows(
    sizes: tuple[int, ...] = SIZES,
    temperatures: tuple[float, ...] = (100.0,),
    batch_sizes: tuple[int, ...] = (1,),
    *,
    chi: float = 1.0,
    n_seeds: int = 16,
    norm_deficit: float = 0.0,
    time_factor: float = 1.0,
    spread: float = 0.08,
) -> pd.DataFrame:
    """One row per replica of ||w|| = max of noise and first step, with the exponents of theory."""
    theory = PerceptronTheory(chi)
    rng = np.random.default_rng(len(sizes) * len(temperatures) * len(batch_sizes))
    axes = np.meshgrid(sizes, temperatures, batch_sizes, range(n_seeds), indexing="ij")
    p, t, b, seed = (axis.ravel() for axis in axes)
    common = np.random.default_rng(3).normal(0, spread / 2, n_seeds)[seed]

    def noisy(values: np.ndarray, factor: float = 1.0) -> np.ndarray:
        return values * np.exp(factor * (rng.normal(0, spread, p.size) + common))

    plateau = (C0 + C1 * t) * p ** (theory.gamma - norm_deficit)
    norm = np.maximum(noisy(plateau), theory.first_step(DIMENSION) * b * t)
    ratio = noisy(0.3 * p**theory.gamma)
    time = noisy(0.05 * p ** (theory.b * time_factor), 4.0)
    signal = norm / np.sqrt(1 + ratio**-2.0)
    updates = 9 * ratio**2
    pairs = zip(updates, t, strict=True)
    return pd.DataFrame(
        {
            "data": "perceptron",
            "model": "perceptron",
            "depth": 0,
            "alpha": 1.0,
            "input_dim": DIMENSION,
            "chi": chi,
            "n_train": p,
            "temperature": t,
            "batch_size": b,
            "learning_rate": t * b,
            "seed": seed,
            "relative_weight_change": np.nan,
            "weight_norm": norm,
            "signal": signal,
            "signal_to_noise": ratio,
            "training_time": t * time,
            "n_presentations": time,
            "n_updates": np.rint(updates),
            "test_error": 0.01,
            "stop_reason": "fitted",
            "trajectory": [_trajectory(u, theory.trajectory, t0) for u, t0 in pairs],
        }
    )


def _trajectory(n_updates: float, y: float, temperature: float) -> str:
    """Records with t/T = (w_1/T)^(1/y) once the signal has grown past 3 T."""
    n = 2 ** np.arange(int(np.log2(n_updates)) + 1)
    signal = np.sqrt(n)
    steps = np.maximum(np.arange(1, len(n) + 1), signal ** (1 / y))
    pairs = zip(steps, temperature * signal, strict=True)
    return " ".join(f"{step:.0f}:{value:.10g}" for step, value in pairs)


def analyse(*frames: pd.DataFrame) -> PerceptronResult:
    replica = ["chi", "n_train", "temperature", "batch_size", "seed"]
    rows = pd.concat(frames, ignore_index=True)
    if "seed" in rows:
        rows = rows.drop_duplicates(replica)
    table = MeasurementTable.from_frame(rows)
    return analyse_perceptron(table, n_bootstrap=300)


def only(result: PerceptronResult) -> PerceptronLaws:
    assert len(result.laws) == 1
    return result.laws[0]


@pytest.mark.parametrize("chi", [0.0, 1.0, 3.0])
def test_exponents_of_an_exact_table_are_recovered(chi: float) -> None:
    law = only(analyse(make_rows(chi=chi)))
    theory, estimates = law.theory, law.estimates()
    for key, expected in (
        (law.key("gamma", "snr"), theory.gamma),
        (law.key("gamma", "norm"), theory.gamma),
        (law.key("b"), theory.b),
    ):
        estimate = estimates[key]
        assert estimate.stderr is not None
        assert abs(estimate.value - expected) < 4 * estimate.stderr
        assert estimate.n == 16
    assert all(light.state == "green" for light in lights(law))
    assert {v.status for v in judge(law).values()} == {"established"}


def test_the_law_during_training_needs_four_records() -> None:
    law = only(analyse(make_rows(sizes=(4096, 8192, 16384, 32768))))
    assert law.trajectory is not None
    assert law.trajectory.exponent is not None
    assert law.trajectory.exponent.value == pytest.approx(0.25, abs=0.003)
    assert law.trajectory.window[1] >= 8 * law.trajectory.window[0]
    short = only(analyse(make_rows(sizes=(128, 256, 512, 1024), chi=3.0)))
    assert short.trajectory is not None
    assert short.trajectory.exponent is None


def test_a_known_deficit_is_explained_and_a_strange_one_contradicts() -> None:
    known = judge(only(analyse(make_rows(norm_deficit=0.06, time_factor=0.85))))
    for key in ("gamma_norm[chi=1]", "b[chi=1]"):
        assert known[key].status == "not established"
        assert "below theory at these sizes" in known[key].reason
        assert known[key].pull is not None
        assert known[key].pull < -3
    strange = only(analyse(make_rows(norm_deficit=0.3, time_factor=1.3)))
    for key in ("gamma_norm[chi=1]", "b[chi=1]"):
        assert judge(strange)[key].status == "contradicted"
    red = {light.name for light in lights(strange) if light.state == "red"}
    assert red == {"gamma from ‖w‖", "b"}


def test_a_wrong_signal_contradicts() -> None:
    rows = make_rows()
    rows["signal_to_noise"] *= rows["n_train"] ** 0.2
    verdict = judge(only(analyse(rows)))["gamma_snr[chi=1]"]
    assert verdict.status == "contradicted"
    assert verdict.value == pytest.approx(0.7, abs=0.03)


def test_temperature_law_and_noise_onset() -> None:
    temperatures = tuple(float(f"{10 ** (k / 2):.6g}") for k in range(-1, 7))
    law = only(analyse(make_rows((512, 2048, 8192), temperatures)))
    assert law.delta is not None
    assert 0.95 < law.delta.value < 1
    for one in law.temperatures:
        assert one.noise_temperature is not None
        assert one.noise_temperature.value == pytest.approx(C0 / C1, rel=0.15)
    verdicts = judge(law)
    assert verdicts["delta[chi=1]"].status == "established"
    assert verdicts["T_noise_independent_of_P[chi=1]"].status == "established"
    assert law.sizes is None  # three sizes


def test_additive_law_is_exact_for_exact_data() -> None:
    t = np.geomspace(0.03, 1000, 9)
    truth = np.array([[0.1, 5.0], [30.0, 0.2], [2.0, 2.0]])
    y = np.log(truth[:, :1] + truth[:, 1:] * t)
    assert np.exp(fit_additive_law(t, y)) == pytest.approx(truth, rel=1e-6)


def test_batch_law_finds_the_crossover_and_the_first_step() -> None:
    batches = tuple(4**k for k in range(8))
    law = only(analyse(make_rows((512, 2048, 8192, 32768), (10.0,), batches)))
    assert law.batches is not None
    slope = law.theory.first_step(DIMENSION)
    for size, estimate in law.batches.crossovers.items():
        expected = (C0 / 10 + C1) * size**0.5 / slope
        assert estimate.value == pytest.approx(expected, rel=0.08)
    assert law.batches.slope is not None
    assert law.batches.slope.value == pytest.approx(1.0, abs=0.01)
    assert judge(law)["B*[chi=1]"].status == "established"


def test_small_sizes_and_censored_runs_enter_no_fit() -> None:
    rows = make_rows()
    rows.loc[rows["n_train"] == 256, "stop_reason"] = "step_budget"
    rows.loc[rows["n_train"] == 256, "weight_norm"] *= 100
    few = (rows["n_train"] == 512) & (rows["seed"] < 2)
    rows.loc[few, "stop_reason"] = "step_budget"
    rows.loc[few, "weight_norm"] *= 100
    law = only(analyse(make_rows((64,)), rows))
    assert law.sizes is not None
    assert law.sizes.left_out == (64, 256)
    assert law.sizes.weight_norm.means.n.tolist() == [16, 14, 16, 16, 16, 16]
    assert law.sizes.weight_norm.exponent.value == pytest.approx(0.5, abs=0.03)


def test_every_chi_has_a_law_and_a_key_of_its_own() -> None:
    result = analyse(make_rows(chi=0.0), make_rows(chi=3.0))
    assert set(result.estimates) >= {"gamma[snr,chi=0]", "gamma[snr,chi=3]"}
    assert len(result.headline().splitlines()) == 2
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["counts"]["fitted"] == 224


def test_weights_are_numbers_of_runs_with_one_pooled_spread() -> None:
    """A point whose three seeds happen to agree must not outweigh one with sixteen."""
    rng = np.random.default_rng(0)
    logs = np.full((4, 16), np.nan)
    for k, n in enumerate((16, 16, 16, 3)):
        logs[k, :n] = 0.5 * np.log(2.0**k) + 0.1 * rng.standard_normal(n)
    logs[3, :3] = 5.0
    means = SeedMeans(2.0 ** np.arange(4), logs)
    assert means.stderr[3] == pytest.approx(means.spread / np.sqrt(3))
    fit = fit_growth(means, "g", "x = 1..8", 50, 0)
    assert fit is not None
    x, w = np.log(means.positions), np.sqrt(means.n)
    expected = np.polyfit(x, means.mean, 1, w=w)
    assert fit.exponent.value == pytest.approx(expected[0])


def test_an_exponent_without_a_point_rests_on_the_seeds_of_the_others() -> None:
    rng = np.random.default_rng(5)
    logs = np.log(2.0) * np.arange(4)[:, None] + 0.1 * rng.standard_normal((4, 6))
    logs[:3, 4:] = np.nan
    means = SeedMeans(2.0 ** np.arange(4), logs)
    fit = fit_growth(means, "g", "x = 1..8", 50, 0)
    assert fit is not None
    without_the_last = fit_growth(means.select(means.positions < 8), "g", "x = 1..4", 50, 0)
    assert without_the_last is not None
    assert (fit.slope.n, without_the_last.slope.n, fit.leave_one_out[8.0].n) == (6, 4, 4)
    assert fit.leave_one_out[8.0].stderr == pytest.approx(without_the_last.slope.stderr)


def test_means_need_no_seed_column() -> None:
    frame = make_rows((128, 256), n_seeds=3).drop(columns="seed")
    means = seed_means(frame, "weight_norm", "n_train")
    assert means.logs.shape == (2, 3)


def test_a_table_of_something_else_is_refused() -> None:
    rows = make_rows().drop(columns=["signal", "n_updates"])
    with pytest.raises(ReadTableError, match="lacks the columns 'signal', 'n_updates'"):
        analyse(rows)
    nothing = analyse(make_rows((128, 256)))
    assert "exponents not determined" in nothing.headline()
    assert nothing.estimates == {}


def test_a_perceptron_has_no_critical_temperature() -> None:
    table = MeasurementTable.from_frame(make_rows((128, 256)))
    with pytest.raises(ReadTableError, match="never leaves a lazy regime"):
        analyse_scaling(table)


def test_report_shows_theory_beside_measurement(tmp_path) -> None:
    temperatures = tuple(float(f"{10 ** (k / 2):.6g}") for k in range(-1, 7))
    result = analyse(
        make_rows(),
        make_rows((512, 2048), temperatures),
        make_rows((512, 2048), (10.0,), (4, 64, 1024)),
    )
    content = perceptron_content(result, ReportContext(study="perceptron-exponents"))
    names = [figure.name for figure in content.figures]
    assert names == [
        "size-laws", "temperatures", "batch-sizes", "trajectories", "forest-chi=1", "diagnostics",
    ]  # fmt: skip
    page = write_report(content, tmp_path, ReportContext()).read_text()
    assert "(number of sizes: 2 at χ = 1)" in page
    exponents = pd.read_csv(tmp_path / "exponents.csv")
    assert set(exponents["quantity"]) >= {"gamma from w₁/w⊥", "b", "delta", "first step"}
    assert (
        (exponents["low"] < exponents["theory"]) & (exponents["theory"] < exponents["high"])
    ).all()
