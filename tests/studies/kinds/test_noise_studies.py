"""Small real studies of the noise: gradient samples, escapes, large batches."""

import json

import numpy as np
import pandas as pd
import pytest

from search_spaces import InvalidSettingError
from studies import RunOptions, Study
from studies.cli import main
from studies.kinds.recognition import kind_of_columns
from studies.specs.resolve import resolve_spec

GRADIENTS = {
    "n_train": 128, "epoch": [0, 4], "batch_size": [4, 16], "layer": [1, 2], "depth": 1,
    "width": 8, "n_batches": 400, "per_layer": 12, "n_seeds": 2, "loss": "logistic",
}  # fmt: skip
ARMS = {
    "n_train": 64, "large": 32, "small": 4, "n_steps": 125, "width": 8, "n_test": 120,
    "n_validation": 40, "scans": {"noisy": {"label_noise": 0.2}, "clean": {"label_noise": 0}},
    "n_seeds": 2,
}  # fmt: skip


def run(name, folder, overrides, preset=None):
    spec = resolve_spec(name, overrides, preset)
    study = Study(spec.study, spec, folder)
    summary = study.run(RunOptions(executor="serial", tracking=False, quiet=True))
    assert summary.failed == 0
    assert summary.is_complete
    return study, summary, json.loads((folder / "report.json").read_text())


def test_gradient_noise_study_writes_every_parameter(tmp_path):
    study, summary, report = run("gradient-noise", tmp_path / "g", GRADIENTS)
    table = study.table()
    assert len(table) == 2 * 2 * 2 * 2
    assert (table["n_used"] + table["n_dead"] + table["n_atoms"] + table["n_not_finite"]).equals(
        table["n_sampled"]
    )
    parameters = pd.read_csv(tmp_path / "g/parameters.csv")
    assert len(parameters) == table["n_sampled"].sum()
    one = parameters[(parameters["layer"] == 1) & (parameters["seed"] == 0)]
    kept = one.groupby(["epoch", "batch_size"])["parameter"].apply(tuple)
    assert kept.nunique() == 1
    assert set(report["verdicts"]) == {
        "heavier_than_gaussian", "literally_stable", "distinct_tail_indices",
        "persistent_tail_indices", "stable_beats_student", "gaussian_control",
    }  # fmt: skip
    assert report["verdicts"]["gaussian_control"]["status"] == "established"
    assert summary.headline.startswith("heavy-tailed parameters")
    page = (tmp_path / "g/report.html").read_text()
    assert "Claim ledger" in page
    assert "atom of 5 % or more" in page


def test_a_layer_measured_alone_is_the_same(tmp_path):
    all_layers, *_ = run("gradient-noise", tmp_path / "a", GRADIENTS | {"epoch": 4})
    one, *_ = run("gradient-noise", tmp_path / "b", GRADIENTS | {"epoch": 4, "layer": 2})
    both = all_layers.table().merge(one.table(), on=["point", "seed"], suffixes=("", "_alone"))
    assert len(both) == 4
    assert both["tail_indices"].equals(both["tail_indices_alone"])


def test_escape_study_compares_with_theory(tmp_path):
    overrides = {
        "n_paths": 60,
        "n_seeds": 2,
        "scans": {
            "levy": {"dynamics": "levy", "tail_index": [1.5, 1.8], "mean_time": 20, "dt": 0.05},
            "box": {"dynamics": "box", "box": "four", "dt": 0.1},
            "schedule": {
                "dynamics": "schedule",
                "schedule": ["step_decays", "noise_decays"],
                "n_steps": 400,
            },
            "well": {"dynamics": "well", "sigma_h": [0, 15], "barrier": [0.05, 0.1]},
            "law": {"dynamics": "stationary", "convention": ["ito", "paper"], "sigma_h": 8},
            "sgd": {"dynamics": "random_curvature", "curvature": 0.5, "learning_rate": 0.2},
            "linear": {"dynamics": "regression", "learning_rate": 0.5},
            "net": {"dynamics": "network", "epoch": 1, "direction": ["top", "random"]},
        },
    }
    study, _, report = run("escape-times", tmp_path / "e", overrides)
    assert set(study.table()["dynamics"]) == {
        "levy", "box", "schedule", "well", "stationary", "random_curvature", "regression",
        "network",
    }  # fmt: skip
    verdicts = report["verdicts"]
    assert verdicts["levy_rate"]["status"] == "not established"
    assert "15 stationary scales" in verdicts["levy_rate"]["reason"]
    assert verdicts["sharp_minima_left_faster"]["status"] == "contradicted"
    assert verdicts["published_kappa"]["status"] == "contradicted"
    theory = pd.read_csv(tmp_path / "e/theory.csv").set_index("key")
    levy = theory.loc["exit_time[tail_index=1.8,law=20]"]
    assert levy["theory"] == 20
    assert not levy["inside"]
    assert levy["simulated"] < 10
    well = theory.loc["log_exit_time[sigma_h=0,barrier=0.1]"]
    assert well["theory"] == pytest.approx(1.504, abs=1e-3)
    assert well["simulated"] == pytest.approx(1.504, abs=0.5)
    figures = {path.stem for path in (tmp_path / "e/figures").iterdir()}
    assert figures == {"exit-time", "schedules", "barriers", "stationary"}


def test_large_batch_study_pairs_its_arms(tmp_path):
    study, _, report = run("large-batch-noise", tmp_path / "l", ARMS)
    table = study.table()
    assert set(table["arm"]) == {
        "large", "small", "gaussian", "sign", "isotropic", "scaled_rate"
    }  # fmt: skip
    assert len(table) == 2 * 6 * 2
    arms = pd.read_csv(tmp_path / "l/arms.csv")
    assert set(arms["arm"]) == {*table["arm"], "stopped"}
    rows = table[table["label_noise"] == 0.2].pivot_table("test_error", "seed", "arm")
    paired = (rows["gaussian"] - rows["large"]).mean()
    estimate = report["estimates"]["minus_large[label_noise=0.2,gaussian]"]
    assert estimate["value"] == pytest.approx(paired)
    assert len(report["verdicts"]) == 5


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("gradient-noise", {"batch_size": 4096}, "exceeds n_train"),
        ("gradient-noise", {"layer": 9}, "does not exist"),
        ("gradient-noise", {"n_batches": 50}, "at least 100"),
        ("gradient-noise", {"loss": "hinges"}, "did you mean 'hinge'"),
        ("escape-times", {"scans": {"a": {"dynamics": "levi"}}}, "did you mean 'levy'"),
        ("escape-times", {"scans": {"a": {"tail_index": 2.5}}}, "below 2"),
        ("large-batch-noise", {"scans": {"a": {"arm": "big"}}}, "arm='big' is unknown"),
    ],
)
def test_impossible_settings_are_refused_in_one_sentence(name, overrides, message):
    with pytest.raises(InvalidSettingError, match=message):
        resolve_spec(name, overrides)


def test_presets_resolve():
    for name in ("gradient-noise", "escape-times", "large-batch-noise"):
        for preset in ("quick", "standard", "paper"):
            spec = resolve_spec(name, {}, preset)
            assert spec.n_trainings() > 0
            assert np.isfinite(
                sum(spec.experiment.expected_seconds(point) for point in spec.points())
            )


@pytest.mark.parametrize(
    ("model", "others"),
    [
        ("perceptron", {"data": "perceptron", "layer": 1, "loss": ["hinge", "logistic"]}),
        ("mlp", {"activation": "gelu", "loss": "quadratic_hinge"}),
        ("cnn", {"width": 3, "depth": 1, "loss": "hinge", "n_train": 64}),
    ],
)
def test_gradient_noise_takes_every_model(model, others):
    settings = GRADIENTS | {"model": model, "epoch": 2, "batch_size": 8, "n_batches": 100}
    settings |= {"width": 32, "depth": 2} if model == "perceptron" else {}
    spec = resolve_spec("gradient-noise", settings | {"n_seeds": 1} | others)
    assert spec.experiment.check(spec) == "torch"
    for configuration in spec.points():
        (row,) = spec.experiment.measure(configuration, [0], "torch")
        assert row["n_sampled"] > 0
        assert row["gradient_norm"] > 0
        assert 0 <= row["test_error"] < 0.6


def test_arms_of_a_perceptron_and_what_it_refuses():
    settings = ARMS | {"model": "perceptron", "data": "perceptron", "loss": "hinge", "width": 32}
    spec = resolve_spec("large-batch-noise", settings | {"learning_rate": 30})
    assert spec.experiment.check(spec) == "torch"
    errors = {
        c["arm"]: spec.experiment.measure(c, [1], "torch")[0]["test_error"]
        for c in spec.points()
        if c["label_noise"] == 0
    }
    assert len(errors) == 6
    assert max(errors.values()) < 0.35  # 64 points in 64 dimensions, half is chance
    with pytest.raises(InvalidSettingError, match="width=8 has no meaning for model=perceptron"):
        resolve_spec("large-batch-noise", settings | {"width": 8})
    large = resolve_spec("large-batch-noise", settings | {"n_train": 10**6})
    with pytest.raises(InvalidSettingError, match="sample losses hold all samples at once"):
        large.experiment.check(large)


def test_a_plain_table_is_recognised_by_its_columns(tmp_path, capsys):
    def fit(table):
        with pytest.raises(SystemExit) as stop:
            main(["fit", str(table)])
        return stop.value.code, capsys.readouterr()

    study, summary, _ = run(
        "large-batch-noise", tmp_path / "l", ARMS | {"arm": ["large", "small"]}
    )
    plain = tmp_path / "mine.csv"
    study.table().to_csv(plain, index=False)
    code, said = fit(plain)
    assert code == 0
    assert summary.headline in said.out
    pd.DataFrame({"a": [1], "b": [2]}).to_csv(plain, index=False)
    code, said = fit(plain)
    assert code == 2
    assert "mine.csv has none of the columns of a study (it has a, b)" in said.err
    assert "--quantity: critical-temperature, phase-diagram" in said.err
    code, said = fit(tmp_path / "none.csv")
    assert (code, said.err.count("\n")) == (2, 1)
    assert "does not exist" in said.err
    for kind in ("gradient-noise", "effective-temperature", "escape-times"):
        with pytest.raises(SystemExit):
            main(["fit", str(plain), "--quantity", kind])
        assert "column" in capsys.readouterr().err
    assert kind_of_columns("t", ["method", "quantity", "load"]) == "effective-temperature"
    assert kind_of_columns("t", ["n_train", "seed"]) == "critical-temperature"
