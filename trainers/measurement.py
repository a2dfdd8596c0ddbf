"""What one training yields, and its flat record of plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from trainers.stopping import StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Observables of one trained replica, at the weights at which it stopped."""

    backend: str
    """Which implementation trained it: a name of :data:`trainers.trainer.BACKENDS`."""
    stop_reason: StopReason
    relative_weight_change: float
    """||w - w0|| / ||w0|| over all unnormalized parameters."""
    weight_norm: float
    """||w||."""
    training_time: float
    """t* = eta n_steps."""
    n_steps: int
    """Index, counted from 1, of the last step that moved the weights; 0 if none did."""
    n_presentations: int
    """B n_steps = t*/T."""
    n_updates: int
    """Number of steps that moved the weights."""
    n_violators_used: int
    """Number of violating samples in these steps; n_updates at B = 1."""
    test_error: float
    """Fraction of test points with y (f - f0) <= 0."""
    train_error: float
    """The same on the training points."""
    margin_min: float
    """Smallest y F of the training points; at least 1 when fitted."""

    def to_row(self) -> dict[str, Any]:
        """Return plain Python scalars; a value that is not finite becomes None.

        A diverged training thus has no weight change rather than a NaN, which neither JSON nor
        every table format can hold.
        """
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, StopReason):
        return value.value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
