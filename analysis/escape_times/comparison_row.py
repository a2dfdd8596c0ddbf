"""A line of the comparison of simulation and theory, shared by the claims about escapes."""

from __future__ import annotations

from typing import Any

from analysis.claims import Verdict
from analysis.estimates import Estimate

Found = tuple[dict[str, Estimate], dict[str, Verdict], list[dict[str, Any]]]


def comparison_row(
    key: str, simulated: Estimate | None, theory: float, inside: bool, **more: Any
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
