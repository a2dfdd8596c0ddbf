"""Everything measured for one law on a grid: temperatures, exponents and companion laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.arrays import FloatArray
from analysis.critical_temperature.companion_laws import CompanionLaws, fit_companion_laws
from analysis.critical_temperature.comparison.batches import BatchComparison
from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.noise_onset import NoiseOnset, locate_noise_onset
from analysis.critical_temperature.test_error.edges import (
    EdgeCheck,
    check_edges,
    fall_systematic,
    with_edge_remark,
    with_edges,
)
from analysis.critical_temperature.test_error.logistic import LogisticLaw, fit_error_law
from analysis.critical_temperature.test_error.onsets import ErrorOnsets, locate_error_onsets
from analysis.curves import Curves
from analysis.estimates import Estimate, estimate_from_replicates
from analysis.fits.collapse import CollapseFit, fit_collapse
from analysis.fits.form import size_range
from analysis.fits.power_law import NOT_DETERMINED, PowerLaw
from analysis.key import Key
from analysis.locating.located import CriticalTemperatures, fit_power_law
from analysis.locating.threshold import locate_critical_temperatures

COLLAPSE_FROM = 20.0
"""Lowest temperature of the collapse in units of T_noise: below, the plateau is a second scale."""
COLLAPSE_SAMPLES = 200
"""Bootstrap samples of the collapse: each is a search for the best a."""


@dataclass(frozen=True)
class GridLaw(ScalingLaw):
    """One law whose sizes share temperatures and seeds, and all that was derived from it."""

    noise: NoiseOnset
    """T_noise."""
    noise_fit: PowerLaw
    """Power law of T_noise."""
    companions: CompanionLaws
    """gamma, delta, b."""
    onsets: ErrorOnsets
    """T_test,up and T_test,down."""
    onset_fits: dict[str, PowerLaw]
    """Power laws of T_test,up and T_test,down by name."""
    error_law: LogisticLaw | None
    """The fall of the test error as one law in (P, T)."""
    collapse: CollapseFit | None
    """Data collapse of the weight change above T_noise."""
    edge_checks: tuple[EdgeCheck, ...] = ()
    """The exponents of the fall with an end of its reference moved."""

    @property
    def replicas(self) -> str:
        """``32 seeds``."""
        return f"{self.n_seeds} seed{'s' if self.n_seeds > 1 else ''}"

    def systematics(self) -> dict[Key, float | None]:
        """Return the systematic of a by key: over c, and of the fall over its references."""
        down = self.onsets.down
        found = super().systematics()
        fall = fall_systematic(self.onset_fits[down.name], self.edge_checks)
        if fall is not None:
            found[self.key_of("a", down)] = fall
        if self.error_law is not None and self.error_law.identifiable:
            found[self.key("a", "test")] = self.error_law.systematic
        return found

    def difference_from_prediction(self) -> Estimate | None:
        """Return a - gamma/delta, its error taken with the correlation of both."""
        predicted = self.companions.predicted_exponent
        if predicted is None or self.fit.quoted is None:
            return None
        return estimate_from_replicates(
            self.fit.quoted.value - predicted.value,
            self.fit.replicates - self.companions.predicted_replicates,
            self.n_seeds,
            definition=f"a(c={self.headline:g}) - gamma/delta",
            fit_range=self.fit.fit_range,
        )

    def difference_from_collapse(self) -> Estimate | None:
        """Return a of the collapse minus a of T_lazy at the headline c, errors paired."""
        if self.collapse is None or self.collapse.a is None:
            return None
        name = "a(collapse)"
        return self._difference(self.collapse.a.value, self.collapse.replicates[:, 0], name)

    def difference_from_error_law(self) -> Estimate | None:
        """Return a_test minus a of T_lazy at the headline c."""
        if self.error_law is None:
            return None
        return self._difference(self.error_law.a.value, self.error_law.replicates[:, 0], "a_test")

    def _difference(self, value: float, replicates: FloatArray, name: str) -> Estimate | None:
        """Return value - a; equal positions of both replicates are equal resampled seeds."""
        if self.fit.quoted is None:
            return None
        n = min(len(replicates), len(self.fit.replicates))
        return estimate_from_replicates(
            value - self.fit.quoted.value,
            replicates[:n] - self.fit.replicates[:n],
            self.n_seeds,
            definition=f"{name} - a(c={self.headline:g})",
            fit_range=self.fit.fit_range,
        )

    def other_estimates(self) -> dict[Key, Estimate]:
        """Return the companion laws, the law of the test error, the collapse and T_noise."""
        result = self._companion_estimates()
        if self.error_law is not None and self.error_law.identifiable:
            result[self.key("a", "test")] = self.error_law.a
            result[self.key("q", "test")] = self.error_law.q
        if self.collapse is not None and self.collapse.determined and self.collapse.a is not None:
            result[self.key("a", "collapse")] = self.collapse.a
        onset = self._noise_temperature()
        if onset is not None:
            result[self.key("T_noise")] = onset
        return result

    def other_laws(self) -> list[tuple[CriticalTemperatures, PowerLaw]]:
        """Return T_noise and T_test with their power laws."""
        onsets = (self.onsets.up, self.onsets.down)
        return [
            (self.noise.temperatures, self.noise_fit),
            *((each, self.onset_fits[each.name]) for each in onsets),
        ]

    def unmeasured(self) -> dict[Key, str]:
        """Return why a quantity of the study has no number, by its key."""
        missing: dict[Key, str] = {}
        if self.companions.weight_change is None:
            missing |= dict.fromkeys(map(self.key, ("gamma", "delta")), self.companions.refusal)
        if self.companions.training_time is None:
            missing[self.key("b")] = self.companions.refusal or "no training times"
        if self.error_law is None:
            missing[self.key("a", "test")] = (
                f"{NOT_DETERMINED}: too few test errors above 6 T_noise"
            )
        elif not self.error_law.identifiable:
            missing[self.key("a", "test")] = self.error_law.reason
        if self.collapse is None:
            missing[self.key("a", "collapse")] = "no collapse: no temperatures above T_noise"
        elif not self.collapse.determined:
            missing[self.key("a", "collapse")] = self.collapse.remarks[0]
        return missing

    def _companion_estimates(self) -> dict[Key, Estimate]:
        laws = self.companions
        result: dict[Key, Estimate] = {}
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


def analyse_law(
    curves: Curves,
    thresholds: Sequence[float],
    batches: BatchComparison,
    *,
    settings: dict[str, Any],
    batch_size: int | None,
    n_bootstrap: int,
    seed: int,
) -> GridLaw:
    """Measure everything that one law's curves hold.

    The same resampled seeds enter every number, so differences of exponents have honest errors.
    """
    lazy = {
        c: locate_critical_temperatures(curves, threshold=c, n_bootstrap=n_bootstrap, seed=seed)
        for c in thresholds
    }
    noise = locate_noise_onset(curves, n_bootstrap=n_bootstrap, seed=seed)
    onset = noise.geometric_mean
    onsets = locate_error_onsets(curves, onset, n_bootstrap=n_bootstrap, seed=seed)
    edges = check_edges(curves, onsets, onset)
    fall = with_edge_remark(fit_power_law(onsets.down), edges)
    return GridLaw(
        settings=settings,
        batch_size=batch_size,
        curves=curves,
        thresholds=tuple(thresholds),
        lazy=lazy,
        fits={c: fit_power_law(temperatures) for c, temperatures in lazy.items()},
        noise=noise,
        noise_fit=fit_power_law(noise.temperatures),
        companions=fit_companion_laws(curves, onset, n_bootstrap=n_bootstrap, seed=seed),
        batches=batches,
        onsets=onsets,
        onset_fits={onsets.up.name: fit_power_law(onsets.up), onsets.down.name: fall},
        error_law=with_edges(fit_error_law(curves, onsets.ratios, onset), edges),
        collapse=_collapse(curves, onset, n_bootstrap, seed),
        edge_checks=edges,
    )


def _collapse(
    curves: Curves, noise_temperature: float | None, n_bootstrap: int, seed: int
) -> CollapseFit | None:
    """Collapse of ln dw above 20 T_noise, where T P^a is the only variable; None without data."""
    low = COLLAPSE_FROM * noise_temperature if noise_temperature is not None else 0.0
    if not curves.stable[:, curves.temperatures >= low].any():
        return None
    samples = min(n_bootstrap, COLLAPSE_SAMPLES)
    return fit_collapse(curves, temperatures=(low, np.inf), n_bootstrap=samples, seed=seed)
