"""What the kinds of the (alpha, T) and (B, eta) planes know of a table beside its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.batch_regimes.study import BatchResult, analyse_batch_regimes
from analysis.locating.window import Window
from analysis.phase_diagram.study import PhaseResult, analyse_phase_diagram
from analysis.table import MeasurementTable
from search_spaces.defaults import MODEL_DEFAULTS
from search_spaces.windows import onset_temperature, stable_learning_rate

if TYPE_CHECKING:
    from studies.contracts import Asked


def analyse_plane(
    table: MeasurementTable, spec: Asked | None, thresholds: tuple[float, ...] | None
) -> PhaseResult:
    """Locate the lines of every diagram; the first threshold defines T_lazy(c)."""
    asked = thresholds or ((0.1,) if spec is None else spec.thresholds)
    return analyse_phase_diagram(table, windows_of(table), asked[0])


def analyse_batches(table: MeasurementTable) -> BatchResult:
    """Locate B* at every P and T."""
    return analyse_batch_regimes(table, windows_of(table))


def windows_of(table: MeasurementTable) -> dict[float, Window]:
    """Return the scales of temperature of every alpha of a table, at its largest depth."""
    frame = table.frame
    depth = int(frame["depth"].max()) if "depth" in frame else int(MODEL_DEFAULTS["mlp"]["depth"])
    if "alpha" not in frame:
        return {}
    return {
        float(alpha): Window(onset_temperature(alpha, depth), stable_learning_rate(alpha, depth))
        for alpha in frame["alpha"].unique()
    }
