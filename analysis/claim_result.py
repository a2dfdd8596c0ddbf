"""Results that are answers to claims: estimates, verdicts and what a script gets of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Verdict
from analysis.estimates import Estimate, estimate_from_error
from analysis.result import plain_numbers
from analysis.table import ReadTableError


class AnalyseTableError(ReadTableError):
    """A table that lacks what an analysis needs; the message is one sentence for the user."""


@dataclass(frozen=True)
class ClaimResult:
    """What a study found on a list of claims of the literature."""

    title: str
    """The answer in one line."""
    frame: pd.DataFrame = field(repr=False)
    """One row per measured replica."""
    estimates: dict[str, Estimate]
    """Numbers by key."""
    verdicts: dict[str, Verdict]
    """Claims by key; the first one is the headline."""
    tables: dict[str, pd.DataFrame] = field(repr=False, default_factory=dict)
    """Tables for scripts, by file name."""

    def headline(self) -> str:
        """Return the answer in one line."""
        return self.title

    def summary(self) -> str:
        """Return numbers and verdicts as text for a terminal."""
        lines = [self.title, ""]
        lines += [f"  {key:<44} {estimate}" for key, estimate in self.estimates.items()]
        lines += [""]
        lines += [f"  {key}: {v.status}: {v.reason}" for key, v in self.verdicts.items()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return estimates, verdicts and counts as plain values for strict JSON."""
        counts = {"measured": len(self.frame)}
        return plain_numbers(self.title, counts, self.estimates, self.verdicts)


def mean_over_seeds(
    values: npt.ArrayLike,
    *,
    definition: str,
    fit_range: str,
    logarithmic: bool = False,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate | None:
    """Return the mean over independent seeds with Student's interval; None without values.

    `logarithmic` takes the geometric mean, with the error of the logarithm. `bounds` are the
    values that the number can have at all: the interval ends there. Seeds that agree to the last
    digit say nothing about the error, which is then unknown.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if logarithmic:
        known = np.log(known[known > 0])
    if known.size == 0:
        return None
    mean = float(known.mean())
    spread = float(known.std(ddof=1)) if known.size > 1 else 0.0
    error = spread / math.sqrt(known.size) if spread > 0 else None
    estimate = estimate_from_error(
        math.exp(mean) if logarithmic else mean,
        error,
        known.size - 1,
        known.size,
        definition=definition,
        fit_range=fit_range,
        logarithmic=logarithmic,
    )
    if estimate.interval95 is None:
        return estimate
    low, high = estimate.interval95
    return replace(estimate, interval95=(max(low, bounds[0]), min(high, bounds[1])))


def judge(claim: str, holds: bool | None, reason: str, **more: Any) -> Verdict:
    """Return a verdict: established, contradicted, or (None) not established."""
    status = {True: ESTABLISHED, False: CONTRADICTED, None: NOT_ESTABLISHED}[holds]
    return Verdict(claim, status, reason, **more)


def require_columns(frame: pd.DataFrame, names: tuple[str, ...], study: str) -> None:
    """Raise AnalyseTableError unless the table has rows and these columns."""
    missing = [name for name in names if name not in frame]
    if missing:
        raise AnalyseTableError(f"a table of {study} needs the column {missing[0]!r}")
    if frame.empty:
        raise AnalyseTableError(f"the table of {study} has no rows")


def cells(frame: pd.DataFrame, *names: str) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Return the parts of a table by the values of some columns, in increasing order."""
    groups = frame.groupby(list(names), sort=True)
    return [(tuple(_plain(v) for v in key), part) for key, part in groups]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def finite(values: Mapping[str, Estimate | None]) -> dict[str, Estimate]:
    """Return the estimates that exist."""
    return {key: value for key, value in values.items() if value is not None}
