"""The door of this package: points and seeds in, measurements out.

Backends sit behind it: *numba*, a compiled kernel for one replica at a time, and *torch*, the
readable reference. A pack is a plain loop: replicas share nothing, so that a result does not
depend on its neighbours.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

from search_spaces import InvalidSettingError, Point, Seeds
from search_spaces.choices import check_name
from trainers.kernels import solve
from trainers.measurement import Measurement
from trainers.models import prepare_replica
from trainers.perceptron import check_perceptron, prepare_perceptron, train_perceptron
from trainers.preparation import prepare_problem

BACKENDS = ("numba", "torch")
"""Implementations by name; ``auto`` chooses the fastest one that can train a point."""


def train(point: Point, seeds: Seeds, backend: str = "auto") -> Measurement:
    """Train one replica until it is fitted, or its budget is consumed, or it diverges.

    >>> point = Point.create(n_train=64, temperature=0.1, batch_size=1, max_presentations=10**4)
    >>> row = train(point, Seeds.shared(0)).to_row()
    >>> row["stop_reason"], row["train_error"]
    ('fitted', 0.0)

    Raises
    ------
    InvalidSettingError
        For an unknown backend, or if P + n_test exceeds the size of the data set.
    """
    return train_pack([(point, seeds)], backend)[0]


def train_pack(tasks: Sequence[tuple[Point, Seeds]], backend: str = "auto") -> list[Measurement]:
    """Train several replicas one after the other on one thread, in the order given.

    Raises
    ------
    InvalidSettingError
        Like :func:`train`, before anything is trained for an unknown backend.
    """
    names = [resolve_backend(point, backend) for point, _ in tasks]
    with _one_thread(use_torch="torch" in names):
        return [
            _train_one(point, seeds, name)
            for (point, seeds), name in zip(tasks, names, strict=True)
        ]


def resolve_backend(point: Point, backend: str = "auto") -> str:
    """Return the name of the backend that trains `point`.

    Raises
    ------
    InvalidSettingError
        For an unknown name.
    """
    check_name("backend", backend, ("auto", *BACKENDS))
    check_trainable(point)
    if point.model == "perceptron" and backend == "torch":
        raise InvalidSettingError(
            "backend=torch does not train model=perceptron; allowed: auto, numba "
            "(scheme=sequential is its plain loop)"
        )
    return "numba" if backend == "auto" else backend


def check_trainable(point: Point) -> None:
    """Raise unless some backend knows the model, activation, loss, sampling and scheme.

    Raises
    ------
    InvalidSettingError
        Naming the setting that no backend knows.
    """
    if point.model == "perceptron":
        check_perceptron(point)
        return
    for name, known in _TRAINABLE.items():
        value = getattr(point, name)
        if value not in known:
            shown = ", ".join(str(choice) for choice in known)
            raise InvalidSettingError(f"{name}={value} cannot be trained yet; allowed: {shown}")


_TRAINABLE: dict[str, tuple[object, ...]] = {
    "model": ("mlp",),
    "activation": ("relu",),
    "loss": ("hinge", "quadratic_hinge"),
    "sampling": ("without_replacement", "with_replacement"),
    "scheme": ("sequential",),
    "bias": (False,),
    "observables": ((),),
}


def _train_one(point: Point, seeds: Seeds, backend: str) -> Measurement:
    if point.model == "perceptron":
        return train_perceptron(prepare_perceptron(point, seeds))
    if backend == "numba":
        return solve(prepare_problem(point, seeds))
    # torch takes seconds to import, which workers that use the kernel need not pay.
    from trainers.dynamics import train_reference

    return train_reference(prepare_replica(point, seeds))


@functools.cache
def _blas() -> ThreadpoolController:
    """Return the BLAS libraries of the kernel, all loaded by now; looking for them takes 1 ms."""
    return ThreadpoolController()


@contextmanager
def _one_thread(use_torch: bool) -> Iterator[None]:
    """Limit BLAS, and torch if it is used, to one thread: products here are small."""
    if not use_torch:
        with _blas().limit(limits=1, user_api="blas"):
            yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadpoolController().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(before)
