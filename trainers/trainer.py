"""The door of this package: points and seeds in, measurements out.

Backends sit behind it: *numba*, compiled kernels for one replica at a time; *torch-replicas*,
many replicas in one set of tensors, for GPUs; and *torch*, the readable reference. Replicas
share nothing, so that a result does not depend on its neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from search_spaces import InvalidSettingError, Point, Seeds
from search_spaces.choices import LOSSES, SAMPLINGS, SCHEMES, check_name
from trainers.data import dataset_of
from trainers.images.backend import train_images
from trainers.kernels.backend import solve
from trainers.kernels.preparation import keep_at_most, prepare_problem
from trainers.known import check_settings
from trainers.measurement import Measurement
from trainers.memory import budget, check_memory
from trainers.models.cnn import check_cnn, check_known
from trainers.models.replica import prepare_replica
from trainers.perceptron.backend import check_perceptron, prepare_perceptron, train_perceptron
from trainers.threads import one_thread

BACKENDS = ("numba", "torch-replicas", "torch")
"""Implementations by name; ``auto`` chooses the fastest one that can train a point."""

DEVICES = ("cpu", "cuda")

_BACKENDS_OF = {
    ("mlp", "cpu"): ("numba", "torch-replicas", "torch"),
    ("perceptron", "cpu"): ("numba",),
    ("cnn", "cpu"): ("numba", "torch-replicas", "torch"),
    ("mlp", "cuda"): ("torch-replicas",),
    ("cnn", "cuda"): ("torch-replicas",),
}
"""Backends of a model on a device, the fastest first."""


def train(point: Point, seeds: Seeds, backend: str = "auto", device: str = "cpu") -> Measurement:
    """Train one replica until it is fitted, or its budget is consumed, or it diverges.

    >>> point = Point.create(n_train=64, temperature=0.1, batch_size=1, max_presentations=10**4)
    >>> row = train(point, Seeds.shared(0)).to_row()
    >>> row["stop_reason"], row["train_error"]
    ('fitted', 0.0)

    Raises
    ------
    InvalidSettingError
        For an unknown backend, if there is no GPU, or if P + n_test exceeds the size of the
        data set.
    """
    return train_pack([(point, seeds)], backend, device)[0]


def train_pack(
    tasks: Sequence[tuple[Point, Seeds]], backend: str = "auto", device: str = "cpu"
) -> list[Measurement]:
    """Train several replicas on one thread; results in the order given.

    Raises
    ------
    InvalidSettingError
        Like :func:`train`; before anything is trained for an unknown backend and for a replica
        that needs more than the memory of a worker (:mod:`trainers.memory`).
    """
    names = [resolve_backend(point, backend, device) for point, _ in tasks]
    dims = {point: dataset_of(point).input_dim for point, _ in tasks}
    keep_at_most(budget() - check_memory(dims.items()))
    results: dict[int, Measurement] = {}
    # Observables other than curves are measured by torch, whatever trains.
    asked = any(set(point.observables) - {"curves"} for point, _ in tasks)
    with one_thread(use_torch=asked or any(name != "numba" for name in names)):
        together = [k for k, name in enumerate(names) if name == "torch-replicas"]
        results.update(_train_together(tasks, together, device))
        for k, ((point, seeds), name) in enumerate(zip(tasks, names, strict=True)):
            if k not in results:
                results[k] = _train_one(point, seeds, name)
    return [results[k] for k in range(len(tasks))]


def resolve_backend(
    point: Point, backend: str = "auto", device: str = "cpu", is_here: bool = True
) -> str:
    """Return the name of the backend that trains `point` on a device.

    `is_here` is whether the device must be one of this machine.

    Raises
    ------
    InvalidSettingError
        For an unknown name, a backend that does not train this model on this device, or a
        device that is not there.
    """
    check_name("backend", backend, ("auto", *BACKENDS))
    check_name("device", device, DEVICES)
    check_trainable(point)
    allowed = _BACKENDS_OF.get((point.model, device), ())
    if not allowed:
        raise InvalidSettingError(f"model={point.model} is not trained on {device}; use cpu")
    if backend != "auto" and backend not in allowed:
        raise InvalidSettingError(
            f"backend={backend} does not train model={point.model} on device={device}; "
            f"allowed: auto, {', '.join(allowed)}"
        )
    if device == "cuda" and is_here:
        from trainers.replicas.engine import check_device

        check_device(device)
    chosen = allowed[0] if backend == "auto" else backend
    if chosen == "torch-replicas":
        check_known(point, f"backend={chosen}")
    return chosen


def check_trainable(point: Point) -> None:
    """Raise unless some backend knows the model, activation, loss, sampling and scheme.

    Raises
    ------
    InvalidSettingError
        Naming the setting that no backend knows.
    """
    if point.model == "cnn":
        check_cnn(point)
        return
    if point.model == "perceptron":
        check_perceptron(point)
        return
    check_settings(point, _TRAINABLE, "yet")
    if point.scheme == "jump" and point.loss == "logistic":
        raise InvalidSettingError(
            "scheme=jump skips steps that change nothing, which loss=logistic does not have; "
            "use scheme=sequential"
        )


_TRAINABLE: dict[str, tuple[object, ...]] = {
    "model": ("mlp",),
    "activation": ("relu", "tanh", "gelu"),
    "loss": LOSSES,
    "sampling": SAMPLINGS,
    "scheme": SCHEMES,
}


def _train_one(point: Point, seeds: Seeds, backend: str) -> Measurement:
    if point.model == "perceptron":
        return train_perceptron(prepare_perceptron(point, seeds))
    if backend == "numba" and point.model == "cnn":
        return train_images(prepare_replica(point, seeds))
    if backend == "numba":
        return solve(prepare_problem(point, seeds))
    # torch takes seconds to import, which workers that use the kernel need not pay.
    from trainers.reference.loop import train_reference

    return train_reference(prepare_replica(point, seeds))


def _train_together(
    tasks: Sequence[tuple[Point, Seeds]], chosen: list[int], device: str
) -> dict[int, Measurement]:
    """Train the chosen tasks in packs of those that share all shapes; results by index."""
    if not chosen:
        return {}
    from trainers.replicas.engine import family, train_replicas

    packs: dict[object, list[int]] = defaultdict(list)
    for k in chosen:
        packs[family(tasks[k][0])].append(k)
    return {
        k: result
        for pack in packs.values()
        for k, result in zip(
            pack, train_replicas((prepare_replica(*tasks[k]) for k in pack), device), strict=True
        )
    }
