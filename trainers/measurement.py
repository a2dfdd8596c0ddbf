"""What one training yields, and its flat record of plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from search_spaces import Point
from trainers.stopping import StopReason, check_interval, presentations

CURVE = "curve"
"""The one entry of a record that is no scalar; tables leave it out."""
CURVE_COLUMNS = (
    "n_steps",
    "training_time",
    "n_presentations",
    "relative_weight_change",
    "train_error",
    "test_error",
)
"""What each entry of a curve holds, in this order."""


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
    """Number of samples that pulled in these steps: violators, or all of a logistic loss."""
    test_error: float
    """Fraction of test points with y (f - f0) <= 0."""
    train_error: float
    """The same on the training points."""
    margin_min: float
    """Smallest y F of the training points; at least 1 when fitted."""
    margin_q05: float
    """y F below which 5 % of the training points lie."""
    margin_q50: float
    margin_q95: float
    layer_weight_change: tuple[float, ...] = ()
    """||w_l - w0_l|| / ||w0_l|| of each layer with its biases, the output last; empty for a
    perceptron, whose w0 is zero."""
    training_time_resolution: int | None = None
    """Steps between tests for fit, where they are more than one; None if t* is exact."""
    requested: dict[str, float] = field(default_factory=dict)
    """Columns of the point's observables (:mod:`trainers.probes.measure`)."""
    curve: tuple[tuple[float, ...], ...] | None = None
    """Entries of CURVE_COLUMNS at log-spaced times, the last one at the end."""

    @classmethod
    def of(
        cls,
        point: Point,
        backend: str,
        reason: StopReason,
        counts: Sequence[int],
        margins: np.ndarray,
        **observables: Any,
    ) -> Self:
        """Return what a training measured.

        Parameters
        ----------
        counts
            Index of the last step that moved the weights, number of those that did, and number
            of samples that pulled in them.
        margins
            y F of the training points.
        observables
            All other fields, and those that replace what `point` and `margins` tell.
        """
        n_steps, n_updates, n_violators = counts
        interval = check_interval(point)
        told = {
            "training_time": point.learning_rate * n_steps,
            "n_presentations": presentations(point, n_steps),
            "margin_min": float(margins.min()),
            "training_time_resolution": interval if interval > 1 else None,
            **margin_quantiles(margins),
        }
        return cls(
            backend=backend,
            stop_reason=reason,
            n_steps=n_steps,
            n_updates=n_updates,
            n_violators_used=n_violators,
            **(told | observables),
        )

    def to_row(self) -> dict[str, Any]:
        """Return plain Python scalars; a value that is not finite becomes None.

        A diverged training thus has no weight change rather than a NaN, which neither JSON nor
        every table format can hold. Only a curve, where one was asked for, is a list.
        """
        row = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _EXPANDED}
        for layer, change in enumerate(self.layer_weight_change, start=1):
            row[f"relative_weight_change_layer_{layer}"] = change
        if self.training_time_resolution is not None:
            row["training_time_resolution"] = self.training_time_resolution
        row = {name: _plain(value) for name, value in {**row, **self.requested}.items()}
        if self.curve is not None:
            row[CURVE] = [[_plain(value) for value in entry] for entry in self.curve]
        return row


_EXPANDED = ("layer_weight_change", "training_time_resolution", "requested", CURVE)


def margin_quantiles(margins: np.ndarray) -> dict[str, float]:
    """Return the 5, 50 and 95 % quantiles of y F: values of the sample, not interpolated.

    >>> margin_quantiles(np.arange(1.0, 101.0))
    {'margin_q05': 5.0, 'margin_q50': 50.0, 'margin_q95': 95.0}
    """
    ordered = np.sort(margins)
    names = {"margin_q05": 0.05, "margin_q50": 0.5, "margin_q95": 0.95}
    if not np.isfinite(ordered).all():
        return dict.fromkeys(names, math.nan)
    n = ordered.size
    return {name: float(ordered[math.ceil(q * n - 1e-9) - 1]) for name, q in names.items()}


def error_fraction(labels: np.ndarray, predictor: np.ndarray) -> float:
    """Return the fraction of points with y (f - f0) <= 0 or NaN."""
    right = int(np.count_nonzero(labels * predictor > 0))
    return (len(labels) - right) / len(labels)


def _plain(value: Any) -> Any:
    if isinstance(value, StopReason):
        return value.value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
