"""The study at full size against the published laws, and the examples as a reader runs them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_study import command_environment

from analysis.estimates import format_value

ROOT = Path(__file__).resolve().parents[3]

# (value, standard error) of the published laws, 9 sizes and 64 seeds.
PUBLISHED = {
    "a[lazy,c=0.1]": (0.333, 0.003),
    "a[lazy,c=0.05]": (0.355, 0.003),
    "a[lazy,c=0.02]": (0.373, 0.003),
    "a[noise]": (0.044, 0.007),
    "gamma": (0.359, 0.005),
    "delta": (0.936, 0.005),
    "b": (1.27, 0.02),
}


@pytest.mark.verify
def test_paper_preset_reproduces_the_published_laws(run_thermometer, tmp_path, pages):
    arguments = ["--preset", "paper", "--out", "study", "--no-tracking"]
    done = run_thermometer(tmp_path, "run", "critical-temperature", *arguments)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "study/report.json").read_text())
    for key, (published, error) in PUBLISHED.items():
        found = report["estimates"][key]
        low, high = found["interval95"]
        pull = (found["value"] - published) / (found["stderr"] ** 2 + error**2) ** 0.5
        pages.add(
            "study",
            quantity=f"`{key}`",
            published=f"{published:.3f} ± {error:.3f}",
            measured=f"{found['value']:.4f} ± {found['stderr']:.4f}",
            interval=f"[{low:.3f}, {high:.3f}]",
            pull=f"{pull:+.1f}",
        )
        assert abs(pull) < 4, key


_PRINTED = {
    "inject_matched_noise": "test error = 0.",
    "model_noise": "theory 2.25",
    "temperature_of_your_model": "bath of temperature 1e-3: T_long = ",
}


@pytest.mark.verify
@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_example(example, tmp_path):
    assert len(example.read_text().splitlines()) < 40
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env=command_environment(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert _PRINTED.get(example.stem, "T_lazy(0.1) = ") in done.stdout


CLAIMS = (
    "power_law", "a_equals_gamma_over_delta", "collapse", "a_test_equals_a",
    "T_test_up_independent_of_P", "T_noise_independent_of_P", "training_time_is_linear_in_T",
)  # fmt: skip
GLYPHS = (
    *("run", "critical-temperature", "data=glyphs", "design=grid", "n_test=4096", "n_seeds=12"),
    "n_train=[64,128,256,512,1024,2048,4096,8192,16384]",
    "temperature=window(0.4, 2)",
    "thresholds=[0.1,0.05,0.03,0.02,0.015]",
    *("comparison_batch_size=null", "comparison_temperature=null", "--no-tracking", "--quiet"),
)


@pytest.mark.verify
def test_glyphs_to_16384(run_thermometer, pages):
    """A quarter of an hour of trainings, kept in build so that it can be interrupted."""
    folder = ROOT / "build/verification/glyph_law"
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = run_thermometer(ROOT, *GLYPHS, "--out", str(folder), timeout=2700)
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text())
    found = report["estimates"]
    for key, each in found.items():
        if not key.startswith(("T_", "C[")):
            low, high = each["interval95"]
            systematic = report["systematics"].get(key)
            where = each["fit_range"] + (f"; systematic ±{systematic:.3f}" if systematic else "")
            add_number(pages, f"`{key}`", each["value"], each["stderr"], (low, high), where)
    table = pd.read_csv(folder / "table.csv")
    for temperature in (0.0177828, 0.0562341, 0.177828, 0.562341):
        rows = table[table["temperature"] == temperature]
        where = f"P = 64..16384, T = {temperature:.3g}"
        add_number(pages, "local gamma", *mean_slope(rows, "n_train"), where)
    inside = table[table["temperature"].between(0.03, 0.32)]
    for n_train in (64, 512, 4096, 16384):
        rows = inside[inside["n_train"] == n_train]
        where = f"P = {n_train}, T = 0.0316..0.316"
        add_number(pages, "local delta", *mean_slope(rows, "temperature"), where)
    for key in CLAIMS:
        verdict = report["verdicts"][key]
        said = f"{verdict['status']}: {verdict['reason']}".replace("|", "/")
        pages.add("glyph_law", quantity=verdict["claim"], value="", interval="", where=said)
    # The law that the adaptive design found at c = 0.05.
    assert abs(found["a[lazy,c=0.05]"]["value"] - 0.467) < 3 * 0.011
    assert found["a[lazy,c=0.1]"]["value"] < found["a[lazy,c=0.02]"]["value"]


def add_number(pages, quantity, value, error, interval, where):
    shown = f"[{interval[0]:.3f}, {interval[1]:.3f}]"
    measured = format_value(value, error)
    pages.add("glyph_law", quantity=quantity, value=measured, interval=shown, where=where)


def mean_slope(rows, x):
    """Mean, standard error and interval of the slopes d ln dw/d ln x of single seeds."""
    fitted = rows[rows["stop_reason"] == "fitted"]
    fitted = fitted.assign(change=np.log(fitted["relative_weight_change"]))
    wide = fitted.pivot(index="seed", columns=x, values="change").dropna()
    slopes = np.polyfit(np.log(wide.columns.to_numpy(float)), wide.to_numpy().T, 1)[0]
    mean, error = slopes.mean(), slopes.std(ddof=1) / len(slopes) ** 0.5
    return mean, error, stats.t.interval(0.95, len(slopes) - 1, mean, error)
