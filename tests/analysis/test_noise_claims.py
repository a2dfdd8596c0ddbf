"""Verdicts on planted tables of the studies of noise."""

import numpy as np
import pandas as pd
import pytest

from analysis.escape_times.study import analyse_escapes
from analysis.gradient_noise.study import analyse_gradient_noise, parameter_frame
from analysis.large_batch_noise.study import analyse_large_batches
from analysis.report.content import ReportContext
from analysis.report.page import write_report
from analysis.result import AnalyseTableError, mean_over_seeds


def layers(index_at, heavy=1.0, used=20):
    """Rows of gradient-noise whose indices are `index_at(epoch, B)` plus a fixed ordering."""
    rng = np.random.default_rng(0)
    own = np.linspace(-0.1, 0.1, used)
    rows = []
    for seed in (0, 1):
        for epoch in (0, 5):
            for size in (4, 16, 64):
                index = index_at(epoch, size) + own + 0.005 * rng.standard_normal(used)
                rows.append(
                    {
                        "seed": seed, "epoch": epoch, "batch_size": size, "layer": 1,
                        "n_sampled": used + 5, "n_used": used, "n_dead": 2, "n_atoms": 3,
                        "n_not_finite": 0, "fraction_heavy": heavy, "surrogate_heavy": 0.0,
                        "surrogate_tail_index": 2.0, "median_tail_index": np.median(index),
                        "tail_index_low": index.min(), "tail_index_high": index.max(),
                        "fraction_student": 0.2, "fraction_neither": 0.1, "spread": own.std(),
                        "estimation_error": 0.005, "split_half": 0.95,
                        "kurtosis_correlation": -0.9, "pooled_surrogate_tail_index": 1.6,
                        "pooled_tail_index": 1.4, "stability_gap": 0.1,
                        "median_student_dof": 4.0, "median_ks_stable": 0.02,
                        "median_ks_gaussian": 0.05, "parameters": " ".join(map(str, range(used))),
                        "tail_indices": " ".join(f"{v:.4f}" for v in index),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def statuses(result):
    return {key: verdict.status for key, verdict in result.verdicts.items()}


def test_a_planted_stable_law_is_found():
    found = statuses(analyse_gradient_noise(layers(lambda epoch, size: 1.5)))
    assert set(found.values()) == {"established"}


def test_an_index_that_rises_with_the_batch_contradicts_stability(tmp_path):
    frame = layers(lambda epoch, size: 1.3 + 0.1 * np.log(size))
    result = analyse_gradient_noise(frame)
    assert statuses(result)["literally_stable"] == "contradicted"
    assert result.estimates["tail_index_slope[epoch=5]"].value == pytest.approx(0.1, abs=0.01)
    assert result.estimates["excluded[epoch=5,B=4]"].value == pytest.approx(0.2)
    from analysis.gradient_noise.report import gradient_noise_content

    page = write_report(gradient_noise_content(result, ReportContext()), tmp_path).read_text()
    assert "it rises as for noise of finite variance" in page


def test_gaussian_noise_contradicts_heavy_tails():
    found = statuses(analyse_gradient_noise(layers(lambda epoch, size: 1.9, heavy=0.0)))
    assert found["heavier_than_gaussian"] == "contradicted"


def test_a_table_in_which_every_parameter_is_excluded_says_so(tmp_path):
    frame = layers(lambda epoch, size: 1.5)
    gone = [c for c in frame if frame[c].dtype.kind == "f"]
    frame[gone] = np.nan
    frame["n_used"] = 0
    frame["tail_indices"] = " ".join(["nan"] * 20)
    result = analyse_gradient_noise(frame)
    assert result.headline() == "gradient noise: no parameter could be analysed"
    assert set(statuses(result).values()) == {"not established"}
    from analysis.gradient_noise.report import gradient_noise_content

    assert write_report(gradient_noise_content(result, ReportContext()), tmp_path).exists()


def test_parameters_unfold_one_per_row():
    frame = layers(lambda epoch, size: 1.5)
    unfolded = parameter_frame(frame)
    assert len(unfolded) == 20 * len(frame)
    assert unfolded["tail_index"].between(1.3, 1.7).all()


def arms(offsets, n_seeds=12):
    rng = np.random.default_rng(1)
    base = 0.2 + 0.02 * rng.standard_normal(n_seeds)
    rows = [
        {
            "seed": seed, "arm": arm, "label_noise": noise, "train_error": 0.1,
            "test_error": base[seed] + offset + 0.002 * rng.standard_normal(),
            "stopped_test_error": base[seed] - 0.05,
        }
        for noise, by_arm in offsets.items()
        for arm, offset in by_arm.items()
        for seed in range(n_seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_planted_arms_are_told_apart():
    helped = {"large": 0.0, "small": -0.03, "gaussian": -0.03, "isotropic": 0.02}
    result = analyse_large_batches(arms({0.2: helped, 0.0: dict.fromkeys(helped, 0.0)}))
    found = statuses(result)
    assert found["reproduces_small_batch"] == "established"
    assert found["improves_large_batch"] == "not established"
    assert "helps" in result.verdicts["improves_large_batch"].reason
    assert "no resolved difference" in result.verdicts["improves_large_batch"].reason
    assert found["alignment_matters"] == "established"
    assert found["beats_early_stopping"] == "contradicted"
    assert found["rate_is_a_substitute"] == "not established"
    difference = result.estimates["minus_large[label_noise=0.2,gaussian]"]
    assert difference.value == pytest.approx(-0.03, abs=3e-3)
    assert difference.stderr < 2e-3  # paired: the spread of the seeds is gone


def test_arms_that_cannot_be_told_apart_establish_nothing():
    names = ("large", "small", "gaussian", "isotropic", "scaled_rate")
    found = statuses(analyse_large_batches(arms({0.2: dict.fromkeys(names, 0.0)})))
    assert found["reproduces_small_batch"] == "not established"
    assert found["improves_large_batch"] == "not established"
    assert found["rate_is_a_substitute"] == "not established"


def test_one_seed_gives_numbers_without_verdicts():
    result = analyse_large_batches(arms({0.2: {"large": 0.0, "gaussian": -0.1}}, n_seeds=1))
    assert set(statuses(result).values()) == {"not established"}
    assert result.estimates["minus_large[all,gaussian]"].stderr is None


def test_tables_without_what_is_needed_are_refused():
    with pytest.raises(AnalyseTableError, match="tail_indices"):
        analyse_gradient_noise(layers(lambda e, b: 1.5).drop(columns="tail_indices"))
    with pytest.raises(AnalyseTableError, match="no rows"):
        analyse_large_batches(arms({0.2: {"large": 0.0}}).head(0))
    with pytest.raises(AnalyseTableError, match="dynamics"):
        analyse_escapes(pd.DataFrame({"seed": [1]}))


def test_means_over_seeds_have_students_interval():
    found = mean_over_seeds([1.0, 2.0, 3.0, np.nan], definition="x", fit_range="all")
    assert (found.value, found.n) == (2.0, 3)
    assert found.stderr == pytest.approx(1 / np.sqrt(3))
    assert found.interval95[1] == pytest.approx(2 + 4.3027 / np.sqrt(3), rel=1e-4)
    assert mean_over_seeds([np.nan], definition="x", fit_range="all") is None
    geometric = mean_over_seeds([1.0, 100.0], definition="x", fit_range="all", logarithmic=True)
    assert geometric.value == pytest.approx(10)
