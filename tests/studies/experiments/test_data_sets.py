"""A study on data without end, and on images that are not here."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from studies import RunOptions, Study
from studies.specs.resolve import resolve_spec
from trainers import data
from trainers.data.image_sets import CIFAR10, MNIST, VARIABLE, load_images, write_images


@pytest.mark.apart
def test_a_study_of_glyphs_says_what_its_intervals_are_conditional_on(tmp_path, run_thermometer):
    result = run_thermometer(
        tmp_path,
        *("run", "critical-temperature", "data=glyphs", "n_train=[16,32]", "width=16"),
        *("temperature=[0.1,0.3]", "comparison_batch_size=2", "comparison_temperature=[0.1]"),
        *("n_seeds=2", "n_test=100", "--executor", "serial", "--no-tracking", "--out", "run"),
    )
    assert result.returncode == 0, result.stderr
    with (tmp_path / "run" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert {row["data"] for row in rows} == {"glyphs"}
    assert {row["stop_reason"] for row in rows} == {"fitted"}
    report = (tmp_path / "run" / "report.html").read_text()
    assert "conditional on the law of glyphs data" in report


def test_missing_images_are_refused_before_anything_is_written(
    tmp_path, run_thermometer, monkeypatch
):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    result = run_thermometer(
        tmp_path, "run", "critical-temperature", "data=mnist", "--executor", "serial"
    )
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith("thermometer: data=mnist is not here: put train-images-idx3-ubyte")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


N_IMAGES = 40
SMALL = {"n_train": [8, 16], "n_test": 8, "n_seeds": 2, "width": 6, "depth": 2, "model": "cnn"}
WINDOW = {"kernel_diagonal": 1.0, "stable_learning_rate": 2.0}
STUDIES = {
    "critical-temperature": {
        "data": "mnist", **WINDOW, "design": "grid", "temperature": "log(0.1, 1, 1)",
        "comparison_batch_size": None, "comparison_temperature": None,
    },
    "phase-diagram": {
        "data": "cifar10", **WINDOW, "scans": None, "alpha": [1, 100], "temperature": [0.1, 1],
    },
    # Its scan of the noise scale is left out: a convolutional network has no such observable.
    "batch-regimes": {
        "data": "mnist", "batch_size": [1, 4], "temperature": [0.1], "scans.small.n_train": [8],
        "scans.small.batch_size": [1, 2], "scans.small.n_seeds": 2,
    },
}  # fmt: skip


@pytest.fixture(name="short_sets")
def _short_sets(tmp_path, monkeypatch):
    """MNIST and CIFAR-10 of 40 images each, in files of the original format."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    rng = np.random.default_rng(0)
    for full in (MNIST, CIFAR10):
        files = full.parts[0][0]
        short = replace(full, parts=((files, N_IMAGES),))
        pixels = rng.integers(0, 256, (N_IMAGES, int(np.prod(full.input_shape))), dtype=np.uint8)
        classes = (np.arange(N_IMAGES) % 10).astype(np.uint8)
        write_images(short, tmp_path / full.folders[0], pixels, classes)
        monkeypatch.setitem(data._LOADERS, full.name, lambda short=short: load_images(short))
    data._load.cache_clear()
    yield
    data._load.cache_clear()


@pytest.mark.parametrize("study", STUDIES)
def test_convolutional_networks_learn_images_from_files(short_sets, tmp_path, study):
    instance = Study(study, resolve_spec(study, {**SMALL, **STUDIES[study]}), tmp_path / "s")
    instance.run(RunOptions(executor="serial", tracking=False, quiet=True))
    table = instance.table().frame
    assert set(table["data"]) == {STUDIES[study]["data"]}
    assert set(table["model"]) == {"cnn"}
    assert (table["stop_reason"] == "fitted").mean() > 0.5
    report = json.loads((tmp_path / "s/report.json").read_text())
    assert report["counts"]["planned"] == len(table)
    assert (tmp_path / "s/report.html").exists()
