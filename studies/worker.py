"""What a worker does: measure the units of a pack and return plain data. It writes nothing."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

from studies.experiments import load_experiment, read_configuration

Payload = list[dict[str, Any]]
Task = Callable[[Payload, str], list[dict[str, Any]]]


def run_pack(payload: Payload, backend: str) -> list[dict[str, Any]]:
    """Measure every unit of a pack.

    Parameters
    ----------
    payload
        One ``{"point": settings, "seeds": labels}`` per unit.
    backend
        Name of the backend.

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
        configuration = read_configuration(unit["point"])
        experiment = load_experiment(configuration.experiment)
        rows = experiment.measure(configuration, unit["seeds"], backend)
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
