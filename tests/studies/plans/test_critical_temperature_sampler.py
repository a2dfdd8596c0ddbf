"""Any Optuna study finds critical temperatures, the same ones however its trials are timed."""

from __future__ import annotations

import math
import random

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import TrialState

from analysis.locating.located import DIVERGENCE, LOCATED
from analysis.locating.posterior import OPEN
from search_spaces import InvalidSettingError, Point, Seeds, presentation_budget
from studies.plans.critical_temperature_sampler import CriticalTemperatureSampler
from trainers import train

optuna.logging.set_verbosity(optuna.logging.WARNING)
WINDOW = FloatDistribution(1e-3, 10.0, log=True)
SIZES = (64, 128, 256, 512)


class TestOptunasOwn(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    """The cases Optuna publishes for samplers without relative sampling, for one objective."""

    @pytest.fixture
    def sampler(self):
        return CriticalTemperatureSampler


def distributions(n_train):
    return {"n_train": IntDistribution(n_train, n_train), "temperature": WINDOW}


def weight_change(params, number):
    """y = 0.1 (T/T_c)^0.9 with T_c = 4.8 P^-1/3 and 12 % of noise that belongs to the trial."""
    tc = 4.8 * params["n_train"] ** (-1 / 3)
    noise = 0.12 * np.random.default_rng(number).normal()
    return 0.1 * math.exp(0.9 * math.log(params["temperature"] / tc) + noise)


def objective(trial):
    n_train = trial.suggest_categorical("n_train", SIZES)
    temperature = trial.suggest_float("temperature", 1e-3, 10.0, log=True)
    return weight_change({"n_train": n_train, "temperature": temperature}, trial.number)


def make(**settings):
    sampler = CriticalTemperatureSampler(**{"group_by": ("n_train",), **settings})
    return optuna.create_study(sampler=sampler), sampler


def temperatures(study, n_train=None):
    return [
        t.params["temperature"] for t in study.trials if n_train in (None, t.params.get("n_train"))
    ]


def ask_generations(study, n_generations, size, sizes=SIZES, order=None):
    """Ask whole generations of every curve and tell them in an order of one's own."""
    for _ in range(n_generations):
        trials = [study.ask(distributions(p)) for p in sizes for _ in range(size)]
        if order is not None:
            order.shuffle(trials)
        for trial in trials:
            # The noise belongs to the temperature, so that it does not depend on numbers.
            study.tell(trial, weight_change(trial.params, int(1e6 * trial.params["temperature"])))


def test_finds_five_percent_in_about_ten_trials_per_curve():
    errors, n_trials = [], []
    for repeat in range(10):
        study, sampler = make()
        for p in SIZES:
            while not sampler.finished(study, p):
                trial = study.ask(distributions(p))
                study.tell(trial, weight_change(trial.params, 1000 * repeat + trial.number))
            assert sampler.status(study, p) == LOCATED
            errors.append(sampler.posterior(study, p).mean - math.log(4.8 * p ** (-1 / 3)))
        assert sampler.finished(study)
        n_trials.append(len(study.trials) / len(SIZES))
    assert np.sqrt(np.mean(np.square(errors))) < 0.06
    assert 7 < np.mean(n_trials) < 12


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_optimize(n_jobs):
    study, sampler = make(tolerance=0.08)
    study.optimize(objective, n_trials=60, n_jobs=n_jobs)
    assert sampler.finished(study)
    for p in SIZES:
        crossing = sampler.posterior(study, {"n_train": p})
        assert abs(crossing.mean - math.log(4.8 * p ** (-1 / 3))) < 4 * crossing.sd
        assert crossing.n_fitted == len(temperatures(study, p))


@pytest.mark.parametrize("generation", [1, 3])
def test_the_order_of_tells_does_not_matter(generation):
    plain, _ = make(generation=generation)
    ask_generations(plain, 5, generation)
    for seed in range(3):
        shuffled, _ = make(generation=generation)
        ask_generations(shuffled, 5, generation, order=random.Random(seed))
        assert temperatures(shuffled) == temperatures(plain)


def test_curves_do_not_influence_each_other():
    together, _ = make()
    ask_generations(together, 6, 1)
    alone, _ = make()
    ask_generations(alone, 6, 1, sizes=(256,))
    assert temperatures(alone, 256) == temperatures(together, 256)


def test_a_generation_is_proposed_from_finished_generations_only():
    study, sampler = make(generation=3)
    first, second = (study.ask(distributions(64)) for _ in range(2))
    assert sampler.open_slots(study, 64) == 1
    study.tell(second, 5.0)
    third = study.ask(distributions(64))
    assert [t.params["temperature"] for t in (first, second, third)] == [0.1, 0.01, 1.0]
    assert sampler.open_slots(study, 64) == 0
    study.tell(first, 0.01)
    assert sampler.open_slots(study, 64) == 0
    study.tell(third, 0.2)
    assert sampler.open_slots(study, 64) == 3


def test_asking_ahead_of_a_generation_gives_distinct_points():
    study, _ = make()
    asked = [study.ask(distributions(64)) for _ in range(4)]
    assert len({t.params["temperature"] for t in asked}) == 4
    study.tell(asked[2], 0.1)
    # The trials still running, perhaps for ever, do not hide what has finished.
    following = study.ask(distributions(64)).params["temperature"]
    assert abs(math.log(following / asked[2].params["temperature"])) < 0.3


def test_a_journal_continues_with_the_same_points(tmp_path):
    whole, _ = make(seed=3)
    whole.optimize(objective, n_trials=24)
    for _ in range(4):
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
        study = optuna.create_study(
            storage=storage,
            study_name="s",
            load_if_exists=True,
            sampler=CriticalTemperatureSampler(group_by=("n_train",), seed=3),
        )
        study.optimize(objective, n_trials=6)
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


def test_other_parameters_are_random_and_belong_to_the_trial():
    study, sampler = make(group_by=())
    space = {"width": FloatDistribution(0, 1), "depth": FloatDistribution(0, 1)}
    drawn = [study.ask(space).params for _ in range(50)]
    assert len({v for params in drawn for v in params.values()}) == 100
    sampler.reseed_rng()
    again, _ = make(group_by=(), seed=0)
    assert [again.ask(space).params for _ in range(50)] == drawn
    other, _ = make(group_by=(), seed=1)
    assert other.ask(space).params != drawn[0]


@pytest.mark.parametrize("end", ["fail", "prune", "nan", "inf", "zero"])
def test_trials_without_a_value_diverged(end):
    study, sampler = make()
    tells = {
        "fail": {"state": TrialState.FAIL},
        "prune": {"state": TrialState.PRUNED},
        "inf": {"values": math.inf},
        "zero": {"values": 0.0},
        "nan": {"state": TrialState.FAIL},
    }
    for _ in range(40):
        trial = study.ask(distributions(64))
        temperature = trial.params["temperature"]
        if temperature > 1.5:
            study.tell(trial, **tells[end])
        else:
            study.tell(trial, weight_change(trial.params, trial.number))
        if sampler.finished(study, 64):
            break
    crossing = sampler.posterior(study, 64)
    assert sampler.status(study, 64) == LOCATED
    assert crossing.n_diverged == sum(t > 1.5 for t in temperatures(study))
    assert abs(crossing.mean - math.log(1.2)) < 4 * crossing.sd


def test_an_objective_that_returns_nan_diverged():
    study, sampler = make()

    def diverging(trial):
        value = objective(trial)
        return value if trial.params["temperature"] < 0.3 else math.nan

    study.enqueue_trial({"n_train": 64})
    study.optimize(diverging, n_trials=1)
    while not sampler.finished(study, 64):
        study.enqueue_trial({"n_train": 64})
        study.optimize(diverging, n_trials=1)
    assert sampler.status(study, 64) == DIVERGENCE
    assert len(study.trials) < 20


def test_a_curve_is_given_up_after_max_trials():
    study, sampler = make(tolerance=1e-6, max_trials=5)
    ask_generations(study, 4, 1, sizes=(64,))
    assert not sampler.finished(study)
    ask_generations(study, 1, 1, sizes=(64,))
    assert sampler.finished(study)
    assert sampler.status(study, 64) == OPEN


def test_temperatures_are_rounded_and_inside_their_range():
    study, _ = make(group_by=())
    narrow = {"temperature": FloatDistribution(0.123456789, 0.23456789, log=True)}
    for value in (1e-4, 10.0, 1e-4, 0.1, 0.1):
        study.tell(study.ask(narrow), value)
    found = temperatures(study)
    assert all(t == float(f"{t:.6g}") or t == 0.23456789 for t in found)
    assert min(found) == 0.123457
    assert max(found) == 0.23456789


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.0}, "threshold=0.0"),
        ({"threshold": -0.1}, "threshold=-0.1"),
        ({"tolerance": math.nan}, "tolerance=nan"),
        ({"generation": 0}, "generation=0"),
        ({"group_by": ("alpha", "temperature")}, "'temperature' itself"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InvalidSettingError, match=message):
        CriticalTemperatureSampler(**settings)


def test_a_group_that_was_not_suggested_is_named():
    study, _ = make(group_by=("n_trian",))
    with pytest.raises(InvalidSettingError, match=r"'n_trian' .* did you mean 'n_train'"):
        study.ask(distributions(64))


def test_a_mistyped_parameter_is_refused_after_one_trial():
    study, _ = make(parameter="temprature")
    with pytest.raises(InvalidSettingError, match="did you mean 'temperature'"):
        study.optimize(objective, n_trials=5)
    assert len(study.trials) == 1


def test_a_parameter_of_another_study_is_refused():
    study, sampler = make(parameter="noise")
    study.tell(study.ask(distributions(64)), 0.1)
    with pytest.raises(InvalidSettingError, match="in no trial of the study; its parameters are"):
        sampler.finished(study)


def test_an_unknown_curve_is_refused():
    study, sampler = make()
    ask_generations(study, 1, 1, sizes=(64,))
    with pytest.raises(InvalidSettingError, match=r"the curves are: \(64,\)"):
        sampler.posterior(study, 65)
    with pytest.raises(InvalidSettingError, match="a group has the names n_train"):
        sampler.posterior(study, {"alpha": 65})


@pytest.mark.parametrize(
    "suggest",
    [
        lambda trial: trial.suggest_float("temperature", 0.1, 1.0),
        lambda trial: trial.suggest_int("temperature", 1, 10, log=True),
        lambda trial: trial.suggest_categorical("temperature", (0.1, 1.0)),
    ],
)
def test_only_logarithmic_floats_are_temperatures(suggest):
    study, _ = make(group_by=())
    with pytest.raises(InvalidSettingError, match="logarithmic scale"):
        suggest(study.ask())


def test_real_trainings_on_digits():
    """Against 64-seed crossings of an independent code, with 3 % for another split."""
    study, sampler = make(group_by=("n_train",))
    for p, published in ((128, 0.968), (512, 0.606)):
        for seed in range(30):
            trial = study.ask(distributions(p))
            temperature = trial.params["temperature"]
            point = Point.create(
                n_train=p,
                temperature=temperature,
                batch_size=1,
                max_presentations=presentation_budget(p, temperature, 1, 100.0, 3),
            )
            row = train(point, Seeds.shared(seed)).to_row()
            if row["stop_reason"] == "fitted":
                study.tell(trial, row["relative_weight_change"])
            else:
                study.tell(trial, state=TrialState.FAIL)
            if sampler.finished(study, p):
                break
        crossing = sampler.posterior(study, p)
        assert sampler.status(study, p) == LOCATED
        assert abs(crossing.mean - math.log(published)) < 3 * crossing.sd + 0.03
