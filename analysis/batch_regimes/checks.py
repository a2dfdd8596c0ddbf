"""Numbers behind the figures, forests and diagnostics of the batch plane."""

from __future__ import annotations

import pandas as pd

from analysis.batch_regimes.plane import BatchPlane
from analysis.batch_regimes.study import BatchResult
from analysis.fits.forest import Forest, rows_of_law
from analysis.frame import number
from analysis.report.diagnostics import (
    Diagnostics,
    ends_of_runs,
    joined,
    precision_pairs,
    pulls_of_law,
    spread_of,
)


def batch_plane_data(plane: BatchPlane) -> pd.DataFrame:
    """Every measured (P, T, B) against the smallest B, with its phase."""
    return pd.DataFrame(
        {
            "n_train": cell.n_train,
            "temperature": cell.temperature,
            "batch_size": cell.batch_size,
            "learning_rate": cell.learning_rate,
            "phase": cell.phase,
            "n_runs": cell.n_runs,
            "n_fitted": cell.n_fitted,
            **number("log_weight_change_ratio", cell.weight_change),
            **number("log_training_time_ratio", cell.training_time),
            **number("test_error_difference", cell.test_error),
        }
        for cell in plane.cells
    )


CRITICAL_BATCHES = {
    "n_train": "n_train",
    "temperature": "temperature",
    "critical_batch_size": "critical_batch_size",
    "critical_batch_size_stderr": "critical_batch_size_stderr",
    "lower_bound": "bracket_low",
    "fitted": "fitted",
    "status": "status",
}
"""Numbers behind the figure of B*, columns of :attr:`BatchPlane.located`."""


def batch_forests(plane: BatchPlane) -> tuple[Forest, ...]:
    """Return the exponent of B* at every temperature, without each P in turn."""
    forests = []
    for law in plane.laws:
        if law.exponent is None:
            continue
        rows = rows_of_law("all sizes", "P", law.fit)
        label = f"T = {law.temperature:.3g}"
        forests.append(Forest(r"exponent of $B^*$", rows, label=label))
    return tuple(forests)


def batch_diagnostics(result: BatchResult) -> Diagnostics:
    """Diagnose all runs of the plane; what the step size does has figures of its own."""
    rows = result.table.frame
    rows = rows.assign(learning_rate=rows["temperature"] * rows["batch_size"])
    pulls = [
        pulls_of_law(f"T = {law.temperature:.3g}", law.fit)
        for plane in result.planes
        for law in plane.laws
        if law.exponent is not None
    ]
    return Diagnostics(
        pulls=joined(pulls),
        spread=spread_of(rows, "relative_weight_change", "n_train", "learning_rate"),
        ends=ends_of_runs(rows, "n_train", "learning_rate"),
        precision=precision_pairs(rows),
        position="learning_rate",
    )
