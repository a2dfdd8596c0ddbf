"""How kernels are compiled: without the GIL, into a disk cache that knows all kernel sources.

numba's cache notices a change of the file that holds a function, but not of those that it calls
in other files, and would go on running an old kernel after an update. Here the text of all
modules that hold compiled code, or a number that it reads, is part of the key.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from numba import njit
from numba.core.caching import FunctionCache

FASTMATH = frozenset({"contract", "reassoc", "nsz"})
"""Freedom of summation order; non-finite numbers keep their meaning."""


KERNEL_SOURCES = (
    "batches",
    "compiled",
    "data/glyph_kernel.py",
    "diffusion",
    "fluctuations",
    "images",
    "kernels",
    "losses.py",
    "perceptron",
    "stopping.py",
)
"""Folders and files of `trainers` that hold compiled code or what it takes from elsewhere."""


def kernel_files() -> list[Path]:
    """Return all files on which compiled code depends, sorted."""
    root = Path(__file__).parents[1]
    places = [root / name for name in KERNEL_SOURCES]
    return sorted(
        f for place in places for f in (place.rglob("*.py") if place.is_dir() else [place])
    )


@functools.cache
def source_fingerprint() -> str:
    """Return a hash of the text of all modules on which compiled code depends."""
    digest = hashlib.sha256()
    for file in kernel_files():
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


class _SourceCache(FunctionCache):
    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), source_fingerprint())


Kernel = Callable[..., Any]


def compiled(
    *, fastmath: bool = False, inline: str = "never", counted: bool = True
) -> Callable[[Kernel], Kernel]:
    """Return the decorator of a kernel; `fastmath` grants FASTMATH.

    Without `counted`, references to arrays are not counted, which costs as much as a product of
    a few rows where dozens of arrays are passed on. Such a kernel must not make arrays.
    """

    def decorate(function: Kernel) -> Kernel:
        flags = set(FASTMATH) if fastmath else False
        options: dict[str, Any] = {"fastmath": flags, "inline": inline, "_nrt": counted}
        dispatcher: Any = njit(nogil=True, **options)(function)
        # Without a writable folder, kernels are compiled anew in every process.
        with contextlib.suppress(RuntimeError):
            dispatcher._cache = _SourceCache(function)
        return cast(Kernel, dispatcher)

    return decorate
