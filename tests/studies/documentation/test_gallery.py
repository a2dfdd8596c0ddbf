"""The gallery prints numbers that are known from elsewhere, and draws its figures."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_study import command_environment

GALLERY = Path(__file__).resolve().parents[3] / "examples" / "gallery"


@pytest.fixture
def printed(tmp_path):
    """Return a function that executes a script and returns what it printed."""

    def execute(name):
        script = GALLERY / f"{name}.py"
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env=command_environment(),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        figure = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert figure.count("<path") > 20
        return done.stdout

    return execute


def number(pattern, text):
    found = re.search(pattern + r"([0-9][0-9.e-]*)", text)
    assert found, f"no {pattern} in {text}"
    return float(found[1])


def test_every_script_is_tested_and_short():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    for script in GALLERY.glob("*.py"):
        assert script.stem in tested
        assert len(script.read_text().splitlines()) <= 75


@pytest.mark.verify
def test_find_your_critical_temperature(printed):
    """a(0.1) = 0.33 to 0.37 on digits, by width and range."""
    text = printed("find_your_critical_temperature")
    assert number(r"a\[lazy,c=0\.1\] = ", text) == pytest.approx(0.36, abs=0.08)
    assert number(r"P = 256: T_c = ", text) == pytest.approx(0.38, rel=0.1)
    assert "established" in text


@pytest.mark.verify
def test_take_the_temperature_of_your_model(printed):
    text = printed("take_the_temperature_of_your_model")
    bath, sgd = text.splitlines()[-2:]
    assert number("T_sec = ", bath) == pytest.approx(1e-3, rel=0.05)
    # Stiff directions are hotter.
    assert number("T_long = ", sgd) < number("T_sec = ", sgd) < number("T_short = ", sgd)
    assert "T_lazy(0.1) = " in text


@pytest.mark.verify
def test_is_your_noise_heavy_tailed(printed):
    lines = printed("is_your_noise_heavy_tailed").splitlines()[1:]
    initial, small, large = (number("heavy ", line) for line in lines)
    assert all(number("control ", line) <= 0.02 for line in lines)
    assert small > 0.9 > max(initial, large)
    assert number("tail index ", lines[1]) < number("tail index ", lines[2])
