"""What the kind `critical-temperature` takes of a study's spec for its analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.critical_temperature.study import (
    DEFAULT_THRESHOLDS,
    ScalingResult,
    analyse_scaling,
)
from analysis.table import MeasurementTable

if TYPE_CHECKING:
    from studies.contracts import Asked


def analyse(
    table: MeasurementTable, spec: Asked | None, thresholds: tuple[float, ...] | None
) -> ScalingResult:
    """Fit the laws of every batch size that the study scans."""
    if spec is None:
        return analyse_scaling(table, thresholds=thresholds or DEFAULT_THRESHOLDS)
    return analyse_scaling(
        table,
        thresholds=thresholds or spec.thresholds,
        batch_sizes=spec.batch_sizes() if spec.lists_batch_sizes else None,
        design=spec.design,
        tolerance=spec.tolerance,
    )
