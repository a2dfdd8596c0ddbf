"""A spec is complete, refuses what it does not know, and may only grow in its folder."""

import pytest

from search_spaces import InvalidSettingError
from studies.specs.growth import check_growth
from studies.specs.resolve import apply_overrides, parse_override, resolve_spec
from studies.specs.spec import StudySpec
from studies.specs.yaml_files import recipe_names

STUDY = "critical-temperature"


def resolve(held=None, preset=None, **overrides):
    return resolve_spec(STUDY, overrides, preset, held)


def test_default_study_is_the_documented_one():
    spec = resolve()
    points = spec.points()
    main = [p for p in points if p.batch_size == 1]
    comparison = [p for p in points if p.batch_size == 4]
    assert sorted({p.n_train for p in points}) == [64, 128, 256, 512, 1024]
    assert len(main) == 5 * 16
    assert len(comparison) == 5 * 4
    assert spec.space.n_seeds == 32
    assert spec.thresholds[0] == 0.1
    assert spec.batch_sizes() == (1,)
    # Ratios need equal temperatures.
    assert {p.temperature for p in comparison} <= {p.temperature for p in main}


def test_resolved_spec_survives_yaml(tmp_path):
    spec = resolve(n_seeds=5, alpha=[10, 100])
    path = tmp_path / f"{STUDY}.yaml"
    path.write_text(spec.to_yaml())
    again = resolve_spec(str(path), {})
    assert again.to_plain() == spec.to_plain()
    assert again.digest == spec.digest


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_and_preset_is_valid(name):
    for preset in (None, "quick", "standard", "paper"):
        assert resolve_spec(name, {}, preset).points()


def test_preset_paper_has_nine_sizes_and_64_seeds():
    spec = resolve(preset="paper")
    assert len({p.n_train for p in spec.points()}) == 9
    assert spec.space.n_seeds == 64


def test_override_on_the_command_line():
    assert parse_override("alpha=[10,100,1000]") == ("alpha", [10, 100, 1000])
    assert parse_override("temperature=log(0.01, 1)") == ("temperature", "log(0.01, 1)")


def test_learning_rate_displaces_the_default_temperature():
    spec = resolve(
        learning_rate=[0.4, 0.8], batch_size=4,
        comparison_batch_size=None, comparison_temperature=None,
    )  # fmt: skip
    assert {p.temperature for p in spec.points()} == {0.1, 0.2}


def test_inconsistent_temperature_rate_and_batch_size():
    with pytest.raises(InvalidSettingError, match="contradict T = eta/B"):
        resolve(learning_rate=0.5, batch_size=4, temperature=0.1)


def test_a_study_grows_in_its_folder():
    held = resolve().to_plain()
    assert resolve(held).digest == resolve().digest
    assert resolve(held, n_seeds=48).space.n_seeds == 48
    assert {p.alpha for p in resolve(held, alpha=[10, 100]).points()} == {10.0, 100.0}
    assert resolve(held, thresholds=[0.05]).thresholds == (0.05,)
    grown = resolve(held, n_seeds=48).to_plain()
    assert resolve(grown).space.n_seeds == 48


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n_seeds": 8}, "n_seeds=8 would change its meaning"),
        ({"alpha": 10}, "Ask for both, alpha=[100.0, ...]"),
        ({"n_train": [64, 128]}, "n_train=[64, 128] would change"),
        ({"dtype": "float64"}, "dtype='float64' would change"),
        ({"sampler": "tpe", "n_trials": 3}, "would change its meaning"),
    ],
)
def test_a_study_does_not_change_its_meaning(change, sentence):
    with pytest.raises(InvalidSettingError) as caught:
        resolve(resolve().to_plain(), **change)
    assert sentence in str(caught.value)


def test_a_folder_of_another_study_is_refused():
    with pytest.raises(InvalidSettingError, match="the folder holds the study 'other'"):
        resolve({**resolve().to_plain(), "study": "other"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_sedes": 3}, "did you mean 'n_seeds'"),
        ({"n_trials": 3}, "belongs to a sampler"),
        ({"sampler": "tpe"}, "needs n_trials"),
        ({"sampler": "grdi"}, "did you mean 'grid'"),
        ({"objective": "tset_error"}, "did you mean 'test_error'"),
        ({"thresholds": [0.1, -1]}, "threshold=-1 must be"),
        ({"thresholds": []}, "thresholds=[] is empty"),
        ({"comparison_batch_size": None}, "belong together"),
        ({"batch_size": 100}, "batch_size=100 exceeds n_train=64"),
        ({"alpha": "nan"}, "alpha=nan must be"),
        ({"sampler_seed": -1}, "sampler_seed=-1"),
    ],
)
def test_bad_specs_get_one_sentence(arguments, sentence):
    with pytest.raises(InvalidSettingError) as caught:
        resolve(**arguments)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- 1\n- 2\n", "holds no settings"),
        ("alpha: [1, 2", "is not valid YAML"),
        ("alhpa: 3\n", "did you mean 'alpha'"),
    ],
)
def test_bad_yaml_files_get_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(InvalidSettingError) as caught:
        resolve_spec(str(path), {})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_study_names_the_nearest():
    with pytest.raises(InvalidSettingError, match="did you mean 'critical-temperature'"):
        resolve_spec("critical-temprature", {})


def test_spec_is_independent_of_texts():
    plain = resolve().to_plain()
    assert StudySpec.from_plain({**plain, "title": "other"}).digest == resolve().digest


SCANS = {
    "study": "several",
    "model": "mlp",
    "n_train": [64],
    "temperature": 0.1,
    "batch_size": 1,
    "n_seeds": 2,
    "scans": {
        "sizes": {"n_train": [64, 128]},
        "temperatures": {"temperature": [0.1, 1.0], "n_seeds": 3},
    },
}


def test_scans_share_settings_and_a_common_point_is_planned_once():
    spec = StudySpec.from_plain(SCANS)
    planned = {(p.n_train, p.temperature): seeds for p, seeds in spec.planned()}
    assert planned == {(64, 0.1): (0, 1, 2), (128, 0.1): (0, 1), (64, 1.0): (0, 1, 2)}
    assert spec.n_trainings() == 8
    assert StudySpec.from_plain(spec.to_plain()).to_plain() == spec.to_plain()


def test_one_scan_can_be_overridden_and_may_grow():
    held = StudySpec.from_plain(SCANS)
    path = {"scans.sizes.n_train": [64, 128, 256]}
    grown = StudySpec.from_plain(apply_overrides(held.to_plain(), path))
    assert {p.n_train for p in grown.points()} == {64, 128, 256}
    check_growth(held, grown)
    with pytest.raises(InvalidSettingError, match="would change its meaning"):
        check_growth(grown, held)


@pytest.mark.parametrize(
    ("scans", "sentence"),
    [
        ([1], "must map names to settings"),
        ({"sizes": 3}, "scans.sizes=3 must map settings to values"),
        ({"sizes": {"n_trian": 3}}, "did you mean 'n_train'"),
        ({"sizes": {"n_train": 0}}, "scans.sizes: n_train=0 must be a whole number"),
    ],
)
def test_bad_scans_get_one_sentence(scans, sentence):
    with pytest.raises(InvalidSettingError) as caught:
        StudySpec.from_plain({**SCANS, "scans": scans})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
