"""What the results of studies share: the summary for a terminal, the numbers for report.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.estimates import Estimate
from analysis.run_counts import count_runs
from analysis.table import MeasurementTable
from analysis.verdicts import Verdict


def summary_text(
    headline: str,
    estimates: Mapping[str, Estimate],
    verdicts: Mapping[str, Verdict],
    table: MeasurementTable,
) -> str:
    """Return headline, estimates with intervals, verdicts and counts as lines of text."""
    lines = [headline, ""]
    for key, estimate in estimates.items():
        interval = estimate.interval95
        shown = f"95% interval [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""
        lines.append(f"  {key:<32} {estimate!s:<14} {shown}".rstrip())
    lines.append("")
    lines += [f"  {key}: {verdict.status}: {verdict.reason}" for key, verdict in verdicts.items()]
    counts = ", ".join(
        f"{n} {name}" for name, n in count_runs(table.frame).items() if n is not None
    )
    return "\n".join([*lines, "", f"runs: {counts}"])


def plain_numbers(
    headline: str,
    estimates: Mapping[str, Estimate],
    verdicts: Mapping[str, Verdict],
    table: MeasurementTable,
) -> dict[str, Any]:
    """Return headline, counts, estimates and verdicts as plain values for strict JSON."""
    return {
        "headline": headline.splitlines(),
        "counts": count_runs(table.frame),
        "estimates": {key: value.to_dict() for key, value in estimates.items()},
        "verdicts": {key: value.to_dict() for key, value in verdicts.items()},
    }
