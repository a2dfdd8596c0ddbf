"""The (B, eta) plane on synthetic tables whose B* is known in closed form."""

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable, ReadTableError
from analysis.batch_regimes.plane import BEYOND, FIRST_STEP, GRADIENT_DESCENT
from analysis.batch_regimes.report import batch_content
from analysis.batch_regimes.study import analyse_batch_regimes
from analysis.locating.window import Window
from analysis.report.content import ReportContext
from analysis.report.page import write_report

SIZES = (64, 256, 1024, 4096)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
WINDOW = Window(onset=0.0025, stable=1.75)


def critical_batch(size):
    """B* = 8, 16, 32, 64: on the grid, so that interpolation adds nothing."""
    return size**0.5


def plane(n_seeds=32, sizes=SIZES, temperatures=(0.001, 0.01), noise=0.03, **columns):
    """ln dw(B)/dw(1) = ln 1.1 (B - 1)/(B* - 1), with noise per run and common to a seed."""
    rng = np.random.default_rng(3)
    common = rng.normal(0, 0.1, n_seeds)
    p, t, b, s = (
        axis.ravel()
        for axis in np.meshgrid(sizes, temperatures, BATCHES, range(n_seeds), indexing="ij")
    )
    excess = np.log(1.1) * (b - 1) / (critical_batch(p) - 1)
    scatter = rng.normal(0, noise, p.size)
    frame = pd.DataFrame(
        {
            "alpha": 100.0,
            "depth": 3,
            "n_train": p,
            "temperature": t,
            "batch_size": b,
            "seed": s,
            "relative_weight_change": t * p**0.3 * np.exp(excess + common[s] + scatter),
            "training_time": t * p * np.exp(rng.normal(0, 0.1, p.size)),
            "test_error": 0.05 + 0.1 * common[s] + rng.normal(0, 0.003, p.size),
            "stop_reason": "fitted",
        }
    )
    return frame.assign(**columns)


def analyse(frame, window=WINDOW):
    table = MeasurementTable.from_frame(frame)
    return analyse_batch_regimes(table, {100.0: window}, n_bootstrap=200)


@pytest.fixture(scope="module")
def result():
    return analyse(plane())


def test_critical_batch_and_its_exponent(result):
    law = result.planes[0].headline_law
    assert law.temperature == 0.01
    for batch in law.batches:
        expected = np.log(critical_batch(batch.n_train))
        assert np.log(batch.value) == pytest.approx(expected, abs=4 * batch.log_stderr)
        assert 0.005 < batch.log_stderr < 0.2
    assert law.exponent.value == pytest.approx(0.5, abs=4 * law.exponent.stderr)
    assert law.exponent.interval95[0] < 0.5 < law.exponent.interval95[1]
    assert result.verdicts["B_star_grows_with_P"].status == "established"


def test_ratios_are_paired_by_seed(result):
    frame = plane()
    rng = np.random.default_rng(1)
    cells = frame.groupby(["n_train", "temperature", "batch_size"])["seed"]
    apart = analyse(frame.assign(seed=cells.transform(lambda s: rng.permutation(s))))
    paired, unpaired = (
        next(c for c in r.planes[0].cells if c.batch_size == 8).weight_change.stderr
        for r in (result, apart)
    )
    assert paired < unpaired / 2


def test_phases(result):
    cells = {(c.n_train, c.temperature, c.batch_size): c for c in result.planes[0].cells}
    assert cells[64, 0.001, 64].phase == GRADIENT_DESCENT
    assert cells[1024, 0.01, 16].phase == "noise_dominated"
    assert cells[64, 0.01, 32].phase == FIRST_STEP
    assert cells[64, 0.01, 128].phase == BEYOND  # eta = 1.28 > 1.75/2
    assert cells[64, 0.01, 64].phase == FIRST_STEP


def test_no_critical_batch_from_unstable_steps():
    window = Window(onset=0.0025, stable=0.7)
    result = analyse(plane(sizes=(64, 256, 4096)), window=window)
    law = next(law for law in result.planes[0].laws if law.temperature == 0.01)
    status = {batch.n_train: batch.status for batch in law.batches}
    # Up to B = 32 is calm; B* = 64 is not to be seen.
    assert status == {64: "located", 256: "located", 4096: "beyond the stable step"}
    assert law.exponent is None
    assert "at least 4" in law.fit.remarks[0]


def test_critical_batch_beyond_the_largest_one_is_a_bound():
    frame = plane(sizes=(4096,))
    result = analyse(frame[frame["batch_size"] <= 32])
    batch = result.planes[0].laws[0].batches[0]
    assert (batch.value, batch.status, batch.bracket) == (None, "B* > Bmax", (32, None))
    assert result.verdicts["B_star_grows_with_P"].status == "not established"


def test_only_temperature_matters_well_below_the_critical_batch(result):
    status = {size: result.verdicts[f"only_T_matters[n_train={size}]"].status for size in SIZES}
    assert status[1024] == status[4096] == "established"
    assert status[64] != "established"  # B = 4 is half of B* there: 1.042
    assert result.verdicts["training_time_independent_of_B[n_train=64]"].status == "established"
    assert result.verdicts["test_error_independent_of_B[n_train=64]"].status == "established"


def test_a_real_dependence_on_the_batch_is_contradicted():
    frame = plane()
    larger = frame["batch_size"] > 1
    frame.loc[larger, "relative_weight_change"] *= 1.15
    frame.loc[larger, "training_time"] *= 1.5
    verdicts = analyse(frame).verdicts
    assert verdicts["only_T_matters[n_train=4096]"].status == "contradicted"
    assert verdicts["training_time_independent_of_B[n_train=4096]"].status == "contradicted"


def test_few_seeds_say_how_many_are_needed():
    verdict = analyse(plane(n_seeds=4, noise=0.2)).verdicts["only_T_matters[n_train=4096]"]
    assert verdict.status == "not established"
    assert verdict.reason.startswith("insufficient seeds, needed S = ")


def test_gradient_noise_scale_is_reported_where_measured(result, tmp_path):
    context = ReportContext(study="batch-regimes")
    without = batch_content(result, context).answers[0].paragraphs
    assert "Gradient noise scale tr(Σ)/|G|²: not measured." in without
    measured = plane(gradient_noise_scale_start=20.0, gradient_noise_scale_end=90.0)
    both = analyse(measured)
    page = write_report(batch_content(both, context), tmp_path, context).read_text()
    assert "20 at the start (P = 64)" in page
    assert "90 at the end (P = 64, T = 0.001)" in page
    assert both.estimates["gradient_noise_scale_start[n_train=64]"].value == pytest.approx(20)
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert drawn == {
        "batch-plane", "batch-ratios", "critical-batch", "time-and-error", "forest", "diagnostics",
    }  # fmt: skip
    assert len(pd.read_csv(tmp_path / "b_star.csv")) == 8


def test_runs_for_the_noise_scale_alone_leave_the_plane_as_it_is(result):
    scale = plane().query("batch_size == 1 and temperature == 0.01 and seed < 4")
    scale = scale.assign(
        seed=scale["seed"] + 1000, gradient_noise_scale_start=20.0, relative_weight_change=9.0
    )
    both = analyse(pd.concat([plane(), scale], ignore_index=True))
    assert both.planes[0].cells == result.planes[0].cells
    assert both.critical_batches().equals(result.critical_batches())
    known = both.estimates["gradient_noise_scale_start[n_train=64]"]
    assert (known.value, known.n) == (pytest.approx(20), 4)
    assert len(both.table.frame) == len(plane()) + len(scale)


@pytest.mark.parametrize("column", ["batch_size", "seed"])
def test_a_table_without_batches_or_seeds_gets_one_sentence(column):
    frame = plane(n_seeds=1).query("batch_size == 1 and temperature == 0.01")
    with pytest.raises(ReadTableError, match=f"lacks the column '{column}'"):
        analyse(frame.drop(columns=[column]))
