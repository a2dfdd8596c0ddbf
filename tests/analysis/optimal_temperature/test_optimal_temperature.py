"""T_opt on synthetic test errors with a known minimum, seed by seed."""

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, ReadTableError
from analysis.curves import build_curves
from analysis.locating.minimum import locate_optimal_temperature
from analysis.optimal_temperature.report import optimal_content
from analysis.optimal_temperature.study import analyse_optimal_temperature
from analysis.report.content import ReportContext
from analysis.report.page import write_report

K, AMPLITUDE = 0.7, 0.3
DEPTH_OF_MINIMUM = 0.001
"""Curvature: the test error grows by this times (ln T - ln T_opt)^2."""


def optimum(alpha):
    return AMPLITUDE * alpha**K


def scan(alpha, n_seeds=64, noise=0.004, centre=1.0, random=0):
    """Eight temperatures around T_opt over two decades; levels of seeds scatter by 0.01."""
    rng = np.random.default_rng([random, round(1e6 * alpha)])
    level = np.random.default_rng(random).normal(0.05, 0.01, n_seeds)
    temperatures = optimum(alpha) * centre * 10 ** np.linspace(-1, 0.75, 8)
    t, s = (axis.ravel() for axis in np.meshgrid(temperatures, range(n_seeds), indexing="ij"))
    error = DEPTH_OF_MINIMUM * np.log(t / optimum(alpha)) ** 2 + level[s]
    return pd.DataFrame(
        {
            "alpha": alpha,
            "depth": 3,
            "n_train": 256,
            "temperature": t,
            "batch_size": 1,
            "seed": s,
            "relative_weight_change": 0.5,
            "test_error": error + rng.normal(0, noise, t.size),
            "stop_reason": "fitted",
        }
    )


def locate(frame, n_bootstrap=300):
    table = MeasurementTable.from_frame(frame)
    return locate_optimal_temperature(build_curves(table), 0.01, n_bootstrap=n_bootstrap)


def test_minimum_and_gain():
    found = locate(scan(0.01))
    assert np.log(found.value / optimum(0.01)) == pytest.approx(0, abs=4 * found.log_stderr)
    assert 0.02 < found.log_stderr < 0.5
    depth = -DEPTH_OF_MINIMUM * np.log(10) ** 2
    assert found.gain.value == pytest.approx(depth, abs=4 * found.gain.stderr)
    assert found.interval68[0] < found.value < found.interval68[1]


def test_differences_are_paired_by_seed():
    frame = scan(0.01)
    rng = np.random.default_rng(0)
    cells = frame.groupby("temperature")["seed"]
    apart = locate(frame.assign(seed=cells.transform(lambda s: rng.permutation(s))))
    assert locate(frame).stderr.mean() < 0.6 * apart.stderr.mean()


def test_interval_of_68_percent_covers():
    covered = [
        low <= optimum(0.01) <= high
        for low, high in (
            locate(scan(0.01, n_seeds=32, random=k), 100).interval68 for k in range(60)
        )
    ]
    assert 0.5 <= np.mean(covered) <= 0.86


@pytest.mark.parametrize(("centre", "edge"), [(20.0, "lowest"), (0.05, "highest")])
def test_a_minimum_outside_the_window_is_refused(centre, edge):
    found = locate(scan(0.01, centre=centre))
    assert (found.value, found.status) == (None, "minimum not resolved")
    assert f"reaches the {edge}" in found.message
    assert "68 % interval" in found.message


def test_a_minimum_at_the_stability_edge_is_a_bound():
    frame = scan(0.01, centre=0.3)
    hottest = frame["temperature"] > frame["temperature"].quantile(0.8)
    frame.loc[hottest & (frame["seed"] % 2 == 0), "stop_reason"] = "diverged"
    found = locate(frame)
    assert (found.value, found.status) == (None, "limited by divergence")
    assert "T_opt is a lower bound" in found.message


def test_noise_alone_rarely_has_an_optimum_and_establishes_none():
    located = 0
    for k in range(20):
        frame = scan(0.01, n_seeds=20, noise=0.05, random=k)
        result = analyse_optimal_temperature(MeasurementTable.from_frame(frame), n_bootstrap=100)
        (found,) = result.laws[0].optima
        located += found.value is not None
        if found.value is not None and abs(found.gain.value) < 2 * found.gain.stderr:
            status = result.verdicts["T_opt_resolved[alpha=0.01]"].status
            assert status == "not established"
    assert located <= 10


def test_few_seeds_are_refused():
    found = locate(scan(0.01, n_seeds=8))
    assert (found.value, found.status) == (None, "insufficient seeds")
    assert "needed S = 16" in found.message


def test_a_seed_that_once_diverged_is_dropped_everywhere():
    frame = scan(0.01)
    frame.loc[(frame["seed"] == 3) & (frame["temperature"] > 0.05), "stop_reason"] = "diverged"
    found = locate(frame)
    assert (found.n_seeds, found.n_dropped) == (63, 1)
    assert len(found.temperatures) == 8


@pytest.fixture(scope="module")
def result():
    frame = pd.concat([scan(alpha, noise=0.002) for alpha in (0.001, 0.01, 0.1)])
    return analyse_optimal_temperature(MeasurementTable.from_frame(frame), n_bootstrap=300)


def test_power_of_alpha(result):
    k = result.estimates["k"]
    assert k.value == pytest.approx(K, abs=4 * k.stderr)
    verdict = result.verdicts["T_opt_power_law"]
    assert verdict.value == k.value
    assert verdict.status == "contradicted"  # K = 0.7 is far from (D-1)/(D+1) = 0.5
    assert result.verdicts["T_opt_resolved[alpha=0.01]"].status == "established"


def test_no_exponent_from_two_alphas():
    frame = pd.concat([scan(0.001), scan(0.1), scan(0.01, centre=20.0)])
    result = analyse_optimal_temperature(MeasurementTable.from_frame(frame), n_bootstrap=200)
    assert "k" not in result.estimates
    verdict = result.verdicts["T_opt_power_law"]
    assert verdict.status == "not established"
    assert "at least 3" in verdict.reason
    assert "minimum not resolved" in verdict.reason


def test_report(result, tmp_path):
    context = ReportContext(study="optimal-temperature")
    page = write_report(optimal_content(result, context), tmp_path, context).read_text()
    assert "T<sub>opt</sub> ~ α<sup>k</sup>, k = 0." in page
    assert len(pd.read_csv(tmp_path / "t_opt.csv")) == 3
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"minima", "optimal-temperature", "diagnostics"}


def test_few_seeds_are_drawn_without_a_fit():
    frame = pd.concat([scan(alpha, n_seeds=6) for alpha in (0.001, 0.1)])
    result = analyse_optimal_temperature(MeasurementTable.from_frame(frame), n_bootstrap=100)
    reason = result.verdicts["T_opt_power_law"].reason
    assert reason.count("6 seeds fitted at every temperature") == 1
    minima = optimal_content(result, ReportContext()).figures[0]
    assert (minima.name, len(minima.data())) == (
        "minima",
        frame.groupby(["alpha", "temperature"]).ngroups,
    )


def test_a_table_without_test_error_gets_one_sentence():
    frame = scan(0.01).drop(columns="test_error")
    with pytest.raises(ReadTableError, match="lacks the column 'test_error'"):
        analyse_optimal_temperature(MeasurementTable.from_frame(frame))
