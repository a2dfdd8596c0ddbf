"""Numbers behind the figures, forests and diagnostics of T_opt."""

from __future__ import annotations

import pandas as pd

from analysis.fits.forest import Forest, ForestRow, rows_of_law
from analysis.optimal_temperature.study import OptimalLaw, OptimalResult
from analysis.report.diagnostics import (
    Diagnostics,
    ends_of_runs,
    joined,
    precision_pairs,
    pulls_of,
    spread_of,
)


def minima_data(law: OptimalLaw) -> pd.DataFrame:
    """Test error minus its mean over T at every alpha and temperature."""
    return pd.DataFrame(
        {
            "alpha": optimum.alpha,
            "temperature": t,
            "test_error_difference": difference,
            "stderr": error,
            "mean_test_error": optimum.level,
            "n_seeds": optimum.n_seeds,
        }
        for optimum in law.optima
        for t, difference, error in zip(
            optimum.temperatures, optimum.differences, optimum.stderr, strict=True
        )
    )


OPTIMA = ("alpha", "optimal_temperature", "low68", "high68", "fitted", "status")
"""Numbers behind the figure of T_opt, columns of :attr:`OptimalLaw.located`."""


def optimal_forests(law: OptimalLaw) -> tuple[Forest, ...]:
    """Return k by polynomial and without each alpha in turn."""
    rows = rows_of_law(r"$k$, cubic", r"\alpha", law.law)
    if len(rows) < 2:
        return ()
    if law.check.exponent is not None:
        rows += (ForestRow(r"$k$, quadratic", law.check.exponent),)
    return (Forest(r"exponent  $k$", rows, law.predicted, systematic=law.systematic),)


def optimal_diagnostics(result: OptimalResult) -> Diagnostics:
    """Diagnose all runs; pulls are those of T_opt against alpha."""
    pulls = [
        pulls_of(law.label or "cubic", law.law.x, law.law.pulls)
        for law in result.laws
        if law.law.exponent is not None
    ]
    rows = result.table.frame
    if "alpha" not in rows:
        return Diagnostics(
            spread=spread_of(rows, "relative_weight_change"), ends=ends_of_runs(rows)
        )
    return Diagnostics(
        pulls=joined(pulls),
        spread=spread_of(rows, "relative_weight_change", "alpha"),
        ends=ends_of_runs(rows, "alpha"),
        precision=precision_pairs(rows),
        curve="alpha",
        pull_position="alpha",
    )
