"""Where a law's weight change escapes from the lazy regime: T_lazy(c), size by size.

T_lazy(c) is the first temperature at which the mean logarithm of the observable crosses ln c. It
is found between two measured temperatures or not at all: nothing is extrapolated, and a size
without a valid crossing is listed with its reason and left out of every fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.arrays import FloatArray, IntArray
from analysis.curves import Curves, single_law
from analysis.estimates import bootstrap_stderr
from analysis.locating.first_crossing import (
    all_crossings,
    crossing_after,
    crossings_of_samples,
    first_rise,
)
from analysis.locating.located import (
    ABOVE_WINDOW,
    BELOW_WINDOW,
    CENSORED,
    FEATURE_REGIME,
    FLAT_SLOPE,
    Bracket,
    CriticalTemperature,
    CriticalTemperatures,
    cause_of_loss,
)
from analysis.table import MeasurementTable

CENSORED_FRACTION = 0.05
"""Above this fraction of censored runs in the bracket a crossing is refused."""


def locate_critical_temperatures(
    data: MeasurementTable | Curves,
    observable: str = "relative_weight_change",
    threshold: float = 0.1,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> CriticalTemperatures:
    """Locate T_lazy(c) at every size.

    First upward crossing of the mean ln(observable) = ln c, linear in (ln T, ln observable)
    between neighbouring temperatures. Errors: the same on resampled seeds.

    Parameters
    ----------
    data
        A table that holds one law, or its curves. Of several batch sizes the smallest is used.
    observable
        A positive quantity that grows with temperature.
    threshold
        c, the value to cross.
    n_bootstrap, seed
        Number of bootstrap samples and the seed that draws them.

    Raises
    ------
    ReadTableError
        If the table holds several laws or lacks the observable.
    ValueError
        If the threshold is not positive.
    """
    if not (math.isfinite(threshold) and threshold > 0):
        raise ValueError(f"threshold={threshold!r} must be a positive finite number")
    curves = data if isinstance(data, Curves) else single_law(data)
    means = curves.log_mean(observable)
    replicates = curves.resampled_log_mean(observable, n_bootstrap, seed)
    log_replicates = np.full((n_bootstrap, len(curves.sizes)), np.nan)
    points = []
    for p in range(len(curves.sizes)):
        scan = _Scan.of(curves, p, observable, means[p], replicates[:, p], threshold)
        point = scan.locate()
        if point.value is not None:
            log_replicates[:, p] = scan.replicate_crossings()
        points.append(point)
    return CriticalTemperatures(
        name="lazy",
        observable=observable,
        threshold=threshold,
        definition=(
            f"first temperature at which the geometric mean of {observable} over fitted runs "
            f"reaches {threshold:g}"
        ),
        points=tuple(points),
        log_replicates=log_replicates,
        n_clusters=curves.n_clusters,
    )


@dataclass(frozen=True)
class _Scan:
    """The temperatures of one size at which fitted runs exist, in increasing order."""

    curves: Curves
    p: int
    observable: str
    threshold: float
    index: IntArray
    log_t: FloatArray
    y: FloatArray
    y_replicates: FloatArray

    @classmethod
    def of(
        cls,
        curves: Curves,
        p: int,
        observable: str,
        means: FloatArray,
        replicates: FloatArray,
        threshold: float,
    ) -> _Scan:
        index = np.flatnonzero(np.isfinite(means))
        log_t = np.log(curves.temperatures[index])
        return cls(
            curves, p, observable, threshold, index, log_t, means[index], replicates[:, index]
        )

    @property
    def level(self) -> float:
        return math.log(self.threshold)

    def locate(self) -> CriticalTemperature:
        if not self.curves.stable[self.p].any():
            cause = cause_of_loss(self.curves, self.p)
            reason = "at no temperature did 80 % of the runs fit the data"
            return self._refuse(cause, (None, None), reason)
        k = int(first_rise(self.y, self.level))
        if k < 0:
            return self._below() if self.y[0] >= self.level else self._above()
        low, high = int(self.index[k]), int(self.index[k + 1])
        bracket = (self._t(low), self._t(high))
        return self._refusal_in_bracket(low, high, bracket) or self._accept(k, bracket)

    def _accept(self, k: int, bracket: tuple[float, float]) -> CriticalTemperature:
        ends = self.curves.n_fitted[self.p, self.index[k : k + 2]]
        return CriticalTemperature.accept(
            self.curves,
            self.p,
            float(np.exp(crossing_after(self.log_t, self.y, k, self.level))),
            bootstrap_stderr(self.replicate_crossings(), self.curves.n_clusters),
            bracket,
            int(ends.min()),
            remarks=self._remarks(k),
            crossings=self.all_crossings(),
        )

    def _refusal_in_bracket(
        self, low: int, high: int, bracket: tuple[float, float]
    ) -> CriticalTemperature | None:
        runs = self.curves.n_runs[self.p, low : high + 1]
        stable = self.curves.stable[self.p, low : high + 1]
        censored = self.curves.n_censored[self.p, low : high + 1].sum()
        if not stable[runs > 0].all():
            cause = cause_of_loss(self.curves, self.p, slice(low, high + 1))
        elif censored > CENSORED_FRACTION * runs.sum():
            cause = CENSORED
        else:
            return None
        lost = int(runs.sum() - self.curves.n_fitted[self.p, low : high + 1].sum())
        reason = (
            f"{lost} of {int(runs.sum())} runs between T={bracket[0]:.4g} and {bracket[1]:.4g} "
            f"did not fit the data, so T_c >= {bracket[0]:.4g} is a lower bound"
        )
        if cause == CENSORED:
            reason += "; a larger max_presentations, in another folder, would settle it"
        return self._refuse(cause, (bracket[0], None), reason)

    def _below(self) -> CriticalTemperature:
        t_min = self._t(int(self.index[0]))
        reason = (
            f"no crossing of {self.observable} = {self.threshold:g}: already "
            f"{math.exp(self.y[0]):.3g} at the lowest T={t_min:.4g}; extend the temperature axis "
            f"below {t_min:.4g}"
        )
        half_decade = np.flatnonzero(self.log_t - self.log_t[0] >= math.log(10) / 2 - 1e-6)
        if half_decade.size:
            k = int(half_decade[0])
            slope = (self.y[k] - self.y[0]) / (self.log_t[k] - self.log_t[0])
            if slope < FLAT_SLOPE:
                reason = (
                    f"{self.observable} is {math.exp(self.y[0]):.3g} at the lowest T={t_min:.4g} "
                    f"and flat there (local slope {slope:.2f}), above {self.threshold:g} on its "
                    "plateau"
                )
                return self._refuse(FEATURE_REGIME, (None, t_min), reason)
        return self._refuse(BELOW_WINDOW, (None, t_min), reason)

    def _above(self) -> CriticalTemperature:
        stable = np.flatnonzero(self.curves.stable[self.p])
        last = int(stable[-1])
        t_max = self._t(last)
        shown = self.y[self.index <= last][-1]
        reason = (
            f"no crossing of {self.observable} = {self.threshold:g} up to T={t_max:.4g} "
            f"(last value {math.exp(shown):.3g}, n={self.curves.n_fitted[self.p, last]})"
        )
        beyond = np.flatnonzero(self.curves.n_runs[self.p, last + 1 :]) + last + 1
        if beyond.size:
            cause = cause_of_loss(self.curves, self.p, slice(last + 1, None))
            reason += f" and fewer than 80 % of the runs fit at T={self._t(int(beyond[0])):.4g}"
            return self._refuse(cause, (t_max, None), reason)
        reason += f"; extend the temperature axis above {t_max:.4g}"
        return self._refuse(ABOVE_WINDOW, (t_max, None), reason)

    def _remarks(self, k: int) -> list[str]:
        remarks = []
        crossings = self.all_crossings()
        if len(crossings) > 1:
            listed = ", ".join(f"{t:.4g}" for t in crossings)
            remarks.append(f"non-monotone: crossings at T={listed}; the first upward one is used")
        elif (steps := self._steps_down()).size:
            where = self._t(int(self.index[steps[0]]))
            remarks.append(
                f"non-monotone: falls by more than 3 standard errors above T={where:.4g}"
            )
        cells = self.index[k : k + 2]
        censored = int(self.curves.n_censored[self.p, cells].sum())
        if censored:
            total = int(self.curves.n_runs[self.p, cells].sum())
            remarks.append(
                f"{CENSORED}: {censored} of {total} runs in the bracket, kept below 5 %"
            )
        if self.curves.n_clusters < 4:
            remarks.append(f"insufficient seeds: {self.curves.n_clusters}; use at least 4")
        return remarks

    def _steps_down(self) -> IntArray:
        """Positions after which the observable falls by more than three standard errors."""
        n = self.curves.n_clusters
        if n < 2 or self.y.size < 2:
            return np.empty(0, dtype=np.int64)
        steps = np.diff(self.y)
        with np.errstate(invalid="ignore"):
            spread = np.std(np.diff(self.y_replicates, axis=1), axis=0) * math.sqrt(n / (n - 1))
        # Three standard errors of a normal, in the Student law of so few seeds.
        three = special.stdtrit(n - 1, special.ndtr(3.0))
        return np.flatnonzero(steps < -three * np.maximum(spread, 1e-12))

    def all_crossings(self) -> tuple[float, ...]:
        """Temperatures of all crossings, upward and downward."""
        return tuple(float(np.exp(x)) for x in all_crossings(self.log_t, self.y, self.level))

    def replicate_crossings(self) -> FloatArray:
        """ln T_c of every bootstrap sample, shape (n_bootstrap,); it may leave the window."""
        own = int(first_rise(self.y, self.level))
        return crossings_of_samples(self.log_t, self.y_replicates, own, self.level)

    def _t(self, index: int) -> float:
        return float(self.curves.temperatures[index])

    def _refuse(self, status: str, bracket: Bracket, reason: str) -> CriticalTemperature:
        crossings = self.all_crossings()
        return CriticalTemperature.refuse(
            self.curves, self.p, status, bracket, reason, crossings=crossings
        )
