"""The temperature window of networks without a calibrated one, measured before the first run.

The two numbers become settings of the study, `kernel_diagonal` and `stable_learning_rate`, and
are written to its spec.yaml: a study that is continued keeps its window, and whoever knows the
numbers can give them.
"""

from __future__ import annotations

from collections.abc import Callable

from search_spaces import Point, SearchSpace
from studies.specs.spec import StudySpec


def with_measured_windows(
    spec: StudySpec, device: str = "cpu", say: Callable[[str], None] = lambda text: None
) -> StudySpec:
    """Return the spec with K and eta_max of every scan that lacks them.

    A function of the spec alone; takes some seconds.

    Raises
    ------
    InvalidSettingError
        If the network cannot be trained here, or is stable at no learning rate.
    """
    plain = spec.to_plain()
    if not spec.scans:
        plain.update(_measure(spec.space, spec.backend, device, say))
    for name, space in spec.scans.items():
        if space.lacks_window:
            plain["scans"][name].update(_measure(space, spec.backend, device, say))
    return StudySpec.from_plain(plain)


def _measure(
    space: SearchSpace, backend: str, device: str, say: Callable[[str], None]
) -> dict[str, float]:
    # Both load torch, which a study with a known window need not.
    from trainers.pilot import measure_stable_learning_rate
    from trainers.probes.tangent_kernel import measure_kernel_diagonal
    from trainers.trainer import resolve_backend

    point = _typical_point(space)
    backend = "auto" if backend == "any" else backend
    resolve_backend(point, backend, device)
    say(f"measuring the temperature window of model={point.model} on data={point.data}")
    kernel = float(f"{measure_kernel_diagonal(point):.6g}")
    rate = measure_stable_learning_rate(point, kernel, backend, device)
    say(f"tangent kernel K = {kernel:g}, largest stable learning rate eta_max = {rate:g}")
    return {"kernel_diagonal": kernel, "stable_learning_rate": rate}


def _typical_point(space: SearchSpace) -> Point:
    """Return a point of the space at its largest P; its temperature has no meaning."""
    values = {name: axis.values()[0] for name, axis in space.axes.items()}
    values["n_train"] = max(space.axes["n_train"].values())
    return space.point({**values, "temperature": 1.0, "batch_size": 1, "learning_rate": None})
