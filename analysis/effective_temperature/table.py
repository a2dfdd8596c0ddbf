"""The table of the perceptron's dynamics, read back as temperatures and as replicas.

One row per configuration and seed. Curves travel in cells as JSON, because the slopes of averaged
curves are not the averages of slopes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.effective_temperature.slopes import (
    EffectiveTemperatures,
    FluctuationRecord,
    Stationarity,
    measure_temperatures,
)
from analysis.estimates import Estimate, estimate_from_error
from analysis.table import ReadTableError, read_frame

REQUIRED = ("point", "seed", "method", "quantity", "load", "learning_rate", "active_fraction")
FAMILY = {
    "loss": "quadratic_hinge",
    "target_margin": 1.0,
    "ridge": 0.0,
    "initial_scale": 1.0,
    "task": "random",
    "separation": 1.0,
}
"""Settings that tell problems apart, with usual values; laws are taken within one family."""
REPLICA_COLUMNS = (
    "replica_distance",
    "replica_angle",
    "replica_disagreement",
    "width_mean",
    "width_contact",
    "width_hard",
    "width_spread",
    "train_loss",
    "squared_norm",
)
NO_NOISE = (
    "full batch without a bath has no noise: its temperature is zero, and B(L) is the rest of the "
    "relaxation; set active_fraction below 1 or langevin_temperature above 0"
)
REST_LOSS = 1e-4
"""Train loss per sample below which replicas no longer part or approach."""


@dataclass(frozen=True, order=True)
class Control:
    """The settings that a study of temperatures varies."""

    load: float
    learning_rate: float
    active_fraction: float
    persistence_time: float
    """0 for selections drawn afresh."""
    langevin_temperature: float
    duration: float
    """Time eta t at which replicas are compared; 0 for temperatures."""
    family: tuple[str, ...]
    """Loss, task and what else is fixed."""

    @property
    def noise_strength(self) -> float:
        """eta (1-b)/b."""
        return self.learning_rate * (1.0 - self.active_fraction) / self.active_fraction

    @property
    def persistence_gain(self) -> float:
        """(1 + rho)/(1 - rho), the factor by which persistence adds to slow noise; 1 without."""
        if self.persistence_time == 0.0:
            return 1.0
        return (
            2.0 * (1.0 - self.active_fraction) * self.persistence_time / self.learning_rate - 1.0
        )

    @property
    def has_noise(self) -> bool:
        """Whether anything fluctuates: mini-batches or a bath."""
        return self.active_fraction < 1.0 or self.langevin_temperature > 0.0

    @property
    def is_plain(self) -> bool:
        """Whether it is plain SGD: mini-batches drawn afresh, no added noise."""
        fresh = self.persistence_time == 0.0 and self.langevin_temperature == 0.0
        return fresh and self.active_fraction < 1.0

    @property
    def label(self) -> str:
        """Short text."""
        text = f"load={self.load:g}, eta={self.learning_rate:g}, b={self.active_fraction:g}"
        if self.persistence_time:
            text += f", tau={self.persistence_time:g}"
        if self.langevin_temperature:
            text += f", T_L={self.langevin_temperature:g}"
        if self.duration:
            text += f", time={self.duration:g}"
        usual = {f"{name}={value}" for name, value in FAMILY.items()}
        return ", ".join([text, *(item for item in self.family if item not in usual)])


@dataclass(frozen=True)
class TemperatureCell:
    """The temperatures of one configuration."""

    control: Control
    method: str
    """``simulation`` or ``mean_field``."""
    size: str
    """``N=500`` for a simulation, else the method."""
    seeds: tuple[int, ...]
    found: EffectiveTemperatures
    bare: float
    """T_0 of equations (11) and (12), from the measured E[l'^2]."""
    loss: float
    """Mean train loss."""


@dataclass(frozen=True)
class ReplicaCell:
    """Replicas and widths of one configuration."""

    control: Control
    method: str
    size: str
    seeds: tuple[int, ...]
    columns: dict[str, FloatArray] = field(repr=False)
    """By name of REPLICA_COLUMNS, each of shape (seeds,)."""

    @property
    def unrest(self) -> str:
        """Why distance and widths may still change; empty at rest."""
        loss = float(self.columns["train_loss"].mean())
        if loss < REST_LOSS:
            return ""
        return (
            f"not at rest: train loss {loss:.2g} at time {self.control.duration:g} (limit "
            f"{REST_LOSS:g}), distance and widths may still change"
        )

    def estimate(self, name: str) -> Estimate:
        """Return the mean over seeds of a column."""
        values = self.columns[name]
        n = values.size
        error = float(values.std(ddof=1) / math.sqrt(n)) if n > 1 else None
        return estimate_from_error(
            float(values.mean()),
            error,
            n - 1,
            n,
            definition=name,
            fit_range=f"time {self.control.duration:g}",
        )


class TemperatureTable:
    """Rows of the experiment `perceptron-dynamics`.

    Raises
    ------
    ReadTableError
        If a required column is missing.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        missing = [name for name in REQUIRED if name not in frame]
        if missing:
            raise ReadTableError(f"the table lacks the columns {', '.join(missing)}")
        if frame.empty:
            raise ReadTableError("the table has no rows")
        self.frame = frame

    @classmethod
    def read_csv(cls, path: str | Path) -> TemperatureTable:
        """Read the table of a study."""
        return cls(read_frame(path))

    @property
    def n_rows(self) -> int:
        """Number of measured seeds over all configurations."""
        return len(self.frame)

    def temperatures(self, method: str) -> list[TemperatureCell]:
        """Return one cell per configuration of a method, in the order of its controls."""
        cells = [_temperature_cell(rows, method) for rows in self._groups(method, "temperature")]
        return sorted(cells, key=lambda cell: cell.control)

    def replicas(self, method: str) -> list[ReplicaCell]:
        """Return one cell per configuration of a method, in the order of its controls."""
        cells = [_replica_cell(rows, method) for rows in self._groups(method, "replicas")]
        return sorted(cells, key=lambda cell: cell.control)

    def _groups(self, method: str, quantity: str) -> Iterator[pd.DataFrame]:
        chosen = (self.frame["method"] == method) & (self.frame["quantity"] == quantity)
        for _, rows in self.frame[chosen].groupby("point", sort=True):
            yield rows.sort_values("seed")


def _control(row: pd.Series[Any]) -> Control:
    def number(name: str) -> float:
        value = row.get(name, 0.0)
        return 0.0 if value is None or value != value else float(value)

    return Control(
        load=number("load"),
        learning_rate=number("learning_rate"),
        active_fraction=number("active_fraction"),
        persistence_time=number("persistence_time"),
        langevin_temperature=number("langevin_temperature"),
        duration=number("duration"),
        family=tuple(f"{name}={row[name]}" for name in FAMILY if name in row),
    )


def _size(row: pd.Series[Any], method: str) -> str:
    return f"N={row['n_weights']:.0f}" if method == "simulation" and "n_weights" in row else method


def _temperature_cell(rows: pd.DataFrame, method: str) -> TemperatureCell:
    drifts = [json.loads(text) for text in rows["drifts"]]
    record = FluctuationRecord(
        displacement=np.array([json.loads(text) for text in rows["displacement"]]),
        response=np.array([json.loads(text) for text in rows["response"]]),
        series={name: np.array([drift[name] for drift in drifts]) for name in drifts[0]},
    )
    control, found = _control(rows.iloc[0]), measure_temperatures(record)
    return TemperatureCell(
        control=control,
        method=method,
        size=_size(rows.iloc[0], method),
        seeds=tuple(int(seed) for seed in rows["seed"]),
        found=found if control.has_noise else _without_temperature(found),
        bare=float(rows["temperature_bare"].mean()),
        loss=float(rows["train_loss"].mean()),
    )


def _without_temperature(found: EffectiveTemperatures) -> EffectiveTemperatures:
    """Return what is left of slopes where nothing fluctuates."""
    return replace(
        found, long=None, secant=None, short=None, stationarity=Stationarity(False, (NO_NOISE,))
    )


def _replica_cell(rows: pd.DataFrame, method: str) -> ReplicaCell:
    return ReplicaCell(
        control=_control(rows.iloc[0]),
        method=method,
        size=_size(rows.iloc[0], method),
        seeds=tuple(int(seed) for seed in rows["seed"]),
        columns={name: rows[name].to_numpy(dtype=np.float64) for name in REPLICA_COLUMNS},
    )
