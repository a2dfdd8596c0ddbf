"""The (alpha, T) plane on synthetic tables whose lines are known in closed form."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable
from analysis.locating.window import Window
from analysis.phase_diagram.report import phase_content
from analysis.phase_diagram.study import analyse_phase_diagram
from analysis.report.content import ReportContext
from analysis.report.page import write_report

ALPHAS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
EDGE = 3.0
RISE, FALL = 0.010, 0.006


def onset(alpha):
    """T_noise: 0.4 sqrt(alpha) in the feature regime, 0.5/alpha on the lazy side."""
    return 0.4 * alpha**0.5 if alpha < 1 else 0.5 / alpha


def window(alpha):
    return Window(onset(alpha) / 2.1, 1.75 * min(1.0, alpha**0.5))


def profile(alpha, t):
    """Mean test error: cold 0.05, up by RISE above 4 T_noise, down by FALL above T = 0.5."""
    lazy = alpha >= 100
    return 0.05 + lazy * (RISE * (t > 4 * onset(alpha)) - FALL * (t > 0.5))


def plane(n_seeds=32, alphas=ALPHAS, random=0):
    rng = np.random.default_rng(random)
    common = rng.normal(0, 0.1, n_seeds)
    level = rng.normal(0, 0.02, n_seeds)
    rows = []
    for alpha in alphas:
        low, high = window(alpha).onset / 10, window(alpha).stable * 4
        for t in np.geomspace(low, high, round(8 * np.log10(high / low)) + 1):
            plateau = 0.003 if alpha >= 100 else 0.2 if alpha < 1 else 0.03
            noise = rng.normal(0, 0.02, n_seeds)
            for s in range(n_seeds):
                gone = t > EDGE * min(1.0, alpha**0.5) * (0.7 + 0.6 * s / n_seeds)
                rows.append(
                    {
                        "alpha": alpha,
                        "depth": 3,
                        "n_train": 512,
                        "batch_size": 1,
                        "temperature": float(f"{t:.6g}"),
                        "seed": s,
                        "relative_weight_change": plateau
                        * (1 + t / onset(alpha))
                        * np.exp(common[s] + noise[s]),
                        "test_error": profile(alpha, t) + level[s] + rng.normal(0, 0.004),
                        "stop_reason": "diverged" if gone else "fitted",
                    }
                )
    return pd.DataFrame(rows)


def analyse(frame, **options):
    windows = {a: window(a) for a in frame["alpha"].unique()}
    table = MeasurementTable.from_frame(frame)
    return analyse_phase_diagram(table, windows, n_bootstrap=200, **options)


@pytest.fixture(scope="module")
def result():
    return analyse(plane())


def test_slopes_of_the_noise_onset(result):
    diagram = result.diagrams[0]
    for law, slope in ((diagram.lazy_law, -1.0), (diagram.feature_law, 0.5)):
        assert law.exponent.value == pytest.approx(slope, abs=4 * law.exponent.stderr)
        assert 0 < law.exponent.stderr < 0.02
    assert result.verdicts["T_noise_slope_lazy"].status == "established"
    assert result.verdicts["T_noise_slope_feature"].status == "established"


def test_noise_onset_is_where_the_weight_change_has_doubled(result):
    for scan in result.diagrams[0].scans:
        low = scan.curves.temperatures[0]
        doubled = onset(scan.alpha) + 2 * low
        assert scan.noise.point.value == pytest.approx(doubled, rel=0.05)


def test_lazy_line_ends_where_the_feature_regime_begins(result):
    scans = {scan.alpha: scan for scan in result.diagrams[0].scans}
    assert [a for a, scan in scans.items() if scan.is_feature_regime] == [0.001, 0.01, 0.1]
    assert scans[0.01].lazy_text() == "feature regime"
    # 0.003 (1 + T/T_noise) = 0.1
    assert scans[100.0].lazy_point.value == pytest.approx((0.1 / 0.003 - 1) * 0.005, rel=0.05)


def test_stability_edge_is_where_half_of_the_runs_are_lost(result):
    for scan in result.diagrams[0].scans:
        expected = EDGE * min(1.0, scan.alpha**0.5)
        assert scan.edge.half == pytest.approx(expected, rel=0.1)


def test_test_error_rises_and_falls_by_the_steps_put_in(result):
    steps = {(s.alpha, s.name): s for s in result.diagrams[0].steps}
    assert set(steps) == {(100.0, "rise"), (100.0, "fall"), (1000.0, "rise"), (1000.0, "fall")}
    for (_, name), step in steps.items():
        size = RISE if name == "rise" else -FALL
        assert step.difference.value == pytest.approx(size, abs=4 * step.difference.stderr)
        assert step.significance > 3
    assert result.verdicts["test_error_fall[alpha=100]"].status == "established"


def test_errors_of_steps_are_paired_by_seed(result):
    frame = plane(alphas=(100.0,))
    rng = np.random.default_rng(1)
    apart = frame.assign(
        seed=frame.groupby("temperature")["seed"].transform(lambda s: rng.permutation(s))
    )
    paired, unpaired = (analyse(f).diagrams[0].steps[0].difference for f in (frame, apart))
    assert paired.stderr < unpaired.stderr / 2


def test_few_seeds_establish_no_step_and_say_how_many_are_needed():
    verdicts = analyse(plane(n_seeds=8)).verdicts
    reason = verdicts["test_error_rise[alpha=100]"].reason
    assert verdicts["test_error_rise[alpha=100]"].status == "not established"
    assert reason.startswith("insufficient seeds, needed S = 16")


@pytest.mark.parametrize(
    ("keep", "status"),
    [
        (lambda t: t > 0.02, "plateau not reached"),
        (lambda t: t < 0.004, "Tc > Tmax_stable"),
    ],
)
def test_noise_onset_outside_the_temperatures_is_refused(keep, status):
    frame = plane(alphas=(100.0,))
    point = analyse(frame[keep(frame["temperature"])]).diagrams[0].scans[0].noise.point
    assert (point.value, point.status) == (None, status)


def test_noise_onset_among_diverging_runs_is_refused():
    frame = plane(alphas=(100.0,))
    frame.loc[frame["temperature"] > 0.004, "stop_reason"] = "diverged"
    point = analyse(frame).diagrams[0].scans[0].noise.point
    assert (point.value, point.status) == (None, "limited by divergence")


def test_slope_needs_three_alphas():
    result = analyse(plane(alphas=(10.0, 100.0)))
    assert result.diagrams[0].lazy_law.exponent is None
    assert "at least 3 over a factor 10" in result.verdicts["T_noise_slope_lazy"].reason
    assert "slope_T_noise[lazy]" not in result.estimates


def test_several_sizes_are_several_diagrams():
    frame = plane(n_seeds=4, alphas=(10.0, 100.0, 1000.0))
    both = pd.concat([frame, frame.assign(n_train=256)])
    result = analyse(both)
    assert [d.label for d in result.diagrams] == ["n_train=256", "n_train=512"]
    assert "slope_T_noise[lazy,n_train=256]" in result.estimates


def test_report_holds_every_line_and_writes_the_table(result, tmp_path):
    context = ReportContext(study="phase-diagram")
    page = write_report(phase_content(result, context), tmp_path, context).read_text()
    assert "feature regime" in page
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["verdicts"]["T_noise_slope_lazy"]["pull"] is not None
    rows = pd.read_csv(tmp_path / "phase_diagram.csv")
    assert rows["alpha"].tolist() == list(ALPHAS)
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"phase-diagram", "test-error-steps", "stability", "diagnostics"}


def test_scales_of_a_lattice_are_named_by_four_digits():
    result = analyse(plane(n_seeds=4, alphas=(0.316228, 1.0, 31.6228)))
    named = {key for key in result.estimates if key.startswith("T_noise[")}
    assert named == {"T_noise[alpha=0.3162]", "T_noise[alpha=1]", "T_noise[alpha=31.62]"}
    report = phase_content(result, ReportContext())
    cells = [row[0] for _, tables in report.tables for table in tables for row in table.rows]
    assert "0.3162" in cells
    assert not any("316228" in str(cell) for cell in cells)
