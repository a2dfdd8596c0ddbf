"""What the results of studies share: the joins over their parts, the summary, the numbers.

A result is made of parts, one per law, plane or diagram. A study says what its parts are, how
one of them is judged and how its answer reads; the rest is the same for all.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Verdict
from analysis.estimates import Estimate, estimate_from_error, interval_text
from analysis.key import Key
from analysis.table import MeasurementTable, ReadTableError, count_runs

Found = tuple[dict[Key, Estimate], dict[Key, Verdict], list[dict[str, Any]]]


class Part(Protocol):
    """One law, plane or diagram of a result."""

    def estimates(self) -> dict[Key, Estimate]:
        """Return its numbers by key."""
        ...


P = TypeVar("P", bound=Part)


class JoinedResult(ABC, Generic[P]):
    """A result whose estimates, verdicts and headline are those of its parts, joined."""

    table: MeasurementTable

    @property
    @abstractmethod
    def parts(self) -> Sequence[P]:
        """Laws, planes or diagrams in the order of the report."""

    @abstractmethod
    def judge_part(self, part: P) -> dict[Key, Verdict]:
        """Return the verdicts on one part by key."""

    @abstractmethod
    def answer_of(self, part: P) -> str:
        """Return the answer of one part in one line; empty if it has none."""

    @property
    def estimates(self) -> dict[Key, Estimate]:
        """Every number by key."""
        return {key: value for part in self.parts for key, value in part.estimates().items()}

    @property
    def verdicts(self) -> dict[Key, Verdict]:
        """Every verdict by key."""
        return {key: v for part in self.parts for key, v in self.judge_part(part).items()}

    @property
    def counts(self) -> dict[str, int | None]:
        """Runs by how they ended."""
        return count_runs(self.table.frame)

    def headline(self) -> str:
        """Return the answer in one line, or one line per part where there are several."""
        return "\n".join(filter(None, (self.answer_of(part) for part in self.parts)))

    def summary(self) -> str:
        """Return the answer, the numbers and the verdicts as text for a terminal."""
        return summary_text(self.headline(), self.estimates, self.verdicts, self.counts)

    def to_dict(self) -> dict[str, Any]:
        """Return headline, counts, estimates and verdicts as plain values for strict JSON."""
        return {
            **plain_numbers(self.headline(), self.counts, self.estimates, self.verdicts),
            **self.more_numbers(),
        }

    def more_numbers(self) -> dict[str, Any]:
        """Return what the study adds to these numbers, as plain values."""
        return {}


def summary_text(
    headline: str,
    estimates: Mapping[Key, Estimate],
    verdicts: Mapping[Key, Verdict],
    counts: Mapping[str, int | None],
) -> str:
    """Return headline, estimates with intervals, verdicts and counts as lines of text."""
    lines = [headline, ""]
    for key, estimate in estimates.items():
        ends = interval_text(estimate)
        shown = f"95% interval {ends}" if ends else ""
        lines.append(f"  {key:<32} {estimate!s:<14} {shown}".rstrip())
    lines.append("")
    lines += [f"  {key}: {verdict.status}: {verdict.reason}" for key, verdict in verdicts.items()]
    return "\n".join([*lines, "", runs_line(counts)])


def runs_line(counts: Mapping[str, int | None]) -> str:
    """Return the counts that are known as one line of text.

    >>> runs_line({"fitted": 3, "diverged": 1, "planned": None})
    'runs: 3 fitted, 1 diverged'
    """
    return "runs: " + ", ".join(f"{n} {name}" for name, n in counts.items() if n is not None)


def plain_numbers(
    headline: str,
    counts: Mapping[str, int | None],
    estimates: Mapping[Key, Estimate],
    verdicts: Mapping[Key, Verdict],
) -> dict[str, Any]:
    """Return headline, counts, estimates and verdicts as plain values for strict JSON."""
    return {
        "headline": headline.splitlines(),
        "counts": dict(counts),
        "estimates": {key: value.to_dict() for key, value in estimates.items()},
        "verdicts": {key: value.to_dict() for key, value in verdicts.items()},
    }


class AnalyseTableError(ReadTableError):
    """A table that lacks what an analysis needs; the message is one sentence for the user."""


@dataclass(frozen=True)
class ClaimResult:
    """What a study found on a list of claims of the literature."""

    title: str
    """The answer in one line."""
    frame: pd.DataFrame = field(repr=False)
    """One row per measured replica."""
    estimates: dict[Key, Estimate]
    """Numbers by key."""
    verdicts: dict[Key, Verdict]
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


def finite(values: Mapping[Key, Estimate | None]) -> dict[Key, Estimate]:
    """Return the estimates that exist."""
    return {key: value for key, value in values.items() if value is not None}


def comparison_row(
    key: Key, simulated: Estimate | None, theory: float, inside: bool, **more: Any
) -> dict[str, Any]:
    """Return a line of the comparison; `inside` says whether the law should hold there."""
    value = None if simulated is None else simulated.value
    error = None if simulated is None else simulated.stderr
    pull = (value - theory) / error if value is not None and error else None
    return {
        "key": key,
        "simulated": value,
        "stderr": error,
        "theory": theory,
        "pull": pull,
        "inside": inside,
        **more,
    }
