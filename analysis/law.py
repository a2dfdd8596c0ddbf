"""Everything measured for one law: its temperatures, exponents and companion laws.

A law holds at fixed settings (alpha, width, data, ...) and one batch size; sizes, temperatures and
seeds are its data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.batch_comparison import BatchComparison
from analysis.companion_laws import CompanionLaws, fit_companion_laws
from analysis.critical_temperature import locate_critical_temperatures
from analysis.curves import Curves
from analysis.estimates import Estimate, FloatArray, estimate_from_replicates
from analysis.located_temperature import CriticalTemperature, CriticalTemperatures
from analysis.noise_onset import NoiseOnset, locate_noise_onset
from analysis.power_law import PowerLawFit, fit_power_law, size_range


@dataclass(frozen=True)
class ScalingLaw:
    """One law and all that was derived from it."""

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
    fits: dict[float, PowerLawFit]
    """Power law of T_lazy(c) by c."""
    noise: NoiseOnset
    """T_noise."""
    noise_fit: PowerLawFit
    """Power law of T_noise."""
    companions: CompanionLaws
    """gamma, delta, b."""
    batches: BatchComparison
    """Weight change at equal T for other batch sizes."""

    @property
    def label(self) -> str:
        """``alpha=100`` or ``""``."""
        return ",".join(f"{name}={value}" for name, value in self.settings.items())

    @property
    def headline(self) -> float:
        """The threshold c whose law is the answer."""
        return self.thresholds[0]

    @property
    def fit(self) -> PowerLawFit:
        """The power law that is the answer."""
        return self.fits[self.headline]

    @property
    def n_seeds(self) -> int:
        """Independent replicas S."""
        return self.curves.n_clusters

    def key(self, name: str, *parts: str) -> str:
        """Return ``name[parts,label]``, the key of an estimate or verdict.

        A law without a label and parts gives the bare name.
        """
        inside = ",".join(part for part in (*parts, self.label) if part)
        return f"{name}[{inside}]" if inside else name

    def exponents_over_thresholds(self) -> dict[float, float]:
        """Return a(c) for every c whose exponent is determined."""
        return {
            c: fit.exponent.value
            for c, fit in self.fits.items()
            if fit.determined and fit.exponent is not None
        }

    @property
    def systematic(self) -> float | None:
        """Half the spread of a over the thresholds; None for fewer than two."""
        values = list(self.exponents_over_thresholds().values())
        return (max(values) - min(values)) / 2 if len(values) > 1 else None

    def difference_from_prediction(self) -> Estimate | None:
        """Return a - gamma/delta, its error taken with the correlation of both."""
        predicted = self.companions.predicted_exponent
        if predicted is None or self.fit.exponent is None or not self.fit.determined:
            return None
        return estimate_from_replicates(
            self.fit.exponent.value - predicted.value,
            self.fit.replicates[:, 1] - self.companions.predicted_replicates,
            self.n_seeds,
            definition=f"a(c={self.headline:g}) - gamma/delta",
            fit_range=self.fit.fit_range,
        )

    def estimates(self) -> dict[str, Estimate]:
        """Return every number of this law by its key; exponents only where determined."""
        result: dict[str, Estimate] = {}
        for temperatures, fit in self._laws():
            if fit.determined and fit.exponent is not None and fit.prefactor is not None:
                result[self.key("a", temperatures.key)] = fit.exponent
                result[self.key("C", temperatures.key)] = fit.prefactor
        result.update(self._companion_estimates())
        onset = self._noise_temperature()
        if onset is not None:
            result[self.key("T_noise")] = onset
        for temperatures, _ in self._laws():
            for p, point in enumerate(temperatures.points):
                if point.value is not None:
                    name = "T_c" if temperatures.name == "lazy" else "T_noise"
                    kind = temperatures.key if temperatures.name == "lazy" else ""
                    key = self.key(name, kind, f"n_train={point.n_train}")
                    result[key] = _temperature_estimate(temperatures, point, p)
        return result

    def _laws(self) -> list[tuple[CriticalTemperatures, PowerLawFit]]:
        lazy = [(self.lazy[c], self.fits[c]) for c in self.thresholds]
        return [*lazy, (self.noise.temperatures, self.noise_fit)]

    def _companion_estimates(self) -> dict[str, Estimate]:
        laws = self.companions
        result: dict[str, Estimate] = {}
        if laws.weight_change is not None:
            result[self.key("gamma")] = laws.weight_change.size_exponent
            result[self.key("delta")] = laws.weight_change.temperature_exponent
        if laws.predicted_exponent is not None:
            result[self.key("gamma/delta")] = laws.predicted_exponent
        if laws.training_time is not None:
            result[self.key("b")] = laws.training_time.size_exponent
            result[self.key("x")] = laws.training_time.temperature_exponent
        return result

    def _noise_temperature(self) -> Estimate | None:
        mean = self.noise.geometric_mean
        if mean is None:
            return None
        temperatures = self.noise.temperatures
        located = np.array([point.value is not None for point in temperatures.points], dtype=bool)
        sizes = np.array([point.n_train for point in temperatures.located])
        return estimate_from_replicates(
            mean,
            temperatures.log_replicates[:, located].mean(axis=1),
            self.n_seeds,
            definition=f"geometric mean over P of T_noise, {temperatures.definition}",
            fit_range=size_range(sizes),
            logarithmic=True,
        )


def _temperature_estimate(
    temperatures: CriticalTemperatures, point: CriticalTemperature, position: int
) -> Estimate:
    replicates: FloatArray = temperatures.log_replicates[:, position]
    low, high = point.bracket
    return estimate_from_replicates(
        float(point.value or np.nan),
        replicates,
        temperatures.n_clusters,
        definition=temperatures.definition,
        fit_range=f"P = {point.n_train}, T = {low:.4g}..{high:.4g}",
        logarithmic=True,
    )


def analyse_law(
    curves: Curves,
    thresholds: Sequence[float],
    batches: BatchComparison,
    *,
    settings: dict[str, Any],
    batch_size: int | None,
    n_bootstrap: int,
    seed: int,
) -> ScalingLaw:
    """Measure everything that one law's curves hold.

    The same resampled seeds enter every number, so differences of exponents have honest errors.
    """
    lazy = {
        c: locate_critical_temperatures(curves, threshold=c, n_bootstrap=n_bootstrap, seed=seed)
        for c in thresholds
    }
    noise = locate_noise_onset(curves, n_bootstrap=n_bootstrap, seed=seed)
    return ScalingLaw(
        settings=settings,
        batch_size=batch_size,
        curves=curves,
        thresholds=tuple(thresholds),
        lazy=lazy,
        fits={c: fit_power_law(temperatures) for c, temperatures in lazy.items()},
        noise=noise,
        noise_fit=fit_power_law(noise.temperatures),
        companions=fit_companion_laws(
            curves, noise.geometric_mean, n_bootstrap=n_bootstrap, seed=seed
        ),
        batches=batches,
    )
