"""What a referee asks of the runs themselves: do they scatter, end and repeat as they should?

Every part is a tidy table and is empty where nothing was measured: pulls of the fits, the spread
over seeds, how runs ended, and pairs of runs that differ in one thing that should not matter, the
step size at equal T or the precision of the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.fits.power_law import PowerLaw
from analysis.table import SETTINGS

PART_NAMES = ("pulls", "spread", "ends", "steps", "precision", "correlation")
_CELL = ("n_train", "temperature")
_PAIRED = ("relative_weight_change", "training_time")


@dataclass(frozen=True)
class Diagnostics:
    """The parts of the figure; `curve` is what has a colour, `position` what is on the axis."""

    pulls: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns fit, position, pull: residuals of fits in units of their errors."""
    spread: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns curve, position, spread, stderr, n: standard deviation of a logarithm over seeds."""
    ends: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns curve, position, n_runs, fitted, censored, diverged."""
    steps: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns curve, position, observable, batch_size, reference, log_ratio, log_stderr, n."""
    precision: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns curve, position, observable, log_ratio, log_stderr, n: float64 over float32."""
    correlation: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns configuration, curve, position, correlation: of stationary fluctuations by lag."""
    curve: str = "n_train"
    """Column behind `curve`."""
    position: str = "temperature"
    """Column behind `position`."""
    pull_position: str = "n_train"
    """What the pulls stand against."""
    observable: str = "relative_weight_change"
    """Whose logarithm the spread is of."""

    @property
    def drawn(self) -> tuple[str, ...]:
        """Names of the parts that have something to show."""
        return tuple(name for name in PART_NAMES if self._is_drawn(name))

    def _is_drawn(self, name: str) -> bool:
        part: pd.DataFrame = getattr(self, name)
        if part.empty:
            return False
        return name != "ends" or bool((part["fitted"] < part["n_runs"]).any())

    def frame(self) -> pd.DataFrame:
        """Return all parts below each other, for a CSV file."""
        parts = [
            getattr(self, name).assign(part=name)
            for name in PART_NAMES
            if not getattr(self, name).empty
        ]
        joined: pd.DataFrame = pd.concat(parts, ignore_index=True)
        joined.insert(0, "part", joined.pop("part"))
        return joined


def spread_over_seeds(
    rows: pd.DataFrame, observable: str, curve: str = "n_train", position: str = "temperature"
) -> pd.DataFrame:
    """Return the standard deviation of ln `observable` over the fitted runs of every cell.

    A cell has equal settings, P and T. Its error is that of the standard deviation of n normal
    numbers, sd/sqrt(2(n-1)).
    """
    fitted = rows[rows["stop_reason"] == "fitted"]
    values = fitted[observable].astype(float)
    fitted = fitted.assign(log=np.log(values.where(values > 0)))
    keys = list(dict.fromkeys((*_keys(rows), curve, position)))
    grouped = fitted.groupby(keys, sort=True)["log"]
    table = pd.DataFrame({"spread": grouped.std(ddof=1), "n": grouped.count()}).reset_index()
    table = table[table["n"] > 2]
    table["stderr"] = table["spread"] / np.sqrt(2 * (table["n"] - 1))
    return _named(table, curve, position, ("spread", "stderr", "n"))


def ends_of_runs(
    rows: pd.DataFrame, curve: str = "n_train", position: str = "temperature"
) -> pd.DataFrame:
    """Return how many runs fitted, used up a budget or diverged at every curve and position."""
    reasons = rows["stop_reason"]
    counted = rows.assign(
        n_runs=1,
        fitted=(reasons == "fitted").astype(int),
        censored=reasons.isin(("step_budget", "wall_budget")).astype(int),
        diverged=(reasons == "diverged").astype(int),
    )
    names = ("n_runs", "fitted", "censored", "diverged")
    table = counted.groupby([curve, position], sort=True)[list(names)].sum().reset_index()
    return _named(table, curve, position, names)


def step_size_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare runs at (eta, B) with those at the next smaller B at the same P, T and seed."""
    if "batch_size" not in rows or "seed" not in rows:
        return pd.DataFrame()
    sizes = sorted(rows["batch_size"].unique())
    parts = []
    for small, large in pairwise(sizes):
        part = _pairs(
            rows[rows["batch_size"] == large],
            rows[rows["batch_size"] == small],
            without=("batch_size", "learning_rate"),
        )
        parts.append(part.assign(batch_size=large, reference=small))
    return joined(parts)


def precision_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare runs in float64 with those in float32, all else equal, seed by seed."""
    if "dtype" not in rows or "seed" not in rows:
        return pd.DataFrame()
    double, single = (rows[rows["dtype"] == name] for name in ("float64", "float32"))
    return _pairs(double, single, without=("dtype",))


def _pairs(above: pd.DataFrame, below: pd.DataFrame, without: Sequence[str]) -> pd.DataFrame:
    """Mean log ratio of paired fitted runs by P and T, for each observable of both."""
    keys = [*(key for key in _keys(above) if key not in without), "seed"]
    parts = []
    for observable in _PAIRED:
        if observable not in above:
            continue
        chosen = [
            rows.loc[rows["stop_reason"] == "fitted", [*keys, observable]]
            for rows in (above, below)
        ]
        both = chosen[0].merge(chosen[1], on=keys, suffixes=("_above", "_below"))
        ratios = both[f"{observable}_above"] / both[f"{observable}_below"]
        both = both.assign(log=np.log(ratios.where(ratios > 0)))
        grouped = both.groupby(list(_CELL), sort=True)["log"]
        table = pd.DataFrame({"log_ratio": grouped.mean(), "n": grouped.count()})
        table["log_stderr"] = grouped.std(ddof=1) / np.sqrt(table["n"])
        table = table.reset_index().assign(observable=observable)
        names = ("observable", "log_ratio", "log_stderr", "n")
        parts.append(_named(table, *_CELL, names))
    return joined(parts)


def _keys(rows: pd.DataFrame) -> list[str]:
    """Columns that tell configurations apart: the settings that vary, P and T."""
    settings = [name for name in SETTINGS if name in rows and rows[name].nunique() > 1]
    return [*settings, *_CELL]


def _named(table: pd.DataFrame, curve: str, position: str, names: Iterable[str]) -> pd.DataFrame:
    renamed = table.rename(columns={curve: "curve", position: "position"})
    return renamed[["curve", "position", *names]].reset_index(drop=True)


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    full = [part for part in parts if not part.empty]
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame()


def pulls_of(fit: str, positions: Iterable[float], pulls: FloatArray) -> pd.DataFrame:
    """Return the pulls of one fit as rows."""
    return pd.DataFrame({"fit": fit, "position": list(positions), "pull": pulls})


def pulls_of_law(name: str, fit: PowerLaw) -> pd.DataFrame:
    return pulls_of(name, fit.x, fit.pulls)


def spread_of(
    rows: pd.DataFrame, observable: str, curve: str = "n_train", position: str = "temperature"
) -> pd.DataFrame:
    if "seed" not in rows or observable not in rows:
        return pd.DataFrame()
    return spread_over_seeds(rows, observable, curve, position)
