"""The table: one row per trained replica, made from the ledger.

Rows are sorted by point and seed and hold deterministic columns only, so that the table of an
interrupted and resumed study equals that of an undisturbed one bit for bit. Host, times and
versions go to a second file.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from studies.experiments import load_experiment
from studies.ledger import Block


def table_rows(blocks: list[Block]) -> list[dict[str, Any]]:
    """Return the rows of ``table.csv``, sorted by point and seed, each replica once."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for block in blocks:
        settings = block.point.columns()
        experiment = load_experiment(block.point.experiment)
        for seed, measured in zip(block.seeds, block.rows, strict=True):
            labels = {"seed": seed, **experiment.seed_columns(seed)}
            # Curves stay in the ledger.
            flat = {name: v for name, v in measured.items() if not isinstance(v, list)}
            rows.setdefault((settings["point"], seed), {**settings, **labels, **flat})
    return [rows[key] for key in sorted(rows)]


def provenance_rows(blocks: list[Block]) -> list[dict[str, Any]]:
    """Return the rows of ``provenance.csv``: who trained which replica, when and with what."""
    rows = [
        {
            "point": block.point.identity,
            "seed": seed,
            "trial": block.trial,
            "finished": round(block.finished, 3),
            "block_size": len(block.seeds),
            "backend": row.get("backend", ""),
            **block.provenance,
        }
        for block in blocks
        for seed, row in zip(block.seeds, block.rows, strict=True)
    ]
    return sorted(rows, key=lambda row: (row["point"], row["seed"], row["trial"]))


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV; columns in the order of first appearance, None as an empty cell."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
