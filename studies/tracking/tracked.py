"""``tracked.jsonl``: which configurations a study has logged to which MLflow store.

Asking a store for the runs it holds takes seconds per thousand runs, so the folder keeps a list
of its own: one short line when a run is created and one when it is finished, each appended in one
write. A line may be lost when the machine goes down; :mod:`studies.tracking.runs` compares the end
of the list with the store. Without the file everything is asked from the store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.credentials import redacted_uri
from studies.tracking.uri import same_store

Held = tuple[str, int]
"""Id of the run of a configuration, and of how many replicas it holds the means; 0: unfinished."""


class TrackedRuns:
    """The runs of one study in one experiment of one store.

    Parameters
    ----------
    path
        The file; read if it exists, created by the first line.
    """

    def __init__(self, path: Path, uri: str, experiment: str) -> None:
        self._path = path
        self._head = {"store": redacted_uri(uri), "experiment": experiment}
        self.runs: dict[str, Held] = {}
        """By identity of the configuration."""
        self.parent = ""
        """Id of the parent run, empty if none is known."""
        # A line of which only the start was written must not spoil the next one.
        self._mend = "\n"
        self._read()

    def _read(self) -> None:
        parents: dict[str, dict[str, Held]] = {}
        runs: dict[str, Held] = {}
        for line in read_lines(self._path):
            if isinstance(line, dict):
                parent = str(line.get("parent", ""))
                # A line without a parent only says which store was asked for.
                runs = parents.setdefault(parent, {}) if parent else {}
                if line.get("afresh"):
                    runs.clear()
                if parent and self._is_ours(line):
                    self.parent = parent
            elif isinstance(line, list) and len(line) == 3:
                runs[str(line[0])] = (str(line[1]), int(line[2]))
        self.runs = parents.get(self.parent, {})

    def _is_ours(self, line: dict[str, Any]) -> bool:
        named = same_store(str(line.get("store", "")), self._head["store"])
        return named and line.get("experiment") == self._head["experiment"]

    def ask(self) -> None:
        """Note which store is to be logged to, before it has answered."""
        self._append(self._head)

    def begin(self, parent: str) -> None:
        """Note the parent run to which the following lines belong."""
        if parent != self.parent:
            self.runs = {}
        self.parent = parent
        self._append({**self._head, "parent": parent})

    def replace(self, runs: dict[str, Held]) -> None:
        """Forget what is noted of the parent's runs and note these, in one write."""
        self.runs = runs
        head = {**self._head, "parent": self.parent, "afresh": True}
        self._append(head, *([identity, *held] for identity, held in runs.items()))

    def note(self, identity: str, run_id: str, n_seeds: int) -> None:
        """Note a run as created (`n_seeds` 0), or as finished with the means of so many."""
        self.note_all({identity: (run_id, n_seeds)})

    def note_all(self, runs: Mapping[str, Held]) -> None:
        """Note several runs in one write."""
        if runs:
            self.runs.update(runs)
            self._append(*([identity, *held] for identity, held in runs.items()))

    def holds(self, identity: str, n_seeds: int) -> bool:
        """Whether the run of a configuration is finished with so many replicas."""
        return self.runs.get(identity, ("", 0))[1] == n_seeds

    def _append(self, *lines: Any) -> None:
        texts = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines)
        content = self._mend + "\n".join(texts) + "\n"
        self._mend = ""
        with self._path.open("ab", buffering=0) as file:
            file.write(content.encode())


def read_lines(path: Path) -> list[Any]:
    """Return the readable lines of the file; torn ones are left out."""
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = []
    for line in text.split("\n"):
        if not line:
            continue
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def last_store(path: Path) -> tuple[str, str] | None:
    """Return URI, without password, and experiment of the store last logged to, if any."""
    for line in reversed(read_lines(path)):
        if isinstance(line, dict) and "store" in line:
            return str(line["store"]), str(line.get("experiment", ""))
    return None
