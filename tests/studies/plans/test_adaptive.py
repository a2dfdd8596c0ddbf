"""The adaptive design: few trainings, honest errors, the same table whatever happens to it."""

from __future__ import annotations

import json
import math
import os
import time

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable
from analysis.locating.posterior import MeasuredCurve, locate_crossing
from search_spaces import InvalidSettingError
from studies.execution.worker import run_pack
from studies.kinds import KINDS
from studies.ledger.base import Ledger
from studies.plans.adaptive import GENERATIONS, AdaptiveWork, adaptive_distributions
from studies.plans.counts import trainings_asked_for
from studies.results.status import read_status
from studies.specs.growth import check_growth
from studies.specs.resolve import resolve_spec
from studies.specs.spec import StudySpec
from studies.study import Study

STUDY = "critical-temperature"
PUBLISHED = {64: 1.209, 128: 0.968, 256: 0.754, 512: 0.606, 1024: 0.482}
"""T_lazy(0.1) of 64 seeds on digits, alpha = 100, B = 1, three hidden layers of width 64."""


def spec_of(**settings):
    return resolve_spec(STUDY, {"design": "adaptive", **settings})


def synthetic_row(point, seed):
    """dw = c (T/T_c)^0.9, T_c = 4.8 P^-1/3, 12 % of noise; above T = 3 a run diverges."""
    noise = 0.12 * np.random.default_rng([seed, point.n_train]).normal()
    change = 0.1 * (point.temperature / (4.8 * point.n_train ** (-1 / 3))) ** 0.9
    reason = "diverged" if point.temperature > 3 else "fitted"
    return {
        "stop_reason": reason,
        "relative_weight_change": change * math.exp(noise),
        "test_error": 0.1,
    }


def drive(spec, path, order=lambda packs: 0, stop_after=None):
    """Settle packs in any order, several in flight; `order` picks which one comes back."""
    ledger = Ledger(path, spec.study, writable=True)
    work = AdaptiveWork(spec, ledger)
    distributions = adaptive_distributions(spec)
    flying, settled = [], 0
    while work and settled != stop_after:
        while len(flying) < 5 and (pack := work.take()):
            flying.append(pack)
        pack = flying.pop(order(flying))
        for unit in pack:
            rows = [synthetic_row(unit.point, seed) for seed in unit.seeds]
            ledger.record(unit, rows, {}, "test_error", distributions)
        work.settled(pack, 0.0)
        settled += 1
    return ledger, work


def trainings(ledger):
    return {(b.point.n_train, b.point.temperature, b.seeds) for b in ledger.blocks()}


def test_timing_and_interruptions_do_not_matter(tmp_path):
    spec = spec_of(temperature="log(0.001, 10)")
    whole, work = drive(spec, tmp_path / "whole.journal")
    random = np.random.default_rng(1)
    shuffled, _ = drive(spec, tmp_path / "other.journal", lambda f: int(random.integers(len(f))))
    assert trainings(shuffled) == trainings(whole)
    for stop_after in (1, 7, 11):
        path = tmp_path / f"broken-{stop_after}.journal"
        drive(spec, path, lambda f: len(f) - 1, stop_after)
        broken, _ = drive(spec, path)
        assert trainings(broken) == trainings(whole)
        assert len(broken.blocks()) == len(whole.blocks())
    assert work.n_asked == trainings_asked_for(spec, whole) == len(whole.blocks()) < 80


def test_every_training_has_a_new_seed_and_all_sizes_the_same_sequence(tmp_path):
    ledger, _ = drive(spec_of(first_seed=40), tmp_path / "ledger.journal")
    for size in PUBLISHED:
        seeds = sorted(b.seeds for b in ledger.blocks() if b.point.n_train == size)
        assert seeds == [(40 + k,) for k in range(len(seeds))]


def test_curves_run_at_once_and_ignore_each_other(tmp_path):
    both, _ = drive(spec_of(n_train=[64, 256]), tmp_path / "both.journal")
    alone, _ = drive(spec_of(n_train=[256]), tmp_path / "alone.journal")
    assert {t for t in trainings(both) if t[0] == 256} == trainings(alone)
    ledger = Ledger(tmp_path / "new.journal", STUDY, writable=True)
    work = AdaptiveWork(spec_of(), ledger)
    first = [unit for pack in iter(work.take, ()) for unit in pack]
    assert sorted(unit.point.n_train for unit in first) == sorted(PUBLISHED)


def test_a_tighter_tolerance_and_more_seeds_continue(tmp_path):
    path = tmp_path / "ledger.journal"
    loose, _ = drive(spec_of(tolerance=0.1, n_seeds=8), path)
    before = trainings(loose)
    assert max(seeds[0] for _, _, seeds in before) < 8
    grown, _ = drive(spec_of(tolerance=0.04), path)
    fresh, _ = drive(spec_of(tolerance=0.04), tmp_path / "fresh.journal")
    assert before < trainings(grown) == trainings(fresh)


def test_diverged_runs_are_upper_bounds(tmp_path):
    """A window into the divergence: nothing above T = 3 counts, T_c is found below."""
    spec = spec_of(temperature="log(0.01, 100)", n_train=[64])
    ledger, _ = drive(spec, tmp_path / "ledger.journal")
    blocks = ledger.blocks()
    fitted = [b.rows[0]["stop_reason"] == "fitted" for b in blocks]
    values = [b.rows[0]["relative_weight_change"] if ok else None
              for b, ok in zip(blocks, fitted, strict=True)]  # fmt: skip
    curve = MeasuredCurve.of([b.point.temperature for b in blocks], values)
    crossing = locate_crossing(curve, 0.1)
    assert crossing.mean == pytest.approx(math.log(1.2), abs=3 * crossing.sd)


def test_a_training_that_fails_stops_its_curve_until_the_next_run(tmp_path):
    spec = spec_of(n_train=[64, 128])
    ledger = Ledger(tmp_path / "ledger.journal", STUDY, writable=True)
    work = AdaptiveWork(spec, ledger)
    distributions = adaptive_distributions(spec)
    failed = 0
    while work:
        (pack,) = [work.take()]
        for unit in pack:
            if unit.point.n_train == 64 and unit.seeds[0] == 3 and not failed:
                ledger.record_failure(unit, "broken", distributions)
                failed += 1
            else:
                rows = [synthetic_row(unit.point, unit.seeds[0])]
                ledger.record(unit, rows, {}, "test_error", distributions)
        work.settled(pack, 0.0)
    assert [f.seeds for f in ledger.failures()] == [(3,)]
    assert {len(b.seeds) for b in ledger.blocks() if b.point.n_train == 64} == {1}
    assert sum(b.point.n_train == 64 for b in ledger.blocks()) == sum(GENERATIONS[:3]) - 1
    again, _ = drive(spec, tmp_path / "ledger.journal")
    fresh, _ = drive(spec, tmp_path / "fresh.journal")
    assert trainings(again) == trainings(fresh)
    assert not again.failures()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": [0.1, 1.0]}, "needs a range of temperatures"),
        ({"sampler": "tpe", "n_trials": 5}, "neither scans nor a sampler"),
        ({"tolerance": 0}, "tolerance"),
        ({"design": "gird"}, "did you mean 'grid'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InvalidSettingError, match=message):
        spec_of(**settings)


def test_what_a_training_costs_decides_the_default_design():
    def design(**settings):
        return resolve_spec(STUDY, settings).design

    assert design() == "grid"
    assert design(data="glyphs") == "adaptive"
    assert design(model="cnn", width=32) == "adaptive"
    assert design(data="glyphs", design="grid") == "grid"
    assert design(data="glyphs", temperature=[0.1, 1.0]) == "grid"


def test_an_adaptive_folder_grows_but_keeps_its_meaning():
    before = spec_of()
    assert StudySpec.from_plain(before.to_plain()).to_plain() == before.to_plain()
    check_growth(before, spec_of(tolerance=0.03, n_seeds=48, n_train=[32, *PUBLISHED]))
    for change in ({"tolerance": 0.1}, {"thresholds": [0.05]}, {"temperature": "log(0.01, 2)"}):
        with pytest.raises(InvalidSettingError, match="would change its meaning"):
            check_growth(before, spec_of(**change))
    with pytest.raises(InvalidSettingError, match="design="):
        check_growth(before, resolve_spec(STUDY, {"design": "grid"}))


def train_study(tmp_path, **settings):
    """Run real trainings of an adaptive study in this process; return its result."""
    spec = spec_of(**settings)
    ledger = Ledger(tmp_path / "ledger.journal", STUDY, writable=True)
    work = AdaptiveWork(spec, ledger)
    rows = []
    while pack := work.take():
        results = run_pack([unit.to_payload() for unit in pack], "numba")
        for unit, result in zip(pack, results, strict=True):
            ledger.record(unit, result["rows"], {}, "test_error", {})
            settings = {**unit.point.to_dict(), "seed": unit.seeds[0]}
            rows.append({**settings, **result["rows"][0]})
        work.settled(pack, 0.0)
    table = MeasurementTable.from_frame(pd.DataFrame(rows))
    return KINDS.load("critical-temperature").analyse(table, spec)


def deviations(result):
    """ln T_c minus the published one, and the stated errors, by size."""
    points = result.laws[0].lazy[0.1].points
    return (
        np.array([math.log(p.value / PUBLISHED[p.n_train]) for p in points]),
        np.array([p.log_stderr for p in points]),
    )


def test_real_trainings_on_digits(tmp_path):
    result = train_study(tmp_path)
    off, errors = deviations(result)
    assert math.sqrt(np.mean(off**2)) < 0.07
    assert (np.abs(off) < 3 * errors).all()
    assert (errors < 0.05).all()
    assert len(result.table.frame) <= 80
    a = result.estimates["a[lazy,c=0.1]"]
    assert abs(a.value - 0.333) < 2 * a.stderr
    assert a.stderr <= 0.03
    assert set(result.laws[0].unmeasured()) == {"gamma", "delta", "b", "a[test]", "a[collapse]"}
    assert all(why.startswith("not measured") for why in result.laws[0].unmeasured().values())


@pytest.mark.verify
def test_ten_adaptive_studies(tmp_path, pages):
    errors = []
    for study in range(10):
        for tolerance in (0.05, 0.025):
            folder = tmp_path / f"{study}-{tolerance}"
            folder.mkdir()
            result = train_study(folder, first_seed=1000 * study, tolerance=tolerance, n_seeds=64)
            off, own = deviations(result)
            a = result.estimates["a[lazy,c=0.1]"]
            rms, worst = math.sqrt(np.mean(off**2)), float(np.max(np.abs(off) / own))
            pages.add(
                "adaptive",
                **{"first seed": 1000 * study},
                tolerance=tolerance,
                trainings=len(result.table.frame),
                rms=f"{100 * rms:.1f} %",
                **{"largest pull": f"{worst:.1f}"},
                a=f"{a.value:.3f} ± {a.stderr:.3f}",
                pull=f"{(a.value - 0.333) / a.stderr:+.1f}",
            )
            errors.append(a.stderr)
            assert rms <= 0.07
            assert worst <= 3
            assert abs(a.value - 0.333) <= 2 * a.stderr
            if tolerance == 0.05:
                assert len(result.table.frame) <= 80
                assert a.stderr <= 0.03
    # A generation ends beyond the tolerance, relatively further where it is loose.
    assert 0.45 < np.mean(errors[1::2]) / np.mean(errors[::2]) < 0.65


@pytest.mark.apart
def test_kill_9_and_resume_give_the_same_table(tmp_path, start_thermometer, run_thermometer):
    """Killed in this process's child, resumed on Ray, against an undisturbed serial run."""
    settings = ("design=adaptive", "tolerance=0.03")
    serial = ("--executor", "serial", "--no-tracking")
    done = run_thermometer(tmp_path, "run", STUDY, *settings, *serial, "--out", "whole")
    assert done.returncode == 0, done.stderr
    process = start_thermometer(tmp_path, "run", STUDY, *settings, *serial, "--out", "killed")
    ledger = tmp_path / "killed/ledger.journal"
    while not ledger.exists() or ledger.read_bytes().count(b'"rows"') < 9:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, 9)
    process.wait()
    held = ledger.read_bytes().count(b'"rows"')
    done = run_thermometer(tmp_path, "run", STUDY, "--out", "killed", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "T_lazy(0.1) = " in done.stdout
    table = (tmp_path / "killed/table.csv").read_bytes()
    n = table.count(b"\n") - 1
    assert table == (tmp_path / "whole/table.csv").read_bytes()
    assert ledger.read_bytes().count(b'"rows"') == n > held
    report = json.loads((tmp_path / "killed/report.json").read_text())
    assert report["counts"]["planned"] == report["counts"]["fitted"] == n
    assert read_status(tmp_path / "killed").is_complete


def test_a_dry_run_says_what_it_may_take(run_thermometer, tmp_path):
    done = run_thermometer(tmp_path, "run", STUDY, "design=adaptive", "--dry-run")
    assert done.stdout.startswith("5 curves, at most 32 trainings each until ln T_c is known to")
    study = Study(STUDY, spec_of(), tmp_path / "study")
    assert study.spec.n_trainings() == 5 * 32
