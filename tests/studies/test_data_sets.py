"""A study on data without end, and on images that are not here."""

import csv

from trainers.data.image_sets import VARIABLE


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
