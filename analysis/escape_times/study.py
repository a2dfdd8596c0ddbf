"""Simulated escapes and stationary laws against theory, and the claims they decide.

The table holds what was simulated; every theoretical number is computed here. Cells outside the
range of an asymptotic law are marked and enter no verdict about that law.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.claims import Verdict
from analysis.escape_times.levy import box_claims, levy_claims, schedule_claims
from analysis.escape_times.power_law import (
    network_claims,
    random_curvature_claims,
    regression_claims,
    selectivity_claims,
    stationary_claims,
    well_claims,
)
from analysis.estimates import Estimate
from analysis.key import Key
from analysis.result import ClaimResult, cells, claim_result, require_columns


def analyse_escapes(frame: pd.DataFrame) -> ClaimResult:
    """Return simulated numbers beside theory and the verdicts on the claims.

    Raises
    ------
    AnalyseTableError
        If the table lacks a column or has no rows.
    """
    require_columns(frame, ("dynamics", "seed"), "escape-times")
    parts = {key[0]: part for key, part in cells(frame, "dynamics")}
    estimates: dict[Key, Estimate] = {}
    verdicts: dict[Key, Verdict] = {}
    theory: list[dict[str, Any]] = []
    for name, study in _STUDIES.items():
        if name in parts:
            found, judged, rows = study(parts[name])
            estimates |= found
            verdicts |= judged
            theory += rows
    verdicts |= selectivity_claims()
    tables = {"theory.csv": _table(theory)}
    return claim_result(_headline(verdicts), frame, estimates, verdicts, tables)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(dict.fromkeys(name for row in rows for name in row)))


def _headline(verdicts: dict[Key, Verdict]) -> str:
    counts: dict[str, int] = {}
    for verdict in verdicts.values():
        counts[verdict.status] = counts.get(verdict.status, 0) + 1
    return "claims about escapes: " + ", ".join(f"{n} {status}" for status, n in counts.items())


_STUDIES = {
    "levy": levy_claims,
    "box": box_claims,
    "schedule": schedule_claims,
    "stationary": stationary_claims,
    "random_curvature": random_curvature_claims,
    "regression": regression_claims,
    "network": network_claims,
    "well": well_claims,
}
