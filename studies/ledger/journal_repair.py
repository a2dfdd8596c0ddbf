"""Repair of an Optuna journal whose writer was killed, before anything is appended to it.

A journal is one JSON record per line. A killed writer can leave a partial last line; a record
appended to it would be glued to the fragment and make the journal unreadable for ever. It can
also leave a lock that stalls the next writer for half a minute. Both are mended here, by the
one process that owns the folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

_RECORD_START = '{"op_code":'
_CREATE_TRIAL = 4
_FAILED = 3
_BLOCK = 65536


def repair_end(path: Path) -> list[str]:
    """Remove a stale lock and an unfinished last record; return one sentence per repair.

    The fragment is kept in ``<path>.damaged``.
    """
    repairs = []
    lock = path.with_name(path.name + ".lock")
    if lock.is_symlink() or lock.exists():
        lock.unlink()
        repairs.append(f"removed the stale lock {lock.name}")
    tail = _unfinished(path) if path.exists() else b""
    if tail:
        _keep(path, [tail])
        with path.open("rb+") as file:
            file.truncate(path.stat().st_size - len(tail))
            os.fsync(file.fileno())
        repairs.append(f"dropped an unfinished record of {len(tail)} bytes from {path.name}")
    return repairs


def repair_records(path: Path) -> list[str]:
    """Mend the records of a journal whose end is whole; return one sentence per repair.

    A damaged record is kept in ``<path>.damaged``. Where it created a trial, a failed trial takes
    its place, since later records refer to trials by their position.
    """
    lines = path.read_bytes().split(b"\n")[:-1]
    mended = [_mend(line) for line in lines]
    damaged = [line for line, good in zip(lines, mended, strict=True) if good != line]
    if not damaged:
        return []
    _keep(path, damaged)
    _replace(path, b"".join(line + b"\n" for line in mended if line))
    return [f"set aside {len(damaged)} damaged records of {path.name}"]


def _unfinished(path: Path) -> bytes:
    """Return what follows the last whole line."""
    tail = b""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0 and b"\n" not in tail:
            begin = max(0, position - _BLOCK)
            file.seek(begin)
            tail = file.read(position - begin) + tail
            position = begin
    return tail.rpartition(b"\n")[2]


def _mend(line: bytes) -> bytes:
    """Return the line, the whole record glued to a fragment, a failed trial, or nothing."""
    if _is_record(line):
        return line
    text = line.decode("utf-8", errors="replace")
    start = text.rfind(_RECORD_START)
    if start > 0 and _is_record(text[start:].encode()):
        return text[start:].encode()
    if text.startswith(f"{_RECORD_START}{_CREATE_TRIAL},"):
        return _failed_trial()
    return b""


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and "op_code" in record


def _failed_trial() -> bytes:
    record = {
        "op_code": _CREATE_TRIAL,
        "worker_id": "repair",
        "study_id": 0,
        "datetime_start": "1970-01-01T00:00:00.000000+00:00",
        "datetime_complete": "1970-01-01T00:00:00.000000+00:00",
        "state": _FAILED,
        "value": None,
        "values": None,
        "distributions": {},
        "params": {},
        "user_attrs": {"reason": "damaged record"},
        "system_attrs": {},
        "intermediate_values": {},
    }
    return json.dumps(record, separators=(",", ":")).encode()


def _keep(path: Path, records: list[bytes]) -> None:
    with path.with_name(path.name + ".damaged").open("ab") as file:
        file.writelines(record + b"\n" for record in records)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
