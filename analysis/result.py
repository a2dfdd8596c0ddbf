"""What the results of studies share: the joins over their parts, the summary, the numbers.

A result is made of parts, one per law, plane or diagram. A study says what its parts are, how
one of them is judged and how its answer reads; the rest is the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from analysis.claims import Verdict
from analysis.estimates import Estimate, interval_text
from analysis.run_counts import count_runs
from analysis.table import MeasurementTable


class Part(Protocol):
    """One law, plane or diagram of a result."""

    def estimates(self) -> dict[str, Estimate]:
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
    def judge_part(self, part: P) -> dict[str, Verdict]:
        """Return the verdicts on one part by key."""

    @abstractmethod
    def answer_of(self, part: P) -> str:
        """Return the answer of one part in one line; empty if it has none."""

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Every number by key."""
        return {key: value for part in self.parts for key, value in part.estimates().items()}

    @property
    def verdicts(self) -> dict[str, Verdict]:
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
    estimates: Mapping[str, Estimate],
    verdicts: Mapping[str, Verdict],
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
    estimates: Mapping[str, Estimate],
    verdicts: Mapping[str, Verdict],
) -> dict[str, Any]:
    """Return headline, counts, estimates and verdicts as plain values for strict JSON."""
    return {
        "headline": headline.splitlines(),
        "counts": dict(counts),
        "estimates": {key: value.to_dict() for key, value in estimates.items()},
        "verdicts": {key: value.to_dict() for key, value in verdicts.items()},
    }
