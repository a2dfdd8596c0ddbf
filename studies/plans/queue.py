"""Units of work and how many of them make a pack.

A unit is one configuration with a block of its seeds: one trial of the ledger. A pack is what
one worker trains in one go; it lasts about a second, so that neither the cost of a task nor the
loss of a killed one matters. What a replica measures does not depend on its pack.
"""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from studies.contracts import Configuration
from studies.experiments import load_experiment
from studies.units import CPU, Pack, Unit

PACK_SECONDS = 0.7
"""Intended duration of a pack."""


def expected_seconds(point: Configuration) -> float:
    """Rough time of one replica; the driver corrects it by what it observes."""
    return load_experiment(point.experiment).expected_seconds(point)


class PackQueue:
    """Planned work, handed out in packs of about equal duration.

    The order is that of the points' hashes: as good as random, so that cheap and costly trainings
    mix and the rate seen so far predicts the time left.

    Parameters
    ----------
    work
        Configurations with the seeds that are missing.
    together
        Replicas of a configuration that are cheaper together than apart, by place: a unit has so
        many, if there are, even if they take longer than a pack should.
    start
        A hash to begin at, so that drivers that share a study begin at different places.
    """

    def __init__(
        self,
        work: Iterable[tuple[Configuration, Sequence[int]]],
        together: Mapping[str, int] | None = None,
        start: str = "",
    ) -> None:
        self._together = together or {}
        items = [(point, tuple(seeds)) for point, seeds in work if seeds]
        items.sort(key=lambda item: (item[0].identity < start, item[0].identity))
        self._items = deque(items)
        self._retries: deque[Pack] = deque()
        # A GPU and a core differ by more than any two trainings.
        self._observed: dict[str, float] = defaultdict(float)
        self._expected: dict[str, float] = defaultdict(float)

    awaits_others = False

    def __bool__(self) -> bool:
        return bool(self._items or self._retries)

    def put_back(self, pack: Pack) -> None:
        """Take back a pack that has to be trained again."""
        self._retries.append(pack)

    def settled(self, pack: Pack, seconds: float, place: str = CPU) -> None:
        """Learn how long a pack took at a place."""
        self._expected[place] += sum(expected_seconds(u.point) * len(u.seeds) for u in pack)
        self._observed[place] += seconds

    def settled_elsewhere(self, pack: Pack) -> None:
        """Learn nothing: how long it took is not known here."""

    def take(self, limit: int | None = None, place: str = CPU) -> Pack:
        """Return the next pack; a configuration is split only if it is too long for one."""
        if self._retries:
            return self._retries.popleft()
        # The prior of one second keeps the first packs from being missized by one outlier.
        slowness = (self._observed[place] + 1.0) / (self._expected[place] + 1.0)
        room = sys.maxsize if limit is None else limit
        left = PACK_SECONDS
        units: list[Unit] = []
        while self._items and room > 0:
            point, seeds = self._items[0]
            cost = expected_seconds(point) * slowness
            if units and cost * len(seeds) > left:
                break
            self._items.popleft()
            together = self._together.get(place, 1)
            size = min(room, max(together, int(1.5 * PACK_SECONDS / cost)))
            if size < len(seeds):
                self._items.appendleft((point, seeds[size:]))
                seeds = seeds[:size]
            units.append(Unit(point, seeds))
            left -= cost * len(seeds)
            room -= len(seeds)
        return tuple(units)
