"""The (T, B) plane of one size: its cells and the regimes they lie in."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis.batch_regimes.critical_batch import CriticalBatch, CriticalBatchLaw
from analysis.batch_regimes.grid import BatchGrid, NoiseScale
from analysis.estimates import Estimate
from analysis.frame import Record, estimates_of, number, tidy
from analysis.key import Key
from analysis.locating.window import Window
from analysis.table import settings_label

NOISE_DOMINATED = "noise_dominated"
FIRST_STEP = "first_step_dominated"
GRADIENT_DESCENT = "gradient_descent"
BEYOND = "beyond the stable step"
UNKNOWN = "not comparable"
PHASES = (NOISE_DOMINATED, FIRST_STEP, GRADIENT_DESCENT, BEYOND, UNKNOWN)

SMALL_BATCH = 4
"""Largest B at which only T should matter."""


@dataclass(frozen=True)
class BatchCell:
    """One measured (P, T, B) against the smallest B at the same (P, T)."""

    n_train: int
    temperature: float
    batch_size: int
    learning_rate: float
    phase: str
    """A name of :data:`PHASES`."""
    n_runs: int
    n_fitted: int
    weight_change: Estimate | None
    """ln dw(B)/dw(B0), paired by seed."""
    training_time: Estimate | None
    """ln t*(B)/t*(B0), paired by seed."""
    test_error: Estimate | None
    """Test error at B minus that at B0, paired by seed."""

    @property
    def is_calm(self) -> bool:
        """Whether eta is at most eta_max/2."""
        return self.phase != BEYOND


@dataclass(frozen=True)
class BatchPlane:
    """The (B, eta) plane of one set of settings at all its P."""

    settings: dict[str, Any]
    """Settings that tell this plane from others; empty if there is one."""
    window: Window | None
    """T_1 and eta_max of this network, None if alpha is unknown."""
    grid: BatchGrid = field(repr=False)
    """The data as arrays."""
    cells: tuple[BatchCell, ...]
    """Every measured cell."""
    laws: tuple[CriticalBatchLaw, ...]
    """B*(P), one per temperature."""
    pooled: dict[tuple[int, str], Estimate]
    """Paired differences pooled over T and 1 < B <= 4, by size and observable."""
    noise_scale: tuple[NoiseScale, ...]
    """Gradient noise scale; empty if not measured."""

    @property
    def label(self) -> str:
        """``alpha=100`` or ``""``."""
        return settings_label(self.settings)

    @property
    def headline_law(self) -> CriticalBatchLaw:
        """The law with most located sizes, of equals the one at the highest T."""
        return max(self.laws, key=lambda law: (len(law.located), law.temperature))

    @cached_property
    def located(self) -> pd.DataFrame:
        """B* at every P and T, or why there is none."""
        return tidy(self._row(law, batch) for law in self.laws for batch in law.batches)

    def _row(self, law: CriticalBatchLaw, batch: CriticalBatch) -> Record:
        estimate = batch.estimate()
        key = self.key("B_star", n_train=batch.n_train, temperature=batch.temperature)
        fitted = math.nan
        if law.exponent is not None:
            fitted = float(law.fit.evaluate(np.array([float(batch.n_train)]))[0])
        return {
            "plane": self.label,
            "n_train": batch.n_train,
            "temperature": batch.temperature,
            **number("critical_batch_size", estimate),
            "log_stderr": batch.log_stderr,
            "bracket_low": batch.bracket[0],
            "bracket_high": batch.bracket[1],
            "n_seeds": batch.n_seeds,
            "status": batch.status,
            "message": batch.message,
            "fitted": fitted,
            "estimate": estimate,
            "estimates": {key: estimate},
        }

    def key(self, name: str, /, **settings: Any) -> Key:
        """Return ``name[settings,label]``."""
        return Key(name, **settings, **self.settings)

    def estimates(self) -> dict[Key, Estimate]:
        """Return every number by its key, e.g. ``B_star[n_train=512,temperature=0.01]``."""
        found: dict[Key, Estimate | None] = {}
        for law in self.laws:
            found[self.key("gamma_B_star", temperature=law.temperature)] = law.exponent
            found |= estimates_of(self.located[self.located["temperature"] == law.temperature])
        for (size, observable), estimate in self.pooled.items():
            found[self.key(f"small_batches_{observable}", n_train=size)] = estimate
        for scale in self.noise_scale:
            at = {"n_train": scale.n_train, "temperature": scale.temperature}
            known = {name: value for name, value in at.items() if value is not None}
            found[self.key(f"gradient_noise_scale_{scale.when}", **known)] = scale.estimate
        return {key: estimate for key, estimate in found.items() if estimate is not None}
