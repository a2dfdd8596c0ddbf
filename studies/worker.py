"""What a worker does: train the units of a pack and return plain data. It writes nothing."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

from search_spaces import Point, Seeds
from trainers.trainer import train_pack

Payload = list[dict[str, Any]]
Task = Callable[[Payload, str], list[dict[str, Any]]]


def run_pack(payload: Payload, backend: str) -> list[dict[str, Any]]:
    """Train every unit of a pack.

    Parameters
    ----------
    payload
        One ``{"point": settings, "seeds": labels}`` per unit.
    backend
        Name of the trainers' backend.

    Returns
    -------
    list of dict
        Per unit ``rows`` (one measurement per seed) and ``provenance``, or ``error``: one unit
        that fails does not stop the others.
    """
    return [_run_unit(unit, backend) for unit in payload]


def _run_unit(unit: dict[str, Any], backend: str) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        point = Point.from_dict(unit["point"])
        tasks = [(point, Seeds.shared(seed)) for seed in unit["seeds"]]
        rows = [measurement.to_row() for measurement in train_pack(tasks, backend)]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    seconds = time.perf_counter() - start
    return {"rows": rows, "provenance": {**_machine(), "seconds": round(seconds, 6)}}


def _machine() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "numba": metadata.version("numba"),
        "version": metadata.version("sgd-thermometer"),
    }
