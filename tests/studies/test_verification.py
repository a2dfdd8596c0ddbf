"""The study at full size against the published laws, and the examples as a reader runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_study import command_environment

ROOT = Path(__file__).resolve().parents[2]

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


_PRINTED = {"inject_matched_noise": "test error = 0.", "model_noise": "theory 2.25"}


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
