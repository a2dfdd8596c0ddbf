"""Where a study may be trained: executor, devices, shares of a GPU; checked before it starts."""

from __future__ import annotations

import math

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from studies.execution.executors import Executor, Lane, SerialExecutor
from studies.execution.ray_executor import RayExecutor
from studies.execution.worker import limited, run_pack
from studies.memory import read_memory
from studies.reachable import check_reachable
from studies.run_options import RunOptions
from studies.specs.spec import StudySpec

EXECUTORS = ("ray", "serial")
ANY = "any"
"""A device: CPUs and GPUs at once. A backend: whichever a device has."""


def check_places(spec: StudySpec, options: RunOptions) -> str:
    """Refuse places that are not there or do not fit together; return the study's backend.

    Raises
    ------
    InvalidSettingError
        Saying what does not fit.
    """
    check_name("executor", options.executor, EXECUTORS)
    lanes = lanes_for(options.device, options.gpus_per_point)
    if options.device == ANY and spec.backend != ANY:
        raise InvalidSettingError(
            "device=any trains on CPUs and on GPUs, whose backends differ in the last digits; "
            "set backend=any to allow that, or choose --device cpu or cuda"
        )
    if len(lanes) > 1 and options.executor == "serial":
        raise InvalidSettingError("device=any needs --executor ray; serial uses one device")
    if options.ship_code and options.address is None:
        raise InvalidSettingError("--ship-code sends code to a cluster; give its --address")
    backends = []
    for lane in lanes:
        check_name("device", lane.device, spec.experiment.devices)
        # The GPUs of a cluster need not be in this machine.
        backends.append(spec.experiment.check(spec, lane.device, options.address is None))
    if options.address is not None:
        check_reachable(options.address)
    return backends[0]


def start_executor(backend: str, options: RunOptions) -> Executor:
    """Start what trains a study, in this process or as Ray tasks."""
    memory = None if options.memory is None else read_memory(options.memory)
    task = limited(run_pack, memory)
    lanes = lanes_for(options.device, options.gpus_per_point)
    backend = "auto" if backend == ANY else backend
    if options.executor == "serial":
        return SerialExecutor(backend, task, lanes[0].device)
    return RayExecutor(backend, task, options.workers, options.address, lanes, options.ship_code)


def pilot_device(options: RunOptions) -> str:
    """Return the device on which this process itself measures a temperature window."""
    return options.device if options.address is None and options.device != ANY else "cpu"


def lanes_for(device: str, gpus_per_point: float | None) -> tuple[Lane, ...]:
    """Return the lanes of a device.

    Raises
    ------
    InvalidSettingError
        If a share of a GPU is asked for that no task can have.

    >>> [(lane.device, lane.gpus) for lane in lanes_for("any", 0.25)]
    [('cpu', 0), ('cuda', 0.25)]
    """
    if gpus_per_point is not None:
        if device == "cpu":
            raise InvalidSettingError(
                f"gpus_per_point={gpus_per_point:g} needs GPUs; add --device cuda"
            )
        is_share = 0 < gpus_per_point <= 1 or (gpus_per_point > 1 and gpus_per_point % 1 == 0)
        if not math.isfinite(gpus_per_point) or not is_share or gpus_per_point < 1e-3:
            raise InvalidSettingError(
                f"gpus_per_point={gpus_per_point:g} is no share of GPUs; "
                "give a fraction from 0.001 to 1, or a whole number"
            )
    cuda = Lane("cuda", gpus_per_point or 1)
    if device == ANY:
        return Lane(), cuda
    return (Lane() if device == "cpu" else Lane(device, cuda.gpus),)
