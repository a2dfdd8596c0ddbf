"""One thread for a training: its products are small, and workers share the cores."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from threadpoolctl import ThreadpoolController


@functools.cache
def _blas() -> ThreadpoolController:
    """Return the BLAS libraries of the kernel, all loaded by now; looking for them takes 1 ms."""
    return ThreadpoolController()


@contextmanager
def one_thread(use_torch: bool) -> Iterator[None]:
    """Limit BLAS, and torch with all that it has loaded if it is used."""
    with ExitStack() as limits:
        if use_torch:
            limits.enter_context(one_torch_thread())
            limits.enter_context(ThreadpoolController().limit(limits=1))
        else:
            limits.enter_context(_blas().limit(limits=1, user_api="blas"))
        yield


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch alone, which is imported now."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
