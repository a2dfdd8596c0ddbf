"""Read and write the file formats of MNIST (IDX) and CIFAR-10 (binary version).

Nothing in a file is executed: the pickled "python version" of CIFAR-10 is not read.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from pathlib import Path

import numpy as np

from search_spaces import InvalidSettingError

IDX_IMAGES, IDX_LABELS = 0x00000803, 0x00000801
_KINDS = {IDX_IMAGES: "images", IDX_LABELS: "labels"}
CIFAR_SHAPE = (3, 32, 32)
CIFAR_RECORD = 1 + 3 * 32 * 32


def read_idx(file: Path, magic: int) -> np.ndarray:
    """Return the uint8 array in an IDX file, plain or compressed (``.gz``).

    Raises
    ------
    InvalidSettingError
        For another kind of file, or one that is shorter or longer than its header says.
    """
    content = read_bytes(file)
    begin = 4 + 4 * (magic & 0xFF)
    found = int.from_bytes(content[:4], "big")
    if len(content) >= 4 and found != magic:
        raise InvalidSettingError(
            f"{file} begins with 0x{found:08x}, but IDX {_KINDS[magic]} begin with 0x{magic:08x}; "
            "replace it by the original"
        )
    if len(content) < begin:
        raise InvalidSettingError(
            f"{file} has {len(content)} bytes, fewer than the {begin} of its IDX header; "
            "replace it by the original"
        )
    shape = np.frombuffer(content[4:begin], ">u4").tolist()
    expected = begin + int(np.prod([1, *shape], dtype=object))
    if len(content) != expected:
        raise _wrong_size(file, len(content), expected)
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


def write_idx(file: Path, values: np.ndarray) -> None:
    """Write a uint8 array as an IDX file, all at once."""
    header = np.array([0x00000800 | values.ndim, *values.shape], ">u4").tobytes()
    write_bytes(file, header + values.tobytes())


def read_cifar(file: Path, n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 3072) and classes (n,), uint8, of a file of the binary version.

    Raises
    ------
    InvalidSettingError
        Unless the file holds `n_images` records with classes 0 to 9.
    """
    content = read_bytes(file)
    if len(content) != n_images * CIFAR_RECORD:
        raise _wrong_size(file, len(content), n_images * CIFAR_RECORD)
    records = np.frombuffer(content, np.uint8).reshape(n_images, CIFAR_RECORD)
    check_classes(file, records[:, 0])
    return records[:, 1:], records[:, 0]


def write_cifar(file: Path, images: np.ndarray, classes: np.ndarray) -> None:
    """Write images (n, 3072) and classes (n,) in the binary version, all at once."""
    records = np.column_stack([classes.astype(np.uint8), images.astype(np.uint8)])
    write_bytes(file, records.tobytes())


def check_classes(file: Path, classes: np.ndarray) -> None:
    """Raise InvalidSettingError unless all classes are 0 to 9."""
    if classes.size and classes.max() > 9:
        raise InvalidSettingError(
            f"{file} holds the class {classes.max()}; allowed: 0 to 9; replace it by the original"
        )


def read_bytes(file: Path) -> bytes:
    """Return the content of a file, decompressed if its name ends in ``.gz``."""
    try:
        content = file.read_bytes()
        return gzip.decompress(content) if file.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidSettingError(f"{file} cannot be read: {error}") from error


def write_bytes(file: Path, content: bytes) -> None:
    """Write a file so that others see all of it or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _wrong_size(file: Path, found: int, expected: int) -> InvalidSettingError:
    return InvalidSettingError(
        f"{file} has {found} bytes instead of {expected}; replace it by the original"
    )
