"""The table: one row per trained replica, made from the ledger.

Rows are sorted by point and seed and hold deterministic columns only, so that the table of an
interrupted and resumed study equals that of an undisturbed one bit for bit. Host, times and
versions go to a second file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from studies.experiments import load_experiment
from studies.ledger.base import Block

Row = dict[str, Any]


class Rows(Collection[Row]):
    """Rows that are made whenever they are asked for, so that never all of them are in memory.

    Parameters
    ----------
    blocks
        What was measured.
    replicas
        Place of each row in the blocks: indices of block and seed.
    made
        Yields the rows at some places of a block.
    """

    def __init__(
        self,
        blocks: list[Block],
        replicas: list[tuple[int, int]],
        made: Callable[[Block, list[int]], Iterator[Row]],
    ) -> None:
        self._blocks = blocks
        self._replicas = replicas
        self._made = made

    def __len__(self) -> int:
        return len(self._replicas)

    def __contains__(self, row: object) -> bool:
        return any(row == own for own in self)

    def __iter__(self) -> Iterator[Row]:
        for n, stretch in groupby(self._replicas, itemgetter(0)):
            yield from self._made(self._blocks[n], [k for _, k in stretch])


def table_rows(blocks: list[Block]) -> Rows:
    """Return the rows of ``table.csv``, sorted by point and seed, each replica once."""
    replicas: dict[tuple[str, int], tuple[int, int]] = {}
    for n, block in enumerate(blocks):
        identity = block.point.identity
        for k, seed in enumerate(block.seeds):
            replicas.setdefault((identity, seed), (n, k))
    return Rows(blocks, [replicas[key] for key in sorted(replicas)], _measured)


def _measured(block: Block, places: list[int]) -> Iterator[Row]:
    labels = load_experiment(block.point.experiment).seed_columns
    columns = block.point.columns()
    for k in places:
        seed = block.seeds[k]
        # Curves stay in the ledger.
        flat = {name: v for name, v in block.rows[k].items() if not isinstance(v, list)}
        yield {**columns, "seed": seed, **labels(seed), **flat}


def provenance_rows(blocks: list[Block]) -> Rows:
    """Return the rows of ``provenance.csv``: who trained which replica, when and with what."""
    keys = sorted(
        (block.point.identity, seed, block.trial, n, k)
        for n, block in enumerate(blocks)
        for k, seed in enumerate(block.seeds)
    )
    return Rows(blocks, [(n, k) for *_, n, k in keys], _trained)


def _trained(block: Block, places: list[int]) -> Iterator[Row]:
    for k in places:
        yield {
            "point": block.point.identity,
            "seed": block.seeds[k],
            "trial": block.trial,
            "finished": round(block.finished, 3),
            "block_size": len(block.seeds),
            # A block is trained in one go, by one backend.
            "backend": block.rows[0].get("backend", ""),
            **block.provenance,
        }


def to_csv(rows: Rows) -> str:
    """Return rows as CSV; columns in the order of first appearance, None as an empty cell."""
    columns: dict[str, None] = {}
    # Almost always all rows have the columns of the first one; where not, start again.
    while (written := _write(rows, columns)) is None:
        pass
    return written


def _write(rows: Rows, columns: dict[str, None]) -> str | None:
    """Return rows as CSV, or None at the first one with further columns, which are added."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        if not row.keys() <= columns.keys():
            columns.update(dict.fromkeys(row))
            return None
        writer.writerow(map(row.get, columns))
    return text.getvalue()
