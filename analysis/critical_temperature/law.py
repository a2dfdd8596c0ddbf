"""What is measured of one law at least: T_lazy(c) at every size, and its power law in P.

A law holds at fixed settings (alpha, width, data, ...) and one batch size; sizes, temperatures and
seeds are its data. What else it holds depends on its design: :class:`GridLaw` or
:class:`AdaptiveLaw`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.critical_temperature.comparison.batches import BatchComparison
from analysis.curves import Curves
from analysis.estimates import Estimate, estimate_from_error, estimate_from_replicates
from analysis.fits.power_law import PowerLaw
from analysis.frame import estimates_of
from analysis.key import Key
from analysis.locating.located import LOCATED, POSTERIOR, CriticalTemperature, CriticalTemperatures
from analysis.table import settings_label


@dataclass(frozen=True)
class ScalingLaw(ABC):
    """One law: T_lazy(c) and its power law, whatever the design."""

    settings: dict[str, Any]
    """Settings that tell this law from the others; empty if there is one law."""
    batch_size: int | None
    """B of the runs in the fits, if the table says."""
    curves: Curves = field(repr=False)
    """The data as arrays."""
    thresholds: tuple[float, ...]
    """Values c of T_lazy(c); the first is the headline."""
    lazy: dict[float, CriticalTemperatures]
    """T_lazy(c) by c."""
    fits: dict[float, PowerLaw]
    """Power law of T_lazy(c) by c."""
    batches: BatchComparison
    """Weight change at equal T for other batch sizes."""

    is_adaptive: ClassVar[bool] = False
    """Whether temperatures and seeds are the curves' own, so that only T_lazy is measured."""

    @property
    @abstractmethod
    def replicas(self) -> str:
        """``32 seeds`` or ``58 trainings``."""

    @abstractmethod
    def unmeasured(self) -> dict[Key, str]:
        """Return why a quantity of the study has no number, by its key."""

    @abstractmethod
    def other_laws(self) -> list[tuple[CriticalTemperatures, PowerLaw]]:
        """Return T_noise and T_test with their power laws, measured or not."""

    def other_estimates(self) -> dict[Key, Estimate]:
        """Return the numbers by key that belong to no critical temperature."""
        return {}

    @property
    def label(self) -> str:
        """``alpha=100`` or ``""``."""
        return settings_label(self.settings)

    @property
    def headline(self) -> float:
        """The threshold c whose law is the answer."""
        return self.thresholds[0]

    @property
    def fit(self) -> PowerLaw:
        """The power law that is the answer."""
        return self.fits[self.headline]

    @property
    def n_seeds(self) -> int:
        """Independent replicas S; of an adaptive design the trainings close to the crossings."""
        return self.lazy[self.headline].n_clusters

    def key(self, name: str, /, *words: str, **settings: Any) -> Key:
        """Return ``name[words,settings,label]``, the key of an estimate or verdict."""
        return Key(name, *words, **settings, **self.settings)

    def key_of(self, name: str, temperatures: CriticalTemperatures, /, **settings: Any) -> Key:
        """Return the key of a number of one critical temperature, e.g. ``a[lazy,c=0.1]``."""
        return temperatures.key(name, **settings, **self.settings)

    def exponents_over_thresholds(self) -> dict[float, float]:
        """Return a(c) for every c whose exponent is determined."""
        return {c: fit.quoted.value for c, fit in self.fits.items() if fit.quoted is not None}

    @property
    def systematic(self) -> float | None:
        """Half the spread of a over the thresholds; None for fewer than two."""
        values = list(self.exponents_over_thresholds().values())
        return (max(values) - min(values)) / 2 if len(values) > 1 else None

    def systematics(self) -> dict[Key, float | None]:
        """Return the systematic of a by key: half its spread over c."""
        return {self.key_of("a", self.lazy[self.headline]): self.systematic}

    def estimates(self) -> dict[Key, Estimate]:
        """Return every number of this law by its key; exponents only where determined."""
        result: dict[Key, Estimate] = {}
        for temperatures, fit in self._laws():
            if fit.quoted is not None and fit.prefactor is not None:
                result[self.key_of("a", temperatures)] = fit.quoted
                result[self.key_of("C", temperatures)] = fit.prefactor
        result.update(self.other_estimates())
        return result | estimates_of(self.located)

    @cached_property
    def located(self) -> pd.DataFrame:
        """Every critical temperature at every size, or why there is none."""
        return pd.concat([self._frame(*each) for each in self._laws()], ignore_index=True)

    def _frame(self, temperatures: CriticalTemperatures, fit: PowerLaw) -> pd.DataFrame:
        frame = temperatures.frame().astype(object)
        found = [
            None if point.value is None else _temperature_estimate(temperatures, point, p)
            for p, point in enumerate(temperatures.points)
        ]
        keys = [self._temperature_key(temperatures, size) for size in frame["n_train"]]
        return frame.assign(
            title=f"{temperatures.symbol}: {temperatures.definition}",
            fitted=fit.evaluate(frame["n_train"].to_numpy(dtype=float)),
            in_fit=frame["status"] == LOCATED,
            estimate=pd.Series(found, dtype=object),
            estimates=pd.Series([{k: e} for k, e in zip(keys, found, strict=True)], dtype=object),
        )

    def _temperature_key(self, temperatures: CriticalTemperatures, n_train: int) -> Key:
        if temperatures.name == "noise":
            return self.key("T_noise", n_train=n_train)
        return self.key_of("T_c", temperatures, n_train=n_train)

    def temperatures(self) -> list[CriticalTemperatures]:
        """Return all critical temperatures: T_lazy(c), T_noise, T_test."""
        return [temperatures for temperatures, _ in self._laws()]

    def power_laws(self) -> dict[Key, PowerLaw]:
        """Return every power law in P by the key of its exponent."""
        return {self.key_of("a", temperatures): fit for temperatures, fit in self._laws()}

    def _laws(self) -> list[tuple[CriticalTemperatures, PowerLaw]]:
        return [*((self.lazy[c], self.fits[c]) for c in self.thresholds), *self.other_laws()]


def _temperature_estimate(
    temperatures: CriticalTemperatures, point: CriticalTemperature, position: int
) -> Estimate:
    replicates: FloatArray = temperatures.log_replicates[:, position]
    low, high = (f"{end:.4g}" if end is not None else "?" for end in point.bracket)
    where = f"P = {point.n_train}, T = {low}..{high}"
    if temperatures.errors == POSTERIOR:
        return estimate_from_error(
            float(point.value or np.nan),
            point.log_stderr,
            point.n_replicas,
            point.n_replicas,
            definition=temperatures.definition,
            fit_range=where,
            logarithmic=True,
        )
    return estimate_from_replicates(
        float(point.value or np.nan),
        replicates,
        temperatures.n_clusters,
        definition=temperatures.definition,
        fit_range=where,
        logarithmic=True,
    )
