"""Accidents that happen to files and processes on this machine."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ray_nodes import marked


def mount_small_disk(folder: Path) -> str | None:
    """Put a small file system under a folder; return why, if that is refused."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join(done.stderr.split()) if done.returncode else None


@contextlib.contextmanager
def full_disk(folder: Path, blocks_left: int) -> Iterator[None]:
    """Fill the file system of a folder, up to some blocks, for as long as the context lasts."""
    filler = folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, b"\0" * 65536)
    os.close(descriptor)
    left = blocks_left * os.statvfs(folder).f_bsize
    os.truncate(filler, max(0, filler.stat().st_size - left))
    try:
        yield
    finally:
        filler.unlink()


def cut_last_record(journal: Path, chance: random.Random) -> bool:
    """Leave a journal as a writer that dies within a write does: a fragment, and its lock.

    Whether there was a whole record to cut.
    """
    lines = journal.read_bytes().split(b"\n") if journal.exists() else []
    if len(lines) < 4 or lines[-1]:
        return False
    cut = chance.randint(1, len(lines[-2]))
    os.truncate(journal, journal.stat().st_size - cut)
    lock = journal.with_name(f"{journal.name}.lock")
    if not lock.is_symlink():
        lock.symlink_to(journal)
    return True


def ray_workers(mark: str) -> list[int]:
    """Return Ray's worker processes, busy or idle, that carry a mark."""
    titles = {pid: words.partition(" ")[0] for pid, words in marked(mark).items()}
    return sorted(p for p, t in titles.items() if t.startswith("ray::") and "Agent" not in t)
