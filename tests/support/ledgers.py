"""What a ledger holds, read beside its driver: how often each replica was measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

Replica = tuple[str, int]
"""A configuration, as text, and a seed."""


class JournalReader:
    """Reads the complete lines of a journal, and only what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self._counted: Counter[Replica] = Counter()
        self._offset = 0
        self._inode = 0

    def size(self) -> int:
        """Return a number that grows with every record."""
        return self._path.stat().st_size if self._path.exists() else 0

    def recorded(self) -> Counter[Replica]:
        """Count how often each replica is in the ledger."""
        if not self._path.exists():
            return Counter()
        state = self._path.stat()
        if state.st_ino != self._inode or state.st_size < self._offset:
            self._forget()
            self._inode = state.st_ino
        with self._path.open("rb") as file:
            file.seek(self._offset)
            lines = file.read().split(b"\n")[:-1]
        for line in lines:
            self._offset += len(line) + 1
            self._counted.update(_replicas(_decoded(line).get("user_attrs", {}).get("record", {})))
        return Counter(self._counted)


class DatabaseReader:
    """Asks the database of an Optuna study.

    Parameters
    ----------
    rows
        Runs a query; raises while the server is away.
    """

    def __init__(self, rows: Callable[[str], list[tuple]]) -> None:
        self._rows = rows
        self._last: Counter[Replica] = Counter()

    def size(self) -> int:
        """Return the number of records, 0 while the server is away."""
        try:
            ((size,),) = self._rows("SELECT count(*) FROM trials WHERE state = 'COMPLETE'")
        except Exception:
            return 0
        return int(size)

    def recorded(self) -> Counter[Replica]:
        """Count how often each replica is in the ledger, or was when the server last answered."""
        try:
            found = self._rows(
                "SELECT value_json FROM trial_user_attributes JOIN trials USING (trial_id) "
                "WHERE key = 'record' AND state = 'COMPLETE'"
            )
        except Exception:
            return Counter(self._last)
        self._last = Counter()
        for (text,) in found:
            self._last.update(_replicas(json.loads(text)))
        return Counter(self._last)


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError:
        return {}  # a fragment, which the next driver sets aside


def _replicas(record: dict[str, Any]) -> list[Replica]:
    if "rows" not in record:
        return []
    point = json.dumps(record["point"], sort_keys=True)
    return [(point, seed) for seed in record["seeds"]]
