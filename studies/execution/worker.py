"""What a worker does: measure the units of a pack and return plain data. It writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from search_spaces.choices import check_name
from studies.experiments import load_experiment, read_configuration
from studies.memory import allow_memory
from studies.provenance import device_name, machine

Payload = list[dict[str, Any]]
Task = Callable[..., list[dict[str, Any]]]
"""Called with a payload and the name of a backend."""


def limited(task: Task, memory: int | None) -> Task:
    """Return a task in workers that may use `memory` bytes; None leaves the default."""
    if memory is None:
        return task

    def within(payload: Payload, backend: str, **where: str) -> list[dict[str, Any]]:
        allow_memory(memory)
        return task(payload, backend, **where)

    return within


def run_pack(payload: Payload, backend: str, device: str = "cpu") -> list[dict[str, Any]]:
    """Measure every unit of a pack.

    Parameters
    ----------
    payload
        One ``{"point": settings, "seeds": labels}`` per unit.
    backend
        Name of the backend.
    device
        Only for experiments that know others than the CPU.

    Returns
    -------
    list of dict
        Per unit ``rows`` (one measurement per seed) and ``provenance``, or ``error``: one unit
        that fails does not stop the others.
    """
    return [_run_unit(unit, backend, device) for unit in payload]


def _run_unit(unit: dict[str, Any], backend: str, device: str) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        configuration = read_configuration(unit["point"])
        experiment = load_experiment(configuration.experiment)
        check_name("device", device, experiment.devices)
        rows = experiment.measure(configuration, unit["seeds"], backend, device)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    seconds = time.perf_counter() - start
    made = {**machine(), "device": device_name(device), "seconds": round(seconds, 6)}
    return {"rows": rows, "provenance": made}
