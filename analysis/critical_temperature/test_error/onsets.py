"""Where the test error leaves its plateaus: T_test,up and T_test,down, size by size.

Of kernel-like networks the error first rises, near T_noise, and then falls, near T_lazy: two
temperatures with two references. Errors are compared seed by seed with the reference, as a ratio
r(T) that must change by a fixed fraction f. A departure by so many standard errors would move
with the number of seeds; significance is therefore stated, never used to locate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import BoolArray, FloatArray, IntArray
from analysis.critical_temperature.noise_windows import Window, moved_windows
from analysis.critical_temperature.test_error.ratios import OBSERVABLE, ErrorRatios, error_ratios
from analysis.curves import Curves
from analysis.estimates import bootstrap_stderr, format_value
from analysis.locating.first_crossing import (
    all_crossings,
    crossing_after,
    crossings_of_samples,
    first_rise,
)
from analysis.locating.located import (
    ABOVE_WINDOW,
    INSUFFICIENT_SEEDS,
    NO_DEPARTURE,
    NO_PLATEAU,
    Bracket,
    CriticalTemperature,
    CriticalTemperatures,
    cause_of_loss,
)

FRACTION = 0.1
"""f: the relative change of the test error that counts as a departure."""
KERNEL_PLATEAU = (6.0, 35.0)
"""Temperatures, in units of T_noise, at which noise decides but the network is still lazy."""
UP, DOWN = "test,up", "test,down"


@dataclass(frozen=True)
class MovedReference:
    """The fall of the error against other temperatures of noisy kernel training."""

    window: Window
    """Lowest and highest temperature of the reference."""
    down: CriticalTemperatures
    """First fall below the error of these temperatures."""
    ratios: ErrorRatios
    """Ratios to it."""


@dataclass(frozen=True)
class ErrorOnsets:
    """T_test,up and T_test,down of one law with the ratios behind them."""

    up: CriticalTemperatures
    """First rise of the error above that of the two lowest temperatures."""
    down: CriticalTemperatures
    """First fall below the error of noisy kernel training."""
    ratios: ErrorRatios | None
    """Ratios to noisy kernel training, for the logistic law; None where there are none."""
    moved: tuple[MovedReference, ...] = ()
    """The fall with an end of its reference moved by one temperature."""


def locate_error_onsets(
    curves: Curves, noise_temperature: float | None, *, n_bootstrap: int = 1000, seed: int = 0
) -> ErrorOnsets:
    """Locate the first rise by 1 + f and the first fall by 1 - f of the test error, f = 0.1.

    Linear interpolation of r in ln T between neighbouring temperatures. References: the two
    lowest temperatures for the rise, T in [6, 35] T_noise for the fall. The fall is located again
    with either end of its reference moved by one temperature.

    Parameters
    ----------
    curves
        Arrays of one law, with `test_error`.
    noise_temperature
        Geometric mean of T_noise over P; without it there is no plateau to refer to.
    """
    why = _missing(curves, noise_temperature)
    if why or noise_temperature is None:
        up, down = (_all_refused(curves, name, why, n_bootstrap) for name in (UP, DOWN))
        return ErrorOnsets(up, down, None)
    lowest = _lowest(curves, noise_temperature)
    up_ratios = error_ratios(curves, lowest, n_bootstrap, seed)
    window = (KERNEL_PLATEAU[0] * noise_temperature, KERNEL_PLATEAU[1] * noise_temperature)
    fall, *moved = (
        _fall(curves, each, n_bootstrap, seed)
        for each in (window, *moved_windows(curves.temperatures, window))
    )
    up = _locate_all(curves, up_ratios, UP, 1 + FRACTION)
    return ErrorOnsets(up, fall.down, fall.ratios, tuple(moved))


def _fall(curves: Curves, window: Window, n_bootstrap: int, seed: int) -> MovedReference:
    inside = (curves.temperatures >= window[0]) & (curves.temperatures <= window[1])
    ratios = error_ratios(curves, curves.stable & inside[None, :], n_bootstrap, seed)
    return MovedReference(window, _locate_all(curves, ratios, DOWN, 1 - FRACTION), ratios)


def _missing(curves: Curves, noise_temperature: float | None) -> str:
    if not curves.has(OBSERVABLE):
        return "the table holds no test errors"
    if noise_temperature is None:
        return "T_noise, which sets both references, is unknown"
    if not curves.shared_seeds:
        return "test errors are compared seed by seed, and no two cells share seeds"
    return ""


def _lowest(curves: Curves, noise_temperature: float) -> BoolArray:
    """The two lowest stable temperatures of every size, if both lie below T_noise."""
    chosen = np.zeros(curves.stable.shape, dtype=bool)
    for p in range(len(curves.sizes)):
        index = np.flatnonzero(curves.stable[p])[:2]
        if index.size == 2 and curves.temperatures[index[1]] < noise_temperature:
            chosen[p, index] = True
    return chosen


def _locate_all(
    curves: Curves, ratios: ErrorRatios, name: str, level: float
) -> CriticalTemperatures:
    n_bootstrap = ratios.replicates.shape[0]
    log_replicates = np.full((n_bootstrap, len(curves.sizes)), np.nan)
    points = []
    for p in range(len(curves.sizes)):
        scan = _Departure.of(curves, ratios, p, level)
        point, samples = scan.locate()
        points.append(point)
        log_replicates[:, p] = samples
    return _temperatures(curves, name, points, log_replicates)


def _temperatures(
    curves: Curves,
    name: str,
    points: list[CriticalTemperature],
    log_replicates: FloatArray,
) -> CriticalTemperatures:
    rise = "rises by 10 % above its mean at the two lowest temperatures"
    fall = "falls by 10 % below its mean at T = 6..35 T_noise"
    return CriticalTemperatures(
        name=name,
        observable=OBSERVABLE,
        threshold=FRACTION,
        definition=(
            f"first temperature at which the mean {OBSERVABLE}, paired by seed, "
            f"{rise if name == UP else fall}"
        ),
        points=tuple(points),
        log_replicates=log_replicates,
        n_clusters=curves.n_clusters,
    )


def _all_refused(curves: Curves, name: str, why: str, n_bootstrap: int) -> CriticalTemperatures:
    points = [
        CriticalTemperature.refuse(curves, p, NO_PLATEAU, (None, None), why, n_replicas=0)
        for p in range(len(curves.sizes))
    ]
    return _temperatures(curves, name, points, np.full((n_bootstrap, len(points)), np.nan))


@dataclass(frozen=True)
class _Departure:
    """r of one size from its reference upward, in increasing order of T."""

    curves: Curves
    p: int
    level: float
    index: IntArray
    log_t: FloatArray
    excess: FloatArray
    """(r - level) times the sign of the departure: crossing zero upward is the departure."""
    excess_replicates: FloatArray

    @classmethod
    def of(cls, curves: Curves, ratios: ErrorRatios, p: int, level: float) -> _Departure:
        reference = np.flatnonzero(ratios.reference[p])
        known = np.flatnonzero(np.isfinite(ratios.values[p]))
        index = known[known >= reference[-1]] if reference.size >= 2 else known[:0]
        sign = 1.0 if level > 1 else -1.0
        return cls(
            curves,
            p,
            level,
            index,
            np.log(curves.temperatures[index]),
            sign * (ratios.values[p, index] - level),
            sign * (ratios.replicates[:, p][:, index] - level),
        )

    def locate(self) -> tuple[CriticalTemperature, FloatArray]:
        none = np.full(self.excess_replicates.shape[0], np.nan)
        if self.index.size < 2:
            why = "fewer than two reference temperatures were measured and fitted"
            return self._refuse(NO_PLATEAU, (None, None), why), none
        if self.excess[0] >= 0:
            return self._no_plateau(), none
        k = int(first_rise(self.excess))
        if k < 0:
            return self._no_departure(), none
        refusal = self._refusal(k)
        if refusal is not None:
            return refusal, none
        # A sample that never departs stays within the range measured.
        samples = crossings_of_samples(self.log_t, self.excess_replicates, k, window="clip")
        return self._accept(k, bootstrap_stderr(samples, self.curves.n_clusters)), samples

    def _accept(self, k: int, error: float | None) -> CriticalTemperature:
        remarks = [self._significance(k + 1)]
        crossings = all_crossings(self.log_t, self.excess)
        if len(crossings) > 1:
            listed = ", ".join(f"{math.exp(x):.3g}" for x in crossings)
            remarks.append(f"non-monotone: crossings at T={listed}; the first is used")
        ends = self.curves.n_fitted[self.p, self.index[k : k + 2]]
        return CriticalTemperature.accept(
            self.curves,
            self.p,
            math.exp(crossings[0]),
            error,
            self._bracket(k),
            int(ends.min()),
            remarks=remarks,
        )

    def _refusal(self, k: int) -> CriticalTemperature | None:
        cells = self.index[k : k + 2]
        if not self.curves.stable[self.p, cells].all():
            return self._limited(k)
        needed = self._needed_seeds([k, k + 1])
        if needed is None:
            return None
        near = math.exp(crossing_after(self.log_t, self.excess, k))
        why = (
            f"r = {self._r(k + 1)} at T={self._t(k + 1):.3g}, a crossing near {near:.2g}; {needed}"
        )
        return self._refuse(INSUFFICIENT_SEEDS, self._bracket(k), why)

    def _no_plateau(self) -> CriticalTemperature:
        """Refuse a reference in which the departure has begun: the ratio to it is biased."""
        t = self._t(0)
        why = (
            f"r = {self._r(0)} already at T={t:.3g}, the highest reference temperature: the "
            "departure runs into its reference"
        )
        return self._refuse(NO_PLATEAU, (None, t), why)

    def _no_departure(self) -> CriticalTemperature:
        stable = np.flatnonzero(self.curves.stable[self.p, self.index])
        last = int(stable[-1]) if stable.size else 0
        fallen = stable[self.excess[stable] < -2 * FRACTION]
        if self.level > 1 and fallen.size:
            top = int(stable[np.argmax(self.excess[stable])])
            why = (
                f"r reaches {self._r(top)} at T={self._t(top):.3g} and no more before it falls "
                f"below {1 - FRACTION:g} at T={self._t(int(fallen[0])):.3g}: there is no such rise"
            )
            return self._refuse(NO_DEPARTURE, (None, None), why)
        needed = self._needed_seeds([last])
        bound = f"r = {self._r(last)} up to T={self._t(last):.4g}"
        if needed is not None:
            return self._refuse(INSUFFICIENT_SEEDS, (None, None), f"{bound}; {needed}")
        if last + 1 < self.index.size or self._lost_beyond():
            return self._limited(last)
        why = f"{bound} never reaches {self.level:g}; extend the temperatures above"
        return self._refuse(ABOVE_WINDOW, (self._t(last), None), why)

    def _lost_beyond(self) -> bool:
        measured = np.flatnonzero(self.curves.n_runs[self.p] > 0)
        return bool((measured > self.index[-1]).any())

    def _limited(self, k: int) -> CriticalTemperature:
        status = cause_of_loss(self.curves, self.p, slice(int(self.index[k]), None))
        t = self._t(k)
        why = f"fewer than 80 % of the runs fit above T={t:.4g}, a lower bound"
        return self._refuse(status, (t, None), why)

    def _needed_seeds(self, positions: list[int]) -> str | None:
        """The seeds that se(r) <= f/3 would take, None if there are enough."""
        n = self.curves.n_clusters
        errors = [
            bootstrap_stderr(self.excess_replicates[:, position], n) for position in positions
        ]
        known = [error for error in errors if error is not None]
        if not known:
            return f"se(r) is unknown from {n} seed{'s' if n > 1 else ''}"
        worst = max(known)
        if worst <= FRACTION / 3:
            return None
        seeds = math.ceil(n * (3 * worst / FRACTION) ** 2)
        return f"se(r) = {worst:.3f} exceeds f/3 = {FRACTION / 3:.3f}; {seeds} seeds are needed"

    def _significance(self, position: int) -> str:
        error = bootstrap_stderr(self.excess_replicates[:, position], self.curves.n_clusters)
        r = self.level + (self.excess[position] if self.level > 1 else -self.excess[position])
        z = "" if not error else f", {abs(r - 1) / error:.1f} standard errors from 1"
        return f"r = {self._r(position)} at T={self._t(position):.3g}{z}"

    def _bracket(self, k: int) -> tuple[float, float]:
        return self._t(k), self._t(k + 1)

    def _t(self, position: int) -> float:
        return float(self.curves.temperatures[self.index[position]])

    def _r(self, position: int) -> str:
        error = bootstrap_stderr(self.excess_replicates[:, position], self.curves.n_clusters)
        shift = self.excess[position] if self.level > 1 else -self.excess[position]
        return format_value(self.level + float(shift), error)

    def _refuse(self, status: str, bracket: Bracket, why: str) -> CriticalTemperature:
        return CriticalTemperature.refuse(self.curves, self.p, status, bracket, why)
