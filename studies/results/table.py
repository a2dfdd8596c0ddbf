"""The table: one row per trained replica, made from the ledger.

Rows are sorted by point and seed and hold deterministic columns only, so that the table of an
interrupted and resumed study equals that of an undisturbed one bit for bit. Host, times and
versions go to a second file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from studies.experiments import load_experiment
from studies.ledger.base import Block

Row = dict[str, Any]

Layout = tuple[Row, Callable[[int], Row], Row]
"""Columns of a block that come before those of a seed, those of the seed at a place, columns of
the block that come after them."""


class Rows(Collection[Row]):
    """Rows that are made whenever they are asked for, so that never all of them are in memory.

    Parameters
    ----------
    blocks
        What was measured.
    replicas
        Place of each row in the blocks: indices of block and seed.
    layout
        Columns of a block.
    """

    def __init__(
        self,
        blocks: list[Block],
        replicas: list[tuple[int, int]],
        layout: Callable[[Block], Layout],
    ) -> None:
        self._blocks = blocks
        self._replicas = replicas
        self._layout = layout

    def __len__(self) -> int:
        return len(self._replicas)

    def __contains__(self, row: object) -> bool:
        return any(row == own for own in self)

    def __iter__(self) -> Iterator[Row]:
        for before, seeds, after in self.stretches():
            for own in seeds:
                yield {**before, **own, **after}

    def stretches(self) -> Iterator[tuple[Row, Iterable[Row], Row]]:
        """Yield rows of a block that follow each other: what they share, and each one's own."""
        for n, stretch in groupby(self._replicas, itemgetter(0)):
            before, own, after = self._layout(self._blocks[n])
            yield before, (own(k) for _, k in stretch), after


def table_rows(blocks: list[Block]) -> Rows:
    """Return the rows of ``table.csv``, sorted by point and seed, each replica once."""
    replicas: dict[tuple[str, int], tuple[int, int]] = {}
    for n, block in enumerate(blocks):
        identity = block.point.identity
        for k, seed in enumerate(block.seeds):
            replicas.setdefault((identity, seed), (n, k))
    return Rows(blocks, [replicas[key] for key in sorted(replicas)], _measured)


def _measured(block: Block) -> Layout:
    labels = load_experiment(block.point.experiment).seed_columns

    def own(k: int) -> Row:
        seed = block.seeds[k]
        # Curves stay in the ledger.
        flat = {name: v for name, v in block.rows[k].items() if not isinstance(v, list)}
        return {"seed": seed, **labels(seed), **flat}

    return block.point.columns(), own, {}


def provenance_rows(blocks: list[Block]) -> Rows:
    """Return the rows of ``provenance.csv``: who trained which replica, when and with what."""
    keys = sorted(
        (block.point.identity, seed, block.trial, n, k)
        for n, block in enumerate(blocks)
        for k, seed in enumerate(block.seeds)
    )
    return Rows(blocks, [(n, k) for *_, n, k in keys], _trained)


def _trained(block: Block) -> Layout:
    after = {
        "trial": block.trial,
        "finished": round(block.finished, 3),
        "block_size": len(block.seeds),
        # A block is trained in one go, by one backend.
        "backend": block.rows[0].get("backend", ""),
        **block.provenance,
    }
    return {"point": block.point.identity}, lambda k: {"seed": block.seeds[k]}, after


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
    text.write(f"{_cells(columns)}\n")
    names = list(columns)
    for before, seeds, after in rows.stretches():
        # What the rows of a block share is written out once.
        start = _cells((*before.values(), ""))
        end = _cells(("", *after.values())) if after else ""
        first, last = len(before), len(names) - len(after)
        is_usual = names[:first] == list(before) and names[last:] == list(after)
        usual = names[first:last]
        for own in seeds:
            if is_usual and list(own) == usual:
                text.write(f"{start}{_cells(own.values())}{end}\n")
                continue
            row = {**before, **own, **after}
            if not row.keys() <= columns.keys():
                columns.update(dict.fromkeys(row))
                return None
            text.write(f"{_cells(map(row.get, columns))}\n")
    return text.getvalue()


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


_writer = csv.writer(_Echo(), lineterminator="\n")


def _cells(values: Iterable[Any]) -> str:
    """Return values as the cells of a line of CSV, without its end."""
    line: str = _writer.writerow(values)
    return line[:-1]
