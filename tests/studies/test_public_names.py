"""Users import every public name from the package, which loads none of the heavy ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import studies

DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "api" / "studies.md"


def test_what_is_documented_is_public() -> None:
    lists = re.findall(r"members: \[(.*?)\]", DOCUMENTED.read_text())
    names = {name for listed in lists for name in listed.split(", ")}
    assert names == set(studies.__all__)
    for name in studies.__all__:
        assert getattr(studies, name) is not None
    assert set(studies.__all__) <= set(dir(studies))


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Stdy'"):
        _ = studies.Stdy


def test_the_sampler_is_still_where_version_0_1_documents_it() -> None:
    from studies.critical_temperature_sampler import CriticalTemperatureSampler

    assert CriticalTemperatureSampler is studies.CriticalTemperatureSampler


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import studies", ("numpy", "optuna", "ray", "mlflow", "torch", "analysis")),
        (
            "from studies import resolve_spec; resolve_spec('critical-temperature', {})",
            ("pandas", "optuna", "ray", "mlflow", "torch", "numba", "analysis"),
        ),
        (
            "from studies import recipe_names, resolve_spec, load_experiment\n"
            "for name in recipe_names(): resolve_spec(name, {})",
            ("optuna", "ray", "mlflow", "torch", "numba"),
        ),
    ],
    ids=["package", "spec", "experiments"],
)
def test_reading_specs_loads_nothing_that_measures(code: str, absent: tuple[str, ...]) -> None:
    code = f"import sys\n{code}\nprint([n for n in {absent} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
