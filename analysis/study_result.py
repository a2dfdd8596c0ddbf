"""What the results of all studies share: counts of runs, and the summary for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.estimates import Estimate
from analysis.table import MeasurementTable
from analysis.verdicts import Verdict


def count_runs(table: MeasurementTable) -> dict[str, int | None]:
    """Return runs by how they ended; what was planned and what failed is not in a table."""
    reasons = table.frame["stop_reason"].value_counts()
    return {
        "planned": None,
        "fitted": int(reasons.get("fitted", 0)),
        "censored": int(reasons.get("step_budget", 0)) + int(reasons.get("wall_budget", 0)),
        "diverged": int(reasons.get("diverged", 0)),
        "failed": None,
    }


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
    counts = ", ".join(f"{n} {name}" for name, n in count_runs(table).items() if n is not None)
    return "\n".join([*lines, "", f"runs: {counts}"])
