"""Which code, on which machine, in which environment: what a referee needs to repeat a run."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import socket
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("studies", "trainers", "analysis", "search_spaces")
"""Our own packages."""

_LIBRARIES = ("numpy", "numba", "scipy", "torch", "optuna", "ray", "mlflow", "scikit-learn")


@functools.cache
def code_hash() -> str:
    """Return a hash of every file of our packages, wherever they are installed."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*")):
            hidden = "__pycache__" in file.parts or file.name.startswith(".")
            if file.is_file() and not hidden:
                digest.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def commit() -> str:
    """Return the commit of the source tree, marked ``+dirty`` if changed, or ``unknown``."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return "unknown"
    head = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown"
    dirty = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{head}+dirty" if dirty else head


def machine() -> dict[str, Any]:
    """Return where this process runs, and the code and libraries with which it trains."""
    return {"host": socket.gethostname(), "pid": os.getpid(), **_machine()}


@functools.cache
def _machine() -> dict[str, Any]:
    return {
        "architecture": platform.machine(),
        "processor": _processor(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "numba", "torch")},
        "version": metadata.version("sgd-thermometer"),
        "code": code_hash(),
    }


def device_name(device: str) -> str:
    """Return ``cpu``, or the name of this process's GPU."""
    if device == "cpu":
        return device
    import torch

    return f"{device}: {torch.cuda.get_device_name()}"


def driver(spec_digest: str) -> dict[str, str]:
    """Return the spec and the versions with which a driver plans and writes."""
    versions = {name: metadata.version(name) for name in ("ray", "optuna")}
    return {"commit": commit(), "spec": spec_digest, **versions}


def environment() -> dict[str, Any]:
    """Return host, processor and versions; reads metadata only, imports nothing heavy."""
    versions = {name: metadata.version(name) for name in _LIBRARIES}
    return {
        "sgd-thermometer": metadata.version("sgd-thermometer"),
        "host": socket.gethostname(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **versions,
    }


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
