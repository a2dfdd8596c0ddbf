"""What a study makes of its table: one module per kind of study.

A module of this package offers `analyse`, which turns the table into a result, and `content`,
which turns the result into a report. The driver, the ledger and MLflow treat all kinds alike.
"""

from __future__ import annotations

import importlib
from typing import cast

from search_spaces.choices import check_name
from studies.contracts import Kind

KINDS = (
    "critical-temperature",
    "phase-diagram",
    "batch-regimes",
    "optimal-temperature",
    "effective-temperature",
    "perceptron-exponents",
    "gradient-noise",
    "escape-times",
    "large-batch-noise",
)
"""Names of the kinds; each is a module, with underscores."""


def load_kind(name: str) -> Kind:
    """Return the module of a kind of study.

    Raises
    ------
    InvalidSettingError
        For an unknown name.
    """
    check_name("kind", name, KINDS)
    return cast(Kind, importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))
