"""The table: one row per trained replica, made from the ledger.

Rows are sorted by point and seed and hold deterministic columns only, so that the table of an
interrupted and resumed study equals that of an undisturbed one bit for bit. Host, times and
versions go to a second file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator
from typing import Any

from studies.experiments import load_experiment
from studies.ledger import Block

Row = dict[str, Any]


class Rows(Collection[Row]):
    """Rows that are made whenever they are asked for, so that never all of them are in memory.

    Parameters
    ----------
    blocks
        What was measured.
    replicas
        Place of each row in the blocks: indices of block and seed.
    settings
        Columns of a block, the same for all of its rows.
    measured
        Columns of the seed at a place in a block.
    """

    def __init__(
        self,
        blocks: list[Block],
        replicas: list[tuple[int, int]],
        settings: Callable[[Block], Row],
        measured: Callable[[Block, int], Row],
    ) -> None:
        self._blocks = blocks
        self._replicas = replicas
        self._settings = settings
        self._measured = measured

    def __len__(self) -> int:
        return len(self._replicas)

    def __contains__(self, row: object) -> bool:
        return any(row == own for own in self)

    def __iter__(self) -> Iterator[Row]:
        current, settings = -1, {}
        for n, k in self._replicas:
            block = self._blocks[n]
            if n != current:
                current, settings = n, self._settings(block)
            yield {**settings, **self._measured(block, k)}


def table_rows(blocks: list[Block]) -> Rows:
    """Return the rows of ``table.csv``, sorted by point and seed, each replica once."""
    replicas: dict[tuple[str, int], tuple[int, int]] = {}
    for n, block in enumerate(blocks):
        identity = block.point.identity
        for k, seed in enumerate(block.seeds):
            replicas.setdefault((identity, seed), (n, k))
    order = [replicas[key] for key in sorted(replicas)]
    return Rows(blocks, order, lambda block: block.point.columns(), _measured)


def _measured(block: Block, k: int) -> Row:
    seed = block.seeds[k]
    # Curves stay in the ledger.
    flat = {name: v for name, v in block.rows[k].items() if not isinstance(v, list)}
    labels = load_experiment(block.point.experiment).seed_columns(seed)
    return {"seed": seed, **labels, **flat}


def provenance_rows(blocks: list[Block]) -> Rows:
    """Return the rows of ``provenance.csv``: who trained which replica, when and with what."""
    keys = sorted(
        (block.point.identity, seed, block.trial, n, k)
        for n, block in enumerate(blocks)
        for k, seed in enumerate(block.seeds)
    )
    order = [(n, k) for *_, n, k in keys]
    return Rows(blocks, order, lambda block: {"point": block.point.identity}, _trained)


def _trained(block: Block, k: int) -> Row:
    return {
        "seed": block.seeds[k],
        "trial": block.trial,
        "finished": round(block.finished, 3),
        "block_size": len(block.seeds),
        "backend": block.rows[k].get("backend", ""),
        **block.provenance,
    }


def to_csv(rows: Collection[Row]) -> str:
    """Return rows as CSV; columns in the order of first appearance, None as an empty cell."""
    columns: dict[str, None] = {}
    # Almost always all rows have the columns of the first one; where not, start again.
    while (written := _write(rows, columns)) is None:
        pass
    return written


def _write(rows: Collection[Row], columns: dict[str, None]) -> str | None:
    """Return rows as CSV, or None at the first one with further columns, which are added."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        if not row.keys() <= columns.keys():
            columns.update(dict.fromkeys(row))
            return None
        writer.writerow(map(row.get, columns))
    return buffer.getvalue()
