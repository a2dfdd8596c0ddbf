"""Optuna's samplers over continuous ranges: asked in generations, resumed where they stopped."""

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from search_spaces import InvalidSettingError, SearchSpace, temperature_window
from studies.ledger.base import Ledger
from studies.plans.samplers import GENERATION, AskedWork, asked_distributions, make_sampler
from studies.plans.sobol import SobolSampler
from studies.specs.spec import StudySpec

RANGES = {
    "temperature": "log(0.03, 1)",
    "n_train": "log(16, 64)",
    "batch_size": "log(1, 8)",
    "alpha": 100,
    "n_seeds": 2,
}


def asked(sampler, n_trials):
    return StudySpec.from_plain({**RANGES, "sampler": sampler, "n_trials": n_trials})


def settle(ledger, unit):
    """Record a synthetic measurement whose error is least at T = 0.3."""
    error = 0.1 + 0.01 * math.log(unit.point.temperature / 0.3) ** 2
    rows = [{"stop_reason": "fitted", "test_error": error} for _ in unit.seeds]
    ledger.record(unit, rows, {}, "test_error", {})


def run(spec, path, stop_after=None):
    """Settle every unit, or leave some running as a killed driver would."""
    ledger = Ledger(path, "s", writable=True)
    work = AskedWork(spec, ledger)
    settled = 0
    while work and settled != stop_after:
        pack = work.take()
        for unit in pack:
            settle(ledger, unit)
        work.settled(pack, 0.0)
        settled += 1
    return ledger


def points(ledger):
    return [(t.number, t.params) for t in ledger.trials(TrialState.COMPLETE)]


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe", "optuna.samplers.NSGAIISampler"])
def test_asks_for_distinct_points_within_their_ranges(tmp_path, sampler):
    ledger = run(asked(sampler, 12), tmp_path / "ledger.journal")
    blocks = ledger.blocks()
    assert len(blocks) == 12
    assert len({b.point.identity for b in blocks}) == 12
    assert all(0.03 <= b.point.temperature <= 1 for b in blocks)
    assert all(16 <= b.point.n_train <= 64 for b in blocks)
    assert all(1 <= b.point.batch_size <= 8 for b in blocks)


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
@pytest.mark.parametrize("stop_after", [1, 5, 11])
def test_a_restart_asks_for_the_same_points(tmp_path, sampler, stop_after):
    whole = run(asked(sampler, 20), tmp_path / "whole.journal")
    run(asked(sampler, 20), tmp_path / "broken.journal", stop_after)
    broken = run(asked(sampler, 20), tmp_path / "broken.journal")
    assert points(broken) == points(whole)
    assert broken.trials(TrialState.RUNNING) == []


def test_more_trials_continue_the_sequence(tmp_path):
    run(asked("tpe", GENERATION), tmp_path / "grown.journal")
    grown = run(asked("tpe", 2 * GENERATION), tmp_path / "grown.journal")
    whole = run(asked("tpe", 2 * GENERATION), tmp_path / "whole.journal")
    assert points(grown) == points(whole)


def test_a_trial_cut_short_while_asking_is_given_up(tmp_path):
    spec = asked("random", 4)
    ledger = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    ledger.study.ask()
    work = AskedWork(spec, ledger)
    assert [t.state for t in ledger.trials()] == [TrialState.FAIL]
    assert work.unfinished == 3


def test_infeasible_points_are_pruned_with_their_reason(tmp_path):
    spec = StudySpec.from_plain(
        {**RANGES, "n_train": "log(4, 8)", "batch_size": "log(1, 64)", "sampler": "random",
         "n_trials": 16}
    )  # fmt: skip
    ledger = run(spec, tmp_path / "ledger.journal")
    pruned = ledger.trials(TrialState.PRUNED)
    assert pruned
    assert len(pruned) + len(ledger.blocks()) == 16
    assert all("exceeds n_train" in t.user_attrs["reason"] for t in pruned)


def test_tpe_finds_the_minimum_better_than_chance(tmp_path):
    spec = StudySpec.from_plain(
        {"temperature": "log(0.001, 1)", "batch_size": 1, "n_train": 16, "n_seeds": 1,
         "sampler": "tpe", "n_trials": 40}
    )  # fmt: skip
    ledger = run(spec, tmp_path / "ledger.journal")
    late = [abs(math.log(b.point.temperature / 0.3)) for b in ledger.blocks()[24:]]
    # A uniform draw over ln T would be 2.8 away on average.
    assert np.mean(late) < 1.4


def test_sobol_fills_the_ranges_evenly():
    study = optuna.create_study(sampler=SobolSampler(seed=3))
    space = {
        "x": FloatDistribution(1, 100, log=True),
        "n": IntDistribution(1, 15, log=True),
        "c": CategoricalDistribution(("a", "b")),
    }
    for _ in range(64):
        study.tell(study.ask(space), 0.0)
    fractions = [math.log(t.params["x"]) / math.log(100) for t in study.trials]
    assert np.histogram(fractions, bins=16, range=(0, 1))[0].tolist() == [4] * 16
    # Sixteen octave-equal parts: 1, 2-3, 4-7 and 8-15 are equally likely.
    octaves = [int(math.log2(t.params["n"])) for t in study.trials]
    assert np.bincount(octaves).tolist() == [16] * 4
    assert sum(t.params["c"] == "a" for t in study.trials) == 32


def test_space_without_a_range_is_refused():
    spec = StudySpec.from_plain(
        {"temperature": 0.1, "batch_size": 1, "n_train": 16, "sampler": "tpe", "n_trials": 2}
    )
    with pytest.raises(InvalidSettingError, match="nothing to choose"):
        asked_distributions(spec.space, spec.sampler)


def test_make_sampler_by_dotted_path():
    assert isinstance(
        make_sampler("optuna.samplers.RandomSampler", 1), optuna.samplers.RandomSampler
    )


def test_planned_space_is_unaffected():
    assert not SearchSpace(temperature=[0.1], batch_size=1).is_continuous()


EACH = {
    "alpha": [0.001, 0.1],
    "n_train": 64,
    "batch_size": 1,
    "temperature": "window",
    "n_seeds": 2,
    "sampler": "tpe",
    "n_trials": 2 * GENERATION,
    "search_each": "alpha",
}


def by_alpha(ledger):
    found = {}
    for block in ledger.blocks():
        found.setdefault(block.point.alpha, []).append(block.point.temperature)
    return found


def test_every_alpha_is_searched_in_its_own_window(tmp_path):
    spec = StudySpec.from_plain(EACH)
    found = by_alpha(run(spec, tmp_path / "ledger.journal"))
    assert {alpha: len(t) for alpha, t in found.items()} == {0.001: 16, 0.1: 16}
    assert spec.n_trainings() == 64
    for alpha, temperatures in found.items():
        window = temperature_window(alpha, 3)
        assert window[0] <= min(temperatures) <= max(temperatures) <= window[-1]


def test_a_search_does_not_depend_on_the_others(tmp_path):
    both = by_alpha(run(StudySpec.from_plain(EACH), tmp_path / "both.journal"))
    alone = StudySpec.from_plain({**EACH, "alpha": [0.1]})
    assert by_alpha(run(alone, tmp_path / "alone.journal"))[0.1] == both[0.1]


def test_an_alpha_that_is_added_later_is_searched_as_if_from_the_start(tmp_path):
    path = tmp_path / "grown.journal"
    run(StudySpec.from_plain({**EACH, "alpha": [0.1]}), path)
    grown = by_alpha(run(StudySpec.from_plain(EACH), path))
    assert grown == by_alpha(run(StudySpec.from_plain(EACH), tmp_path / "whole.journal"))


def test_a_restart_of_several_searches_asks_for_the_same_points(tmp_path):
    spec = StudySpec.from_plain(EACH)
    whole = run(spec, tmp_path / "whole.journal")
    run(spec, tmp_path / "broken.journal", 20)
    broken = run(spec, tmp_path / "broken.journal")
    assert by_alpha(broken) == by_alpha(whole)


def test_search_each_needs_values():
    with pytest.raises(InvalidSettingError, match="needs values of temperature"):
        StudySpec.from_plain({**EACH, "temperature": "log(0.01, 1)", "search_each": "temperature"})
