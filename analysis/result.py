"""What every study returns: its answer, numbers, verdicts and counts, worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Verdict
from analysis.estimates import Estimate, estimate_from_error, interval_text
from analysis.key import Key
from analysis.table import MeasurementTable, ReadTableError, count_runs

Found = tuple[dict[Key, Estimate], dict[Key, Verdict], list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a study found; a study adds what is its own."""

    answer: str
    """The answer in one line, or one line per law where there are several."""
    estimates: dict[Key, Estimate] = field(repr=False)
    """Every number by key."""
    verdicts: dict[Key, Verdict] = field(repr=False)
    """Every verdict by key."""
    counts: Mapping[str, int | None]
    """Runs by how they ended, or rows."""
    numbers: Mapping[str, Any] = field(repr=False, default_factory=dict)
    """What the study adds to report.json, as plain values."""
    tables: Mapping[str, pd.DataFrame] = field(repr=False, default_factory=dict)
    """Tables for scripts, by file name."""

    def headline(self) -> str:
        """Return the answer in one line, or one line per law where there are several."""
        return self.answer

    def summary(self) -> str:
        """Return the answer, the numbers and the verdicts as text for a terminal."""
        lines = [self.answer, ""]
        for key, estimate in self.estimates.items():
            ends = interval_text(estimate)
            shown = f"95% interval {ends}" if ends else ""
            lines.append(f"  {key:<32} {estimate!s:<14} {shown}".rstrip())
        lines.append("")
        lines += [f"  {key}: {v.status}: {v.reason}" for key, v in self.verdicts.items()]
        return "\n".join([*lines, "", runs_line(self.counts)])

    def to_dict(self) -> dict[str, Any]:
        """Return headline, counts, estimates and verdicts as plain values for strict JSON."""
        return {
            "headline": self.answer.splitlines(),
            "counts": dict(self.counts),
            "estimates": {key: value.to_dict() for key, value in self.estimates.items()},
            "verdicts": {key: value.to_dict() for key, value in self.verdicts.items()},
            **self.numbers,
        }


class Part(Protocol):
    """One law, plane or diagram of a result."""

    @property
    def label(self) -> str:
        """Settings that tell it from others; empty if there is one."""
        ...

    def estimates(self) -> dict[Key, Estimate]:
        """Return its numbers by key."""
        ...


P = TypeVar("P", bound=Part)


@dataclass(frozen=True, kw_only=True)
class JoinedResult(Result, Generic[P]):
    """A result whose numbers, verdicts and answer are those of its parts, joined."""

    table: MeasurementTable = field(repr=False)
    """The data."""
    parts: tuple[P, ...] = field(repr=False)
    """Laws, planes or diagrams in the order of the report."""
    n_bootstrap: int
    """Bootstrap samples behind every error."""

    @classmethod
    def join(
        cls,
        table: MeasurementTable,
        parts: tuple[P, ...],
        n_bootstrap: int,
        *,
        judge: Callable[[P], dict[Key, Verdict]],
        answer: Callable[[P], str],
        unanswered: str = "",
        **more: Any,
    ) -> Self:
        """Judge every part and join what they hold.

        Parameters
        ----------
        answer
            Returns the answer of one part without its label; empty if it has none.
        unanswered
            The headline where no part has an answer.
        """
        answers = [(part.label, answer(part)) for part in parts]
        lines = (f"{label}: {text}" if label else text for label, text in answers if text)
        return cls(
            answer="\n".join(lines) or unanswered,
            estimates={key: value for part in parts for key, value in part.estimates().items()},
            verdicts={key: verdict for part in parts for key, verdict in judge(part).items()},
            counts=count_runs(table.frame),
            table=table,
            parts=parts,
            n_bootstrap=n_bootstrap,
            **more,
        )


def runs_line(counts: Mapping[str, int | None]) -> str:
    """Return the counts that are known as one line of text.

    >>> runs_line({"fitted": 3, "diverged": 1, "planned": None})
    'runs: 3 fitted, 1 diverged'
    """
    return "runs: " + ", ".join(f"{n} {name}" for name, n in counts.items() if n is not None)


class AnalyseTableError(ReadTableError):
    """A table that lacks what an analysis needs; the message is one sentence for the user."""


@dataclass(frozen=True, kw_only=True)
class ClaimResult(Result):
    """What a study found on a list of claims of the literature; the first is the headline."""

    frame: pd.DataFrame = field(repr=False)
    """One row per measured replica."""

    def summary(self) -> str:
        """Return numbers and verdicts as text for a terminal."""
        lines = [self.answer, ""]
        lines += [f"  {key:<44} {estimate}" for key, estimate in self.estimates.items()]
        lines += [""]
        lines += [f"  {key}: {v.status}: {v.reason}" for key, v in self.verdicts.items()]
        return "\n".join(lines)


def claim_result(
    answer: str,
    frame: pd.DataFrame,
    estimates: dict[Key, Estimate],
    verdicts: dict[Key, Verdict],
    tables: dict[str, pd.DataFrame],
) -> ClaimResult:
    """Return the result of a study of claims; `frame` has one row per measured replica."""
    return ClaimResult(
        answer=answer,
        estimates=estimates,
        verdicts=verdicts,
        counts={"measured": len(frame)},
        tables=tables,
        frame=frame,
    )


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
