"""Units of work.

A unit is one configuration with a block of its seeds: one trial of the ledger. A pack is what
one worker trains in one go. What a replica measures does not depend on its pack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from studies.contracts import Configuration

CPU = "cpu"
"""The usual place of a pack: places are kinds of devices."""


@dataclass(frozen=True)
class Unit:
    """One configuration with some of its seeds."""

    point: Configuration
    seeds: tuple[int, ...]
    trial: int | None = None
    """Number of the Optuna trial that asked for it; None for a planned point."""

    def halves(self) -> tuple[Unit, ...]:
        """Return two units with half of the seeds each, or the unit itself if it has one."""
        if len(self.seeds) < 2 or self.trial is not None:
            return (self,)
        middle = len(self.seeds) // 2
        return (
            Unit(self.point, self.seeds[:middle]),
            Unit(self.point, self.seeds[middle:]),
        )

    def to_payload(self) -> dict[str, Any]:
        """Return plain data for a worker."""
        return {"point": self.point.to_dict(), "seeds": list(self.seeds)}


Pack = tuple[Unit, ...]


def halve(pack: Pack) -> tuple[Pack, ...]:
    """Split a pack in two to isolate the unit or replica that kills its worker."""
    if len(pack) > 1:
        middle = len(pack) // 2
        return pack[:middle], pack[middle:]
    return tuple((unit,) for unit in pack[0].halves())


class Work(Protocol):
    """What is still to be trained, handed out in packs."""

    @property
    def awaits_others(self) -> bool:
        """Whether there is nothing to do but wait until other drivers are done."""

    def __bool__(self) -> bool:
        """Whether anything is left to hand out or to wait for."""

    def take(self, limit: int | None = None, place: str = CPU) -> Pack:
        """Return the next pack, or an empty one if nothing can be handed out now.

        A planned pack has at most `limit` replicas, and is sized for where it will be trained.
        """

    def put_back(self, pack: Pack) -> None:
        """Take back a pack that has to be trained again."""

    def settled(self, pack: Pack, seconds: float, place: str = CPU) -> None:
        """Note that a pack is in the ledger, after so many seconds of training at a place."""


class ShareableWork(Work, Protocol):
    """Work of which several drivers may each take a part."""

    def settled_elsewhere(self, pack: Pack) -> None:
        """Note that what was handed out here is in the ledger, but not trained here."""
