"""How the runs of a table ended, in the words of report.json."""

from __future__ import annotations

import pandas as pd


def count_runs(frame: pd.DataFrame) -> dict[str, int | None]:
    """Return runs by how they ended; what was planned and what failed is not in a table."""
    reasons = frame["stop_reason"].value_counts()
    censored = int(reasons.get("step_budget", 0)) + int(reasons.get("wall_budget", 0))
    return {
        "planned": None,
        "fitted": int(reasons.get("fitted", 0)),
        "censored": censored,
        "diverged": int(reasons.get("diverged", 0)),
        "failed": None,
    }
