"""Users import every public name from the package, and numbers never import drawing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import analysis

DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "api" / "analysis.md"
NUMBERS = [name for name in analysis.__all__ if name not in ("write_report",)]


def test_what_is_documented_is_public() -> None:
    lists = re.findall(r"members: \[(.*?)\]", DOCUMENTED.read_text())
    names = {name for listed in lists for name in listed.split(", ")}
    assert names <= set(analysis.__all__)
    for name in analysis.__all__:
        assert getattr(analysis, name) is not None
    assert set(analysis.__all__) <= set(dir(analysis))


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyze'"):
        _ = analysis.analyze


@pytest.mark.parametrize("names", ["MeasurementTable", ", ".join(NUMBERS)], ids=["one", "all"])
def test_numbers_never_import_drawing(names: str) -> None:
    code = f"import sys; from analysis import {names}; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
