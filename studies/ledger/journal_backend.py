"""The journal of the ledger: Optuna's file format, written in groups.

Optuna's own backend forces every record to the disk by itself and parses what it has just
written. Here the records of one pack reach the disk together, in one write and one fsync, and a
record is parsed only if somebody else wrote it or the file is opened anew. ``optuna.load_study``
reads the file as it reads its own.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock

Log = dict[str, Any]


class JournalBackend(BaseJournalBackend):
    """An Optuna journal on a file; one record per line.

    Parameters
    ----------
    path
        The file; created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = JournalFileSymlinkLock(str(path))
        if not path.exists():
            path.touch()
        self._n_read = 0
        # Up to here the storage knows the file, with what is in `_own` and in `_group`.
        self._offset = 0
        self._own: deque[Log] = deque()
        self._group: list[bytes] | None = None
        self._is_locked = False

    def read_logs(self, log_number_from: int) -> Iterator[Log]:
        """Yield the records from this number on.

        Raises
        ------
        ValueError
            At a damaged record.
        """
        skip = 0
        if log_number_from != self._n_read:
            self._n_read, self._offset, skip = 0, 0, log_number_from
            self._own.clear()
        while self._own:
            log = self._own.popleft()
            self._n_read += 1
            yield log
        with self._path.open("rb") as file:
            if os.fstat(file.fileno()).st_size <= self._offset:
                return
            file.seek(self._offset)
            for line in file:
                # Without its end, a record is still being written.
                if not line.endswith(b"\n"):
                    return
                log = json.loads(line)
                if not (isinstance(log, dict) and "op_code" in log):
                    raise ValueError(f"record {self._n_read} is none of Optuna's")
                self._offset += len(line)
                self._n_read += 1
                if self._n_read > skip:
                    yield log

    def append_logs(self, logs: list[Log]) -> None:
        """Append records; they are on the disk when this, or the group around it, returns."""
        data = b"".join(_line(log) for log in logs)
        if self._group is not None:
            self._group.append(data)
            self._take_as_read(logs, data)
            return
        with self._locked():
            is_known = self._is_read_to_its_end()
            self._write(data)
        if is_known:
            self._take_as_read(logs, data)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the records of the context at its end, in one durable write.

        If somebody else has written since the file was read, they are written one by one.
        """
        with self._locked():
            if self._is_read_to_its_end():
                self._group = []
            try:
                yield
            finally:
                data, self._group = b"".join(self._group or ()), None
                if data:
                    self._write(data)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others from writing, also those that know nothing but Optuna's lock."""
        if self._is_locked:
            yield
            return
        self._lock.acquire()
        self._is_locked = True
        try:
            yield
        finally:
            self._is_locked = False
            self._lock.release()

    def _is_read_to_its_end(self) -> bool:
        return self._path.stat().st_size == self._offset

    def _take_as_read(self, logs: list[Log], data: bytes) -> None:
        self._own.extend(logs)
        self._offset += len(data)

    def _write(self, data: bytes) -> None:
        with self._path.open("ab", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                # On a full disk: nothing may be appended to half a record.
                file.truncate(size)
                raise


def _line(log: Log) -> bytes:
    return json.dumps(log, separators=(",", ":")).encode() + b"\n"
