"""The public image sets: where their files are, what they hold, and their binary labels.

They are read from a folder, ``$SGD_THERMOMETER_DATA`` or ``~/.cache/sgd-thermometer/data``, that
holds one folder per set. What is not there is fetched once from OpenML and written there, in the
original format, so that later processes read it in a second.
"""

from __future__ import annotations

import gzip
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search_spaces import InvalidSettingError
from trainers.data.finite import FiniteDataset
from trainers.data.image_files import (
    CIFAR_SHAPE,
    IDX_IMAGES,
    IDX_LABELS,
    check_classes,
    read_cifar,
    read_idx,
    write_cifar,
    write_idx,
)
from trainers.data.openml import FetchImagesError, fetch_images

VARIABLE = "SGD_THERMOMETER_DATA"
_DEFAULT = Path("~/.cache/sgd-thermometer/data")


@dataclass(frozen=True)
class ImageSet:
    """A public set of images in ten classes."""

    name: str
    description: str
    input_shape: tuple[int, int, int]
    parts: tuple[tuple[tuple[str, ...], int], ...]
    """File names and number of images of each part."""
    folders: tuple[str, ...]
    """Folders in which torchvision and others keep the files."""
    positive: tuple[int, ...]
    """Classes with label +1; the others have -1."""
    openml: str
    """Name on OpenML."""
    pickles: tuple[str, ...] = ()
    """Files of a version that is not read, because that would execute what they say."""

    @property
    def n_images(self) -> int:
        """Number of images."""
        return sum(n for _, n in self.parts)


_ODD = (1, 3, 5, 7, 9)
_IDX_PARTS = (
    (("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), 60000),
    (("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"), 10000),
)
_CIFAR_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")

MNIST = ImageSet(
    name="mnist",
    description="70000 handwritten digits of 28x28 pixels (MNIST), parity: odd +1, even -1",
    input_shape=(1, 28, 28),
    parts=_IDX_PARTS,
    folders=("mnist", "MNIST/raw"),
    positive=_ODD,
    openml="mnist_784",
)
FASHION_MNIST = ImageSet(
    name="fashion-mnist",
    description="70000 articles of clothing of 28x28 pixels (Fashion-MNIST), parity of the "
    "class: odd (trouser, dress, sandal, sneaker, boot) +1, even -1",
    input_shape=(1, 28, 28),
    parts=_IDX_PARTS,
    folders=("fashion-mnist", "FashionMNIST/raw"),
    positive=_ODD,
    openml="Fashion-MNIST",
)
CIFAR10 = ImageSet(
    name="cifar10",
    description="60000 photographs of 3x32x32 pixels (CIFAR-10), animals +1, vehicles -1",
    input_shape=CIFAR_SHAPE,
    parts=tuple(((file,), 10000) for file in _CIFAR_FILES),
    folders=("cifar10", "cifar10/cifar-10-batches-bin", "cifar-10-batches-bin"),
    positive=(2, 3, 4, 5, 6, 7),
    openml="CIFAR_10",
    pickles=tuple(
        f"{folder}/data_batch_1"
        for folder in ("cifar10", "cifar10/cifar-10-batches-py", "cifar-10-batches-py")
    ),
)


def load_images(images: ImageSet) -> FiniteDataset:
    """Return a public set from its folder, or fetched into it.

    Raises
    ------
    InvalidSettingError
        Naming a file that is not what it should be, or saying what to put where if there are
        neither files nor a network.
    """
    folder = find_folder(images)
    if folder is None:
        _refuse_pickles(images)
        folder = data_folder() / images.name
        pixels, classes = _fetch(images, folder)
    else:
        pixels, classes = read_images(images, folder)
    labels = np.where(np.isin(classes, images.positive), 1.0, -1.0)
    return FiniteDataset(images.name, images.description, images.input_shape, pixels, labels)


def data_folder() -> Path:
    """Return the folder that holds one folder per image set.

    Raises
    ------
    InvalidSettingError
        If the variable names something that is no folder.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named or _DEFAULT).expanduser()
    if named and not folder.is_dir():
        raise InvalidSettingError(f"{VARIABLE}={named} is not a folder")
    return folder


def find_folder(images: ImageSet) -> Path | None:
    """Return the first folder that holds any file of a set."""
    candidates = [data_folder() / name for name in images.folders]
    names = [file for files, _ in images.parts for file in files]
    for folder in candidates:
        if any(_present(folder / name) for name in names):
            return folder
    return None


def read_images(images: ImageSet, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (n, d) and classes (n,), uint8, of all parts in their order.

    Raises
    ------
    InvalidSettingError
        Naming the file that is missing or not what it should be.
    """
    read = _read_cifar_part if images.input_shape == CIFAR_SHAPE else _read_idx_part
    parts = [
        read(images, [_find(folder / file) for file in files], n) for files, n in images.parts
    ]
    pixels, classes = zip(*parts, strict=True)
    return np.concatenate(pixels), np.concatenate(classes)


def write_images(images: ImageSet, folder: Path, pixels: np.ndarray, classes: np.ndarray) -> None:
    """Write the files of a set in their original format."""
    first = 0
    for files, n in images.parts:
        part = slice(first, first + n)
        if images.input_shape == CIFAR_SHAPE:
            write_cifar(folder / files[0], pixels[part], classes[part])
        else:
            write_idx(folder / files[0], pixels[part].reshape(n, *images.input_shape[1:]))
            write_idx(folder / files[1], classes[part])
        first += n


def load_digits() -> FiniteDataset:
    """Return the digits that scikit-learn ships."""
    table = _digits_table()
    images, digits = table[:, :-1], table[:, -1]
    return FiniteDataset(
        "digits",
        "1797 handwritten digits of 8x8 pixels (UCI), parity: odd +1, even -1",
        IMAGE_SHAPES["digits"],
        images,
        np.where(digits % 2 == 1, 1.0, -1.0),
    )


def _read_idx_part(
    images: ImageSet, files: list[Path], n_images: int
) -> tuple[np.ndarray, np.ndarray]:
    pixels, classes = read_idx(files[0], IDX_IMAGES), read_idx(files[1], IDX_LABELS)
    expected = (n_images, *images.input_shape[1:])
    for file, found, shape in zip(
        files, (pixels.shape, classes.shape), (expected, expected[:1]), strict=True
    ):
        if found != shape:
            raise InvalidSettingError(
                f"{file} holds {_times(found)} values, {images.name} has {_times(shape)}; "
                "replace it by the original"
            )
    check_classes(files[1], classes)
    return pixels.reshape(n_images, -1), classes


def _read_cifar_part(
    images: ImageSet, files: list[Path], n_images: int
) -> tuple[np.ndarray, np.ndarray]:
    return read_cifar(files[0], n_images)


def _find(file: Path) -> Path:
    """Return the plain or the compressed file."""
    found = _present(file)
    if found is None:
        raise InvalidSettingError(
            f"{file.parent} lacks the file {file.name} (or {file.name}.gz); put it there"
        )
    return found


def _present(file: Path) -> Path | None:
    for candidate in (file, file.with_name(f"{file.name}.gz")):
        try:
            if candidate.is_file():
                return candidate
        except OSError as error:
            raise InvalidSettingError(f"{candidate} cannot be read: {error}") from error
    return None


def _refuse_pickles(images: ImageSet) -> None:
    for name in images.pickles:
        file = data_folder() / name
        if _present(file):
            raise InvalidSettingError(
                f"{file} is pickled, and reading it would execute what it says; put the files of "
                f"the binary version into {data_folder() / images.name}: {_all_files(images)}"
            )


def _fetch(images: ImageSet, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    dimension = int(np.prod(images.input_shape))
    try:
        pixels, classes = fetch_images(images.openml, (images.n_images, dimension))
    except FetchImagesError as error:
        raise InvalidSettingError(_what_to_put(images, folder, error)) from error
    # A read-only folder only means that the next process fetches again.
    try:
        write_images(images, folder, pixels, classes)
    except OSError:
        return pixels, classes
    return pixels, classes


def _what_to_put(images: ImageSet, folder: Path, error: Exception) -> str:
    return (
        f"data={images.name} is not here: put {_all_files(images)} (plain or .gz) into {folder}, "
        f"or set {VARIABLE} to the folder that holds {images.name}/ "
        f"(OpenML gave: {error})"
    )


def _all_files(images: ImageSet) -> str:
    return ", ".join(file for files, _ in images.parts for file in files)


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)


def _digits_table() -> np.ndarray:
    """Return the 64 pixels and the digit of each image, shape (1797, 65).

    scikit-learn's table is read from its file: importing its loader takes more than a second,
    which every worker process would pay.
    """
    package = importlib.util.find_spec("sklearn")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            with gzip.open(file, "rt", encoding="ascii") as lines:
                return np.loadtxt(lines, delimiter=",")
    from sklearn import datasets

    return np.column_stack(datasets.load_digits(return_X_y=True))


IMAGE_SETS: dict[str, Callable[[], FiniteDataset]] = {
    "digits": load_digits,
    "mnist": lambda: load_images(MNIST),
    "fashion-mnist": lambda: load_images(FASHION_MNIST),
    "cifar10": lambda: load_images(CIFAR10),
}
"""Loaders by name."""

IMAGE_COUNTS = {
    "digits": 1797,
    **{each.name: each.n_images for each in (MNIST, FASHION_MNIST, CIFAR10)},
}
"""Sizes by name, known without the files."""

IMAGE_SHAPES = {
    "digits": (1, 8, 8),
    **{each.name: each.input_shape for each in (MNIST, FASHION_MNIST, CIFAR10)},
}
"""Channels, height and width by name, known without the files."""
