"""The study `effective-temperature` from recipe to report, small and in this process."""

import json
from dataclasses import replace

import pytest

from search_spaces import InvalidSettingError
from studies import RunOptions, Study
from studies.specs.resolve import resolve_spec
from studies.specs.spec import StudySpec

METHODS = {"method": ["simulation", "mean_field"]}
TINY = {
    "study": "tiny",
    "kind": "effective-temperature",
    "n_weights": 60,
    "n_copies": 200,
    "n_windows": 3,
    "n_seeds": 2,
    "scans": {
        "sgd": {"active_fraction": [0.3, 0.5, 0.9], **METHODS},
        "persistent": {"persistence_time": 0.4},
        "replicas": {"quantity": "replicas", "load": 0.5, "duration": 5, **METHODS},
    },
}


def spec(**changes):
    return StudySpec.from_plain({**TINY, **changes})


@pytest.mark.apart
def test_a_small_study_runs_resumes_and_reports(tmp_path):
    options = RunOptions(executor="serial", tracking=False, quiet=True)
    study = Study("tiny", spec(), tmp_path / "tiny")
    done = study.run(options)
    assert done.is_complete
    assert done.done == done.trained == 2 * (6 + 1 + 2)
    assert done.headline.startswith("T_sec = ")
    numbers = json.loads((tmp_path / "tiny/report.json").read_text())
    assert numbers["counts"]["temperatures"] == 7
    assert "no single temperature" in numbers["quoted_slope"]
    assert (tmp_path / "tiny/temperatures.csv").exists()
    before = (tmp_path / "tiny/table.csv").read_text()
    assert Study("tiny", spec(), tmp_path / "tiny").run(options).trained == 0
    again = Study("tiny", spec(), tmp_path / "again")
    again.run(options)
    assert (tmp_path / "again/table.csv").read_text() == before


def test_both_conventions_of_the_persistence_time_are_one_configuration():
    """At b = 0.2 a sample is idle four times as long as it is active."""
    active, idle = (
        spec(scans=None, active_fraction=0.2, persistence_time=t, persistence_convention=c)
        for t, c in ((0.4, "active"), (1.6, "idle"))
    )
    assert active.points()[0].identity == idle.points()[0].identity


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"active_fraction": 1.2}, "active_fraction=1.2"),
        ({"persistence_time": 0.01}, "at least 0.05"),
        (
            {
                "active_fraction": 0.2,
                "persistence_time": 0.1,
                "persistence_convention": "idle",
            },
            "persistence_time=0.1 (persistence_convention=idle): must be at least 0.2 for "
            "learning_rate=0.05 and active_fraction=0.2",
        ),
        ({"persistence_time": float("nan")}, "persistence_time=nan must be a positive finite"),
        ({"active_fraction": 0}, "active_fraction=0.0: must be above 0 and at most 1"),
        ({"active_fraction": float("nan")}, "active_fraction=nan is not a finite number"),
        ({"active_fraction": 1, "persistence_time": 1}, "no meaning at active_fraction=1"),
        ({"learning_rate": 0.5}, "beyond stability"),
        ({"method": "dmft"}, "method='dmft' is unknown; allowed: simulation, mean_field"),
        ({"lode": 4}, "did you mean 'load'"),
        ({"load": "heavy"}, "load='heavy' is not a number"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(settings, words):
    with pytest.raises(InvalidSettingError) as error:
        spec(scans=None, **settings)
    assert words in str(error.value)


def test_a_theory_beyond_memory_names_what_fits():
    asked = spec(scans=None, method="mean_field", n_copies=50000, memory=1)
    with pytest.raises(InvalidSettingError, match=r"limit of 1 GB; n_steps=\d+ fits"):
        asked.experiment.check(asked)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "mean_field", "n_copies": 60000}, r"limit of 1 GB; n_steps=\d+ fits"),
        ({"n_weights": 20000}, r"needs 6\.4 GB of data, .*; n_weights=7905 fits, and --memory"),
    ],
)
def test_the_memory_of_a_run_bounds_theory_and_simulation(tmp_path, settings, words):
    study = Study("large", spec(scans=None, **settings), tmp_path / "large")
    options = RunOptions(executor="serial", tracking=False, quiet=True, memory="1GB")
    with pytest.raises(InvalidSettingError, match=words):
        study.check(options)
    assert study.check(replace(options, memory="60GB")) == "numba"
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
def test_every_preset_of_the_recipe_can_run_here(preset):
    found = resolve_spec("effective-temperature", {}, preset)
    assert found.experiment.check(found) == "numba"
    assert found.n_trainings() > 100


@pytest.mark.parametrize("quantity", ["temperature", "replicas"])
def test_both_backends_simulate_the_same(quantity):
    asked = spec(scans=None, quantity=quantity, duration=5)
    (configuration,) = asked.points()
    one, two = (asked.experiment.measure(configuration, [0, 1], b) for b in ("numba", "torch"))
    for a, b in zip(one, two, strict=True):
        numbers = {name: value for name, value in a.items() if isinstance(value, float)}
        assert {name: b[name] for name in numbers} == pytest.approx(numbers, rel=1e-3)
    with pytest.raises(InvalidSettingError, match="backend='jax'"):
        asked.experiment.check(spec(scans=None, backend="jax"))


def test_a_learning_rate_displaces_nothing_in_a_study_without_t():
    found = resolve_spec("effective-temperature", {"scans.steps.learning_rate": [0.02, 0.04]})
    rates = {point["learning_rate"] for point in found.scans["steps"].points()}
    assert rates == {0.02, 0.04}


def test_losses_that_no_training_has_are_recorded(tmp_path):
    asked = spec(
        scans=None, loss=["square", "logistic"], quantity="replicas", duration=1, load=0.5
    )
    study = Study("tiny", asked, tmp_path / "losses")
    done = study.run(RunOptions(executor="serial", tracking=False, quiet=True))
    assert done.done == 4
