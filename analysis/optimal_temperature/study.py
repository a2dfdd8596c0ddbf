"""T_opt(alpha) and its power k: T_opt ~ alpha^k in the feature regime.

One search over T per alpha, planned or asked of a sampler; which temperatures were tried does not
matter, since T_opt comes from a fit to all of them and not from the best trial.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis.claims import ESTABLISHED, NOT_ESTABLISHED, Verdict
from analysis.curves import build_curves
from analysis.estimates import Estimate
from analysis.fits.alpha_law import fit_alpha_law, pull_from, status_of
from analysis.fits.power_law import PowerLaw
from analysis.frame import Record, estimates_of, number, printed, tidy
from analysis.key import Key
from analysis.locating.minimum import (
    DEGREES,
    INSUFFICIENT,
    OptimalTemperature,
    locate_optimal_temperature,
)
from analysis.result import JoinedResult, finite
from analysis.table import MeasurementTable, ReadTableError, plain, setting_text, settings_label

_SIGNIFICANT = 2.0
"""Standard errors by which the minimum must lie below the lowest temperature."""

LITERATURE = "Sclocchi, Geiger and Wyart, arXiv:2301.13703"


COLUMNS = (
    "law", "n_train", "alpha", "optimal_temperature", "log_stderr", "low68", "high68",
    "quadratic", "gain", "gain_stderr", "n_seeds", "n_dropped", "n_temperatures", "status",
    "message",
)  # fmt: skip
"""Of t_opt.csv."""


@dataclass(frozen=True)
class OptimalLaw:
    """T_opt of every alpha at one P and one set of other settings."""

    settings: dict[str, Any]
    """Settings that tell this law from others; empty if there is one."""
    n_train: int
    """P."""
    depth: int
    """Hidden layers D, for the prediction k = (D-1)/(D+1)."""
    optima: tuple[OptimalTemperature, ...]
    """One per alpha, in increasing order."""
    law: PowerLaw
    """Power law of T_opt by the cubic."""
    check: PowerLaw
    """The same with the minima of the quadratic."""

    @property
    def label(self) -> str:
        """``width=64`` or ``""``."""
        return settings_label(self.settings)

    @property
    def predicted(self) -> float:
        """k = (D-1)/(D+1)."""
        return (self.depth - 1) / (self.depth + 1)

    @property
    def systematic(self) -> float | None:
        """Difference of k between cubic and quadratic."""
        if self.law.exponent is None or self.check.exponent is None:
            return None
        return abs(self.law.exponent.value - self.check.exponent.value)

    def key(self, name: str, /, *words: str, **settings: Any) -> Key:
        """Return ``name[words,settings,label]``."""
        return Key(name, *words, **settings, **self.settings)

    def estimates(self) -> dict[Key, Estimate]:
        """Return every number by its key, e.g. ``T_opt[alpha=0.01]`` and ``k``."""
        found: dict[Key, Estimate | None] = {
            self.key("k"): self.law.exponent,
            self.key("k", "quadratic"): self.check.exponent,
        }
        return finite(found) | estimates_of(self.located)

    @cached_property
    def located(self) -> pd.DataFrame:
        """T_opt at every alpha, or why there is none."""
        return tidy(self._row(optimum) for optimum in self.optima)

    def _row(self, optimum: OptimalTemperature) -> Record:
        low, high = optimum.interval68 or (math.nan, math.nan)
        fitted, alpha, estimate = math.nan, optimum.alpha, optimum.estimate()
        if self.law.exponent is not None:
            fitted = float(self.law.evaluate(np.array([alpha]))[0])
        return {
            "law": self.label,
            "n_train": self.n_train,
            "alpha": alpha,
            "optimal_temperature": optimum.value,
            "log_stderr": optimum.log_stderr,
            "low68": low,
            "high68": high,
            "quadratic": optimum.by_degree.get(2),
            **number("gain", optimum.gain),
            "n_seeds": optimum.n_seeds,
            "n_dropped": optimum.n_dropped,
            "temperatures": optimum.temperatures,
            "n_temperatures": len(optimum.temperatures),
            "level": optimum.level,
            "status": optimum.status,
            "message": optimum.message,
            "fitted": fitted,
            "estimate": estimate,
            "gained": optimum.gain,
            "estimates": {
                self.key("T_opt", alpha=alpha): estimate,
                self.key("gain", alpha=alpha): optimum.gain,
            },
        }

    def verdicts(self) -> dict[Key, Verdict]:
        """Return the verdicts by key."""
        result = {self.key("T_opt_power_law"): self._power_law()}
        for optimum in self.optima:
            result[self.key("T_opt_resolved", alpha=optimum.alpha)] = _resolved(optimum)
        return result

    def _power_law(self) -> Verdict:
        k = self.predicted
        where = f" at {self.label}" if self.label else ""
        claim = f"T_opt ~ alpha^k with k = (D-1)/(D+1) = {k:g}{where}."
        exponent = self.law.exponent
        if exponent is None:
            refusals = (o.message for o in self.optima if o.message)
            reasons = dict.fromkeys((self.law.remarks[0], *refusals))
            return Verdict(claim, NOT_ESTABLISHED, "; ".join(reasons), LITERATURE)
        pull = pull_from(exponent, k)
        reason = f"k = {exponent}, {self.law.fit_range}, P = {self.n_train}, {exponent.n} seeds"
        if self.systematic is not None:
            reason += f", systematic ±{self.systematic:.2f} (quadratic instead of cubic)"
        if pull is not None:
            reason += f": {pull:+.1f} standard errors from {k:g}"
        status = status_of(exponent, k)
        return Verdict(claim, status, reason, LITERATURE, exponent.value, exponent.stderr, pull)

    def answer(self) -> str:
        """Return k in one line, or why there is none."""
        if self.law.exponent is None:
            return self.law.remarks[0]
        interval = self.law.exponent.interval95
        shown = (
            "" if interval is None else f", 95% interval [{interval[0]:.2f}, {interval[1]:.2f}]"
        )
        return (
            f"T_opt ~ alpha^{self.law.exponent}{shown}, {self.law.fit_range}, "
            f"P = {self.n_train}, {self.law.exponent.n} seeds"
        )


class OptimalResult(JoinedResult[OptimalLaw]):
    """All laws of a table with their estimates and verdicts."""

    @property
    def laws(self) -> tuple[OptimalLaw, ...]:
        """One per P and combination of other settings."""
        return self.parts

    def optima(self) -> pd.DataFrame:
        """Return one row per law and alpha with T_opt or its refusal."""
        return self.tables["t_opt.csv"]


def analyse_optimal_temperature(
    table: MeasurementTable, *, n_bootstrap: int = 1000, seed: int = 0
) -> OptimalResult:
    """Locate T_opt at every alpha and P of a table and fit its power of alpha.

    Raises
    ------
    ReadTableError
        If the table has no test error.
    """
    if "test_error" not in table.frame:
        raise ReadTableError("the table lacks the column 'test_error', whose minimum is T_opt")
    laws = []
    for group in table.groups(without=("alpha",)):
        frame = group.frame if "alpha" in group.frame else group.frame.assign(alpha=1.0)
        sizes = sorted(frame["n_train"].unique())
        for size in sizes:
            settings = {**group.settings, **({"n_train": size} if len(sizes) > 1 else {})}
            laws.append(_law(frame[frame["n_train"] == size], settings, n_bootstrap, seed))
    return OptimalResult.join(
        table,
        tuple(laws),
        n_bootstrap,
        judge=OptimalLaw.verdicts,
        answer=OptimalLaw.answer,
        numbers={"systematics": {law.key("k"): law.systematic for law in laws}},
        tables={"t_opt.csv": printed(pd.concat([law.located for law in laws]), COLUMNS)},
    )


def _law(rows: pd.DataFrame, settings: dict[str, Any], n_bootstrap: int, seed: int) -> OptimalLaw:
    optima = tuple(
        locate_optimal_temperature(
            build_curves(frame), float(plain(alpha)), n_bootstrap=n_bootstrap, seed=seed
        )
        for alpha, frame in rows.groupby("alpha", sort=True)
    )
    law, check = (_fit(optima, degree) for degree in DEGREES)
    return OptimalLaw(
        settings=settings,
        n_train=int(rows["n_train"].iloc[0]),
        depth=int(rows["depth"].iloc[0]) if "depth" in rows else 3,
        optima=optima,
        law=law,
        check=check,
    )


def _fit(optima: tuple[OptimalTemperature, ...], degree: int) -> PowerLaw:
    located = [optimum for optimum in optima if optimum.value is not None]
    return fit_alpha_law(
        [optimum.alpha for optimum in located],
        np.log([optimum.by_degree[degree] for optimum in located]),
        np.array([optimum.log_stderr or 0.0 for optimum in located]),
        [optimum.log_replicates[degree] for optimum in located],
        n_clusters=min((optimum.n_seeds for optimum in located), default=1),
        symbol="T_opt",
    )


def _resolved(optimum: OptimalTemperature) -> Verdict:
    at = f"alpha = {setting_text(optimum.alpha)}"
    claim = f"The test error is least at a temperature inside the window, {at}."
    if optimum.gain is None or optimum.interval68 is None:
        return Verdict(claim, NOT_ESTABLISHED, optimum.message)
    low, high = optimum.interval68
    gain = optimum.gain
    pull = gain.value / gain.stderr if gain.stderr else None
    reason = f"{gain} from T = {optimum.temperatures[0]:.3g} to T_opt, {gain.n} paired seeds"
    if optimum.status != INSUFFICIENT:
        reason += f"; 68 % interval of T_opt [{low:.3g}, {high:.3g}]"
    if optimum.message:
        reason = f"{optimum.message}; {reason}"
    deep = pull is not None and pull < -_SIGNIFICANT
    status = ESTABLISHED if optimum.value is not None and deep else NOT_ESTABLISHED
    return Verdict(claim, status, reason, None, optimum.best, None, pull)
