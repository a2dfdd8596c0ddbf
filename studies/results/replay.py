"""Run one configuration of a study again and compare it with its stored rows, value by value.

A measurement is a pure function of configuration and seed, so on the same backend and processor
architecture the repetition is equal to the last bit; anything else is worth knowing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_spaces import InvalidSettingError
from search_spaces.choices import nearest
from studies.execution.worker import run_pack
from studies.ledger.base import Block
from studies.ledger.choice import read_study

_SHORTEST = 4
"""Least number of characters that may stand for a point's hash."""


@dataclass(frozen=True)
class ColumnComparison:
    """One measured column over the repeated seeds."""

    name: str
    n_equal: int
    n: int
    """Seeds compared."""
    stored: Any
    """Stored value of the first seed that differs; of the first seed if none does."""
    repeated: Any
    """The same after the repetition."""
    largest_difference: float | None
    """Largest relative difference over the seeds; None where a value is not a number."""

    @property
    def is_equal(self) -> bool:
        """Whether every seed gave the same value, to the last bit."""
        return self.n_equal == self.n


@dataclass(frozen=True)
class Replay:
    """A configuration measured again."""

    point: str
    """Hash of its settings."""
    label: str
    """Its settings in short."""
    seeds: tuple[int, ...]
    backend: str
    columns: tuple[ColumnComparison, ...]

    @property
    def is_equal(self) -> bool:
        """Whether every value of every column is the same."""
        return all(column.is_equal for column in self.columns)


def replay_point(folder: str | Path, point: str, seeds: Sequence[int] = ()) -> Replay:
    """Measure one configuration of the study in a folder again.

    Parameters
    ----------
    point
        Hash of the configuration, the column `point` of its table, or the beginning of it.
    seeds
        Which of its seeds; all by default.

    Raises
    ------
    InvalidSettingError
        If the folder holds no such configuration or seed, or it cannot be measured here.
    """
    spec, ledger = read_study(folder)
    stored = _stored_rows(ledger.blocks(), point)
    configuration = stored.block.point
    chosen = tuple(seeds) or tuple(sorted(stored.rows))
    for seed in chosen:
        if seed not in stored.rows:
            raise InvalidSettingError(
                f"seed {seed} of {configuration.identity} was not measured; "
                f"{len(stored.rows)} seeds from {min(stored.rows)} to {max(stored.rows)} were"
            )
    backend = stored.rows[chosen[0]].get("backend", spec.backend)
    payload = [{"point": configuration.to_dict(), "seeds": list(chosen)}]
    (done,) = run_pack(payload, str(backend))
    if "error" in done:
        raise InvalidSettingError(f"{configuration.label} failed: {done['error']}")
    before = [stored.rows[seed] for seed in chosen]
    columns = tuple(_compare(name, before, done["rows"]) for name in _names(before, done["rows"]))
    return Replay(configuration.identity, configuration.label, chosen, str(backend), columns)


@dataclass(frozen=True)
class _Stored:
    block: Block
    rows: dict[int, dict[str, Any]]


def _stored_rows(blocks: Sequence[Block], point: str) -> _Stored:
    """Return the block and the rows by seed of the configuration that `point` begins."""
    identities = list(dict.fromkeys(block.point.identity for block in blocks))
    found = [identity for identity in identities if identity.startswith(point)]
    if not found:
        raise InvalidSettingError(
            f"no point {point!r} among the {len(identities)} measured ones"
            f"{nearest(point, identities)}; the column point of table.csv lists them"
        )
    if len(point) < _SHORTEST or len(found) > 1:
        raise InvalidSettingError(
            f"{point!r} begins {len(found)} points; give more characters, at least {_SHORTEST}"
        )
    own = [block for block in blocks if block.point.identity == found[0]]
    rows: dict[int, dict[str, Any]] = {}
    for block in own:
        for seed, row in zip(block.seeds, block.rows, strict=True):
            rows.setdefault(seed, row)
    return _Stored(own[0], rows)


def _names(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in (*before, *after) for name in row))


def _compare(
    name: str, before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
) -> ColumnComparison:
    pairs = [(old.get(name), new.get(name)) for old, new in zip(before, after, strict=True)]
    unequal = [pair for pair in pairs if pair[0] != pair[1]]
    stored, repeated = (unequal or pairs)[0]
    largest = _largest_difference(pairs)
    return ColumnComparison(name, len(pairs) - len(unequal), len(pairs), stored, repeated, largest)


def _largest_difference(pairs: Sequence[tuple[Any, Any]]) -> float | None:
    """Return the largest |new - old| / max(|old|, |new|), None where one is not a number."""
    largest = 0.0
    for old, new in pairs:
        if not all(isinstance(value, int | float) for value in (old, new)):
            return None
        scale = max(abs(old), abs(new))
        if scale > 0 and math.isfinite(scale):
            largest = max(largest, abs(new - old) / scale)
    return largest
