"""The table: one row per trained replica, made from the ledger.

Rows are sorted by point and seed and hold deterministic columns only, so that the table of an
interrupted and resumed study equals that of an undisturbed one bit for bit. Host, times and
versions go to a second file.
"""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Any

from search_spaces import Point, Seeds
from studies.ledger import Block

_POINT_COLUMNS = (
    "data",
    "model",
    "loss",
    "activation",
    "sampling",
    "dtype",
    "width",
    "depth",
    "alpha",
    "n_train",
    "n_test",
    "batch_size",
    "learning_rate",
    "temperature",
    "max_presentations",
)

_LATER_COLUMNS = ("bias", "scheme", "input_dim", "chi", "cluster_distance")
"""Columns of a table in which some configuration departs from what was always done."""


def table_rows(blocks: list[Block]) -> list[dict[str, Any]]:
    """Return the rows of ``table.csv``, sorted by point and seed, each replica once."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for block in blocks:
        settings = point_columns(block.point)
        for seed, measured in zip(block.seeds, block.rows, strict=True):
            seeds = {f"seed_{name}": s for name, s in asdict(Seeds.shared(seed)).items()}
            rows.setdefault(
                (block.point.identity, seed), {**settings, "seed": seed, **seeds, **measured}
            )
    return [rows[key] for key in sorted(rows)]


def point_columns(point: Point) -> dict[str, Any]:
    """Return the columns that describe a configuration."""
    settings = {**point.to_dict(), "learning_rate": point.learning_rate}
    return {
        "point": point.identity,
        **{name: settings[name] for name in _POINT_COLUMNS},
        **{
            name: value for name, value in point.later_settings().items() if name in _LATER_COLUMNS
        },
    }


def provenance_rows(blocks: list[Block]) -> list[dict[str, Any]]:
    """Return the rows of ``provenance.csv``: who trained which replica, when and with what."""
    rows = [
        {
            "point": block.point.identity,
            "seed": seed,
            "trial": block.trial,
            "finished": round(block.finished, 3),
            "block_size": len(block.seeds),
            **block.provenance,
        }
        for block in blocks
        for seed in block.seeds
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
