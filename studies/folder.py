"""The folder of one study: where its files are, and who owns it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search_spaces import InvalidSettingError
from studies.specs.spec import StudySpec
from studies.specs.yaml_files import read_yaml

_FULL = (errno.ENOSPC, errno.EDQUOT)


class LockFolderError(RuntimeError):
    """Another driver owns the folder; the message names its process."""

    exit_code = 5


class FullDiskError(RuntimeError):
    """The disk of the folder is full; what was finished is on it."""

    exit_code = 3


class StudyFolder:
    """Paths of a study, atomic writes, and the lock that admits one driver at a time."""

    def __init__(self, path: str | Path) -> None:
        self.path = _absolute(path)
        self.spec = self.path / "spec.yaml"
        self.ledger = self.path / "ledger.journal"
        self.storage = self.path / "storage.url"
        self.table = self.path / "table.csv"
        self.provenance = self.path / "provenance.csv"
        self.report = self.path / "report.html"
        self.state = self.path / "state.json"
        self.mlflow_db = self.path / "mlflow.db"
        self.artifacts = self.path / "mlartifacts"
        self.tracked = self.path / "tracked.jsonl"
        self._lock = self.path / "driver.lock"

    @classmethod
    def existing(cls, path: str | Path) -> StudyFolder:
        """Return the folder if it holds a study.

        Raises
        ------
        InvalidSettingError
            If it does not.
        """
        folder = cls(path)
        if not folder.path.exists():
            raise InvalidSettingError(f"{path} does not exist; a study's folder is runs/NAME")
        if not folder.spec.is_file():
            raise InvalidSettingError(f"{path} is not a study's folder; it has no spec.yaml")
        return folder

    def held_spec(self) -> dict[str, Any] | None:
        """Return the plain spec the folder holds, or None for a new folder."""
        if self.path.exists() and not self.path.is_dir():
            raise InvalidSettingError(f"{self.path} is a file; --out needs a folder")
        if self.spec.is_file():
            return read_yaml(self.spec)
        if self.path.is_dir() and any(not _is_ours(entry) for entry in self.path.iterdir()):
            raise InvalidSettingError(
                f"{self.path} holds other files and no study; choose another folder with --out"
            )
        return None

    def held_storage(self) -> str | None:
        """Return the URL, without a password, of the database that holds the ledger.

        None for a study whose ledger is the journal in the folder.
        """
        try:
            return self.storage.read_text(encoding="utf-8").strip()
        except OSError:
            return None

    @property
    def has_ledger(self) -> bool:
        """Whether a driver has opened a ledger, here or in a database."""
        return self.ledger.exists() or self.storage.exists()

    def read_spec(self) -> StudySpec:
        """Return the validated spec the folder holds."""
        return StudySpec.from_plain(read_yaml(self.spec))

    def check_writable(self) -> None:
        """Raise InvalidSettingError, creating nothing, if the folder could not be written."""
        parent = self.path
        while not parent.exists():
            parent = parent.parent
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise InvalidSettingError(f"cannot write to {self.path}: {parent} is not writable")

    def create(self) -> None:
        """Create the folder."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSettingError(f"cannot write to {self.path}: {error.strerror}") from None

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the folder against other drivers for as long as the context lasts.

        The kernel releases the lock when its process ends, however it ends.

        Raises
        ------
        LockFolderError
            If another process holds it.
        FullDiskError
            If the context ends because there is no room for what it writes.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _take(descriptor):
                raise LockFolderError(
                    f"{self.path} is in use by {self.owner() or 'another driver'}; "
                    "wait for it or choose another folder with --out"
                )
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield
            os.ftruncate(descriptor, 0)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise FullDiskError(
                f"cannot write to {self.path}: {error.strerror}; what was finished is saved, and "
                "the same command continues when there is room"
            ) from None
        finally:
            os.close(descriptor)

    def owner(self) -> str | None:
        """Return who drives the study now, or None."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.read(descriptor, 200).decode() or "another driver"
        else:
            return None
        finally:
            os.close(descriptor)

    def write(self, path: Path, text: str) -> None:
        """Write a file whole or not at all."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def read_state(self) -> dict[str, Any]:
        """Return what the last finished run left: hash of its table, MLflow ids."""
        try:
            state = json.loads(self.state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}


def _absolute(path: str | Path) -> Path:
    try:
        absolute = Path(path).expanduser().absolute()
        absolute.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidSettingError(f"{str(path)[:60]!r} is not a usable folder: {error}") from None
    return absolute


def _is_ours(entry: Path) -> bool:
    """Whether a driver killed before it wrote its spec may have left the file."""
    names = ("driver.lock", "storage.url")
    return entry.name in names or entry.name.startswith((".spec.yaml.", ".storage.url."))


def _take(descriptor: int) -> bool:
    """Lock an open file; a reader that asks who owns it holds it for an instant, so try again."""
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False
