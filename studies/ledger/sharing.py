"""Work of which other drivers take their part, through claims in a database."""

from __future__ import annotations

import time
from collections import deque

from studies.ledger.claims import Claims, Key
from studies.ledger.database import DatabaseLedger
from studies.units import CPU, Pack, ShareableWork, Unit

LOOK_SECONDS = 0.5
"""Between two looks at what others hold, when nothing else is left."""


class SharedWork:
    """Hands out what this driver could claim, and waits for what others have.

    What others are training is kept aside. It is done when they record it; it is trained here
    when their claim expires or is given back.

    Parameters
    ----------
    work
        What is missing, as far as this driver knows.
    """

    def __init__(self, work: ShareableWork, ledger: DatabaseLedger, claims: Claims) -> None:
        self._work = work
        self._ledger = ledger
        self._claims = claims
        self._elsewhere: deque[Pack] = deque()
        self._retries: deque[Pack] = deque()
        self._next_look = 0.0

    def __bool__(self) -> bool:
        return bool(self._work) or self.awaits_others or bool(self._retries)

    @property
    def awaits_others(self) -> bool:
        """Whether other drivers hold some of what is left."""
        return bool(self._elsewhere)

    def take(self, limit: int | None = None, place: str = CPU) -> Pack:
        """Return the next pack that could be claimed, or an empty one."""
        if self._retries:
            return self._retries.popleft()
        while asked := self._work.take(limit, place):
            pack = self._claim(asked)
            if pack:
                return pack
        if not self._elsewhere or time.monotonic() < self._next_look:
            return ()
        pack = self._take_over()
        if not pack:
            self._next_look = time.monotonic() + LOOK_SECONDS
        return pack

    def put_back(self, pack: Pack) -> None:
        """Take back a pack that has to be trained again; it stays claimed."""
        self._retries.append(pack)

    def settled(self, pack: Pack, seconds: float, place: str = CPU) -> None:
        """Note that a pack is in the ledger; a unit whose claim was lost is another's."""
        lost = tuple(unit for unit in pack if not all(map(self._ledger.is_settled, _keys(unit))))
        if lost:
            self._elsewhere.append(lost)
        self._work.settled(tuple(unit for unit in pack if unit not in lost), seconds, place)

    def _claim(self, asked: Pack) -> Pack:
        """Return what could be claimed of a pack and is not settled; keep aside what could not."""
        open_keys = [key for unit in asked for key in _keys(unit) if not self._is_settled(key)]
        taken = self._claims.take(open_keys)
        if open_keys:
            # Only now: a claim that was given back a moment ago has its result in the ledger.
            self._ledger.refresh()
        settled = {key for unit in asked for key in _keys(unit) if self._is_settled(key)}
        self._claims.release(taken & settled)
        mine = _restricted(asked, taken - settled)
        left = _restricted(asked, set(open_keys) - taken - settled)
        if left:
            self._elsewhere.append(left)
        self._work.settled_elsewhere(_restricted(asked, settled))
        return mine

    def _take_over(self) -> Pack:
        """Return a pack that others left, and forget what they recorded."""
        self._ledger.refresh()
        held = self._claims.held_by_others()
        for _ in range(len(self._elsewhere)):
            pack = self._elsewhere.popleft()
            keys = {key for unit in pack for key in _keys(unit)}
            waiting = {key for key in keys if not self._is_settled(key)}
            self._work.settled_elsewhere(_restricted(pack, keys - waiting))
            if waiting & held:
                self._elsewhere.append(_restricted(pack, waiting))
            elif waiting:
                mine = self._claim(_restricted(pack, waiting))
                if mine:
                    return mine
        return ()

    def _is_settled(self, key: Key) -> bool:
        return self._ledger.is_settled(key)


def _keys(unit: Unit) -> list[Key]:
    return [(unit.point.identity, seed) for seed in unit.seeds]


def _restricted(pack: Pack, keys: set[Key]) -> Pack:
    """Return the part of a pack that is made of some replicas."""
    units = []
    for unit in pack:
        seeds = tuple(seed for seed in unit.seeds if (unit.point.identity, seed) in keys)
        if seeds:
            units.append(Unit(unit.point, seeds, unit.trial))
    return tuple(units)
