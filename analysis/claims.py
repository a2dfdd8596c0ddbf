"""A verdict: what the data say about one claim, in fixed words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.estimates import json_number

ESTABLISHED = "established"
NOT_ESTABLISHED = "not established"
CONTRADICTED = "contradicted"
LITERATURE = "Sclocchi, Geiger and Wyart, arXiv:2301.13703"


@dataclass(frozen=True)
class Verdict:
    """The answer to one claim."""

    claim: str
    """The claim as a sentence."""
    status: str
    """``established``, ``not established`` or ``contradicted``."""
    reason: str
    """The numbers behind the status."""
    literature: str | None = None
    """Where the claim comes from."""
    value: float | None = None
    """The number the claim is about."""
    stderr: float | None = None
    """Its standard error."""
    pull: float | None = None
    """Departure from the claim in standard errors."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, null for what is unknown."""
        return {
            "claim": self.claim,
            "status": self.status,
            "reason": self.reason,
            "literature": self.literature,
            "value": json_number(self.value),
            "stderr": json_number(self.stderr),
            "pull": json_number(self.pull),
        }


@dataclass(frozen=True)
class Light:
    """One condition of the answer."""

    name: str
    """The condition in a few words."""
    state: str
    """``green``, ``red`` or ``not measured``."""
    reason: str
    """The number it was judged by."""
    remedy: str = ""
    """Which data would settle a red light."""
