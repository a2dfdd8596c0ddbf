"""Numbers behind the figures, forests and diagnostics of the phase diagram."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates import mean_over_runs, stderr_over_runs
from analysis.fits.forest import Forest, rows_of_law
from analysis.frame import Record
from analysis.phase_diagram.diagram import PhaseDiagram
from analysis.phase_diagram.study import PhaseResult
from analysis.report.diagnostics import Diagnostics, joined, precision_pairs, pulls_of, spread_of


def phase_data(diagram: PhaseDiagram) -> pd.DataFrame:
    """Weight change, test error and lost runs at every measured (alpha, T)."""
    return pd.DataFrame(row for scan in diagram.scans for row in _phase_rows(scan))


def _phase_rows(scan: Any) -> Iterable[Record]:
    curves, p = scan.curves, scan.p
    logs = curves.log_values("relative_weight_change")[p]
    change, change_error = np.exp(mean_over_runs(logs)), stderr_over_runs(logs)
    has_error = curves.has("test_error")
    errors = curves.values("test_error")[p] if has_error else np.full(logs.shape, math.nan)
    error, error_stderr = mean_over_runs(errors), stderr_over_runs(errors)
    lost = dict(zip(scan.edge.temperatures, scan.edge.fraction_lost, strict=True))
    for t in np.flatnonzero(curves.n_runs[p] > 0):
        temperature = float(curves.temperatures[t])
        yield {
            "alpha": scan.alpha,
            "temperature": temperature,
            "relative_weight_change": change[t],
            "relative_weight_change_stderr": change[t] * change_error[t],
            "test_error": error[t],
            "test_error_stderr": error_stderr[t],
            "n_runs": curves.n_runs[p][t],
            "n_fitted": curves.n_fitted[p][t],
            "fraction_lost": lost.get(temperature, math.nan),
            "stable": curves.stable[p][t],
        }


def phase_forests(diagram: PhaseDiagram) -> tuple[Forest, ...]:
    """Return the slopes of T_noise on both sides, without each alpha in turn."""
    theory = diagram.feature_slope
    sides = (
        ("α ≥ 10", diagram.lazy_law, -1.0),
        ("α ≤ 0.1", diagram.feature_law, theory),
    )
    return tuple(
        Forest(r"exponent of $T_\mathrm{noise}$", rows, expected, side)
        for side, law, expected in sides
        if (rows := rows_of_law(r"all $\alpha$", r"\alpha", law)) and len(rows) > 1
    )


def phase_diagnostics(result: PhaseResult) -> Diagnostics:
    """Diagnose all runs of the plane; where runs do not fit has a figure of its own."""
    laws = [law for each in result.diagrams for law in (each.lazy_law, each.feature_law)]
    names = [
        f"{side}{f', {each.label}' if each.label else ''}"
        for each in result.diagrams
        for side in ("α ≥ 10", "α ≤ 0.1")
    ]
    pulls = [
        pulls_of(name, law.x, law.pulls)
        for name, law in zip(names, laws, strict=True)
        if law.exponent is not None
    ]
    rows = result.table.frame
    if "alpha" not in rows:
        return Diagnostics(spread=spread_of(rows, "relative_weight_change"))
    return Diagnostics(
        pulls=joined(pulls),
        spread=spread_of(rows, "relative_weight_change", "alpha"),
        precision=precision_pairs(rows),
        curve="alpha",
        pull_position="alpha",
    )
