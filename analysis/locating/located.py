"""What a located critical temperature is made of, and the words in which one is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.curves import Curves
from analysis.estimates import format_value
from analysis.fits.power_law import PowerLaw, fit_power
from analysis.key import Key

LOCATED = "located"
BELOW_WINDOW = "Tc < Tmin"
ABOVE_WINDOW = "Tc > Tmax_stable"
DIVERGENCE = "limited by divergence"
CENSORED = "Tc upper side censored"
NO_PLATEAU = "plateau not reached"
FEATURE_REGIME = "feature regime"
NO_DEPARTURE = "no departure"
INSUFFICIENT_SEEDS = "insufficient seeds"
NOT_MEASURED = "not measured"

FLAT_SLOPE = 0.2
"""d ln dw/d ln T below which a curve above the threshold is a plateau: T_lazy is undefined."""

RESAMPLED, POSTERIOR = "resampled seeds", "posterior"


Bracket = tuple[float | None, float | None]
"""Temperatures that enclose a number; None on an open side."""


@dataclass(frozen=True)
class CriticalTemperature:
    """The critical temperature at one size, or why there is none."""

    n_train: int
    """P."""
    value: float | None
    """T_c, or None if it was refused."""
    log_stderr: float | None
    """Standard error of ln T_c from the bootstrap, or None where the data give none."""
    bracket: Bracket
    """Measured temperatures that enclose T_c; None on an open side."""
    n_replicas: int
    """Smallest number of fitted runs at the ends of the bracket."""
    n_temperatures: int
    """Temperatures measured at this size."""
    n_censored: int
    """Censored runs at this size."""
    n_diverged: int
    """Diverged runs at this size."""
    status: str
    """``located`` or the reason of the refusal, in fixed words."""
    message: str
    """One sentence with the numbers behind the status; empty when there is nothing to say."""
    crossings: tuple[float, ...] = ()
    """All temperatures at which the observable crosses the threshold, either way."""

    @property
    def stderr(self) -> float | None:
        """Standard error of T_c, to first order."""
        if self.value is None or self.log_stderr is None:
            return None
        return self.value * self.log_stderr

    @classmethod
    def accept(
        cls,
        curves: Curves,
        p: int,
        value: float,
        log_stderr: float | None,
        bracket: Bracket,
        n_replicas: int,
        *,
        remarks: Sequence[str] = (),
        crossings: tuple[float, ...] = (),
    ) -> CriticalTemperature:
        """Return the temperature located at size number `p` of the curves."""
        found = (value, log_stderr, bracket, n_replicas)
        return cls(
            int(curves.sizes[p]),
            *found,
            *_counts(curves, p),
            status=LOCATED,
            message="; ".join(remarks),
            crossings=crossings,
        )

    @classmethod
    def refuse(
        cls,
        curves: Curves,
        p: int,
        status: str,
        bracket: Bracket,
        reason: str,
        *,
        n_replicas: int | None = None,
        where: str = "",
        crossings: tuple[float, ...] = (),
    ) -> CriticalTemperature:
        """Return why there is none at size number `p`; `where` says more of it than its P.

        The replicas are the most fitted runs at any temperature, unless told.
        """
        n = int(curves.n_fitted[p].max()) if n_replicas is None else n_replicas
        size = int(curves.sizes[p])
        return cls(
            size,
            None,
            None,
            bracket,
            n,
            *_counts(curves, p),
            status=status,
            message=f"{status} at {where or f'P={size}'}: {reason}" if reason else "",
            crossings=crossings,
        )

    def __str__(self) -> str:
        if self.value is None:
            return f"P = {self.n_train}: {self.status}"
        return f"P = {self.n_train}: T_c = {format_value(self.value, self.stderr)}"


def cause_of_loss(curves: Curves, p: int, cells: slice | Sequence[int] = slice(None)) -> str:
    """Name what most of the lost runs at these temperatures died of."""
    diverged, censored = curves.n_diverged[p, cells].sum(), curves.n_censored[p, cells].sum()
    return DIVERGENCE if diverged >= censored else CENSORED


def _counts(curves: Curves, p: int) -> tuple[int, int, int]:
    """Temperatures, censored and diverged runs of one size."""
    measured = int((curves.n_runs[p] > 0).sum())
    return measured, int(curves.n_censored[p].sum()), int(curves.n_diverged[p].sum())


@dataclass(frozen=True)
class CriticalTemperatures:
    """Critical temperatures of one law, one per size, with their bootstrap replicates."""

    name: str
    """``lazy``, ``noise``, ``test,up`` or ``test,down``."""
    observable: str
    """Column whose crossing or onset defines the temperature."""
    threshold: float | None
    """c of T_lazy(c), f of T_test; None for T_noise."""
    definition: str
    """One sentence that defines the number."""
    points: tuple[CriticalTemperature, ...]
    """One per size, refused ones included."""
    log_replicates: FloatArray = field(repr=False)
    """ln T_c of the bootstrap samples, NaN where refused; shape (n_bootstrap, P)."""
    n_clusters: int
    """Number S of independent replicas."""
    errors: str = RESAMPLED
    """Where the replicates come from: resampled seeds, or samples of each size's posterior."""

    @property
    def symbol(self) -> str:
        """``T_lazy(0.1)``, ``T_noise`` or ``T_test,up(0.1)``."""
        return f"T_{self.name}" + ("" if self.threshold is None else f"({self.threshold:g})")

    def key(self, name: str, /, **settings: Any) -> Key:
        """Return the key of a number of this temperature, e.g. ``a[lazy,c=0.1]``."""
        letter = "c" if self.name == "lazy" else "f"
        at = {} if self.threshold is None else {letter: f"{self.threshold:g}"}
        return Key(name, self.name, **at, **settings)

    @property
    def located(self) -> tuple[CriticalTemperature, ...]:
        """The points that may enter a fit."""
        return tuple(point for point in self.points if point.value is not None)

    @property
    def refused(self) -> tuple[CriticalTemperature, ...]:
        """The points that may not, with their reasons."""
        return tuple(point for point in self.points if point.value is None)

    def frame(self) -> pd.DataFrame:
        """Return one row per size."""
        rows = []
        for point in self.points:
            row = asdict(point)
            low, high = row.pop("bracket")
            row.pop("crossings")
            rows.append(
                {
                    "definition": self.name,
                    "observable": self.observable,
                    "threshold": self.threshold,
                    "n_train": row.pop("n_train"),
                    "critical_temperature": row.pop("value"),
                    "stderr": point.stderr,
                    "log_stderr": row.pop("log_stderr"),
                    "bracket_low": low,
                    "bracket_high": high,
                    **row,
                }
            )
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        lines = [f"{self.symbol}: {self.definition}", *(f"  {point}" for point in self.points)]
        return "\n".join(lines)


def fit_power_law(temperatures: CriticalTemperatures) -> PowerLaw:
    """Fit T_c = C P^-a to the located temperatures; refused sizes never enter.

    Weights 1/s_P^2 with s_P the bootstrap error of ln T_c, at least 0.02 and, with few seeds,
    pooled over sizes. Errors of a and C: the same weighted fit to T_c of every resampled set of
    seeds. With a single replica they come from the residuals.
    """
    located = np.array([point.value is not None for point in temperatures.points], dtype=bool)
    points = temperatures.located
    return fit_power(
        np.array([point.n_train for point in points], dtype=np.int64),
        np.log([float(point.value or math.nan) for point in points]),
        np.array([point.log_stderr or 0.0 for point in points]),
        temperatures.log_replicates[:, located],
        n_clusters=temperatures.n_clusters,
        symbol=temperatures.symbol,
        refused=[point.n_train for point in temperatures.refused],
    )
