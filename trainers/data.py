"""Data sets and their splits: which images a replica learns and on which it is tested.

Inputs have norm sqrt(d), the convention in which the tangent kernel of a network with L hidden
layers has diagonal L + 1. Splits are nested in P: a replica that learns 128 points learns all
of those that it learns at P = 64.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search_spaces import InvalidSettingError, Point, Seeds
from search_spaces.choices import DATA, check_name
from trainers.streams import Purpose, generator


@dataclass(frozen=True)
class Dataset:
    """Labelled inputs, read-only."""

    inputs: np.ndarray
    """Shape (n, d), float64, rows of norm sqrt(d)."""
    labels: np.ndarray
    """Shape (n,), float64, +1 or -1."""
    name: str
    description: str
    input_shape: tuple[int, int, int] | None = None

    @property
    def size(self) -> int:
        """Number of points n."""
        return self.inputs.shape[0]

    @property
    def input_dim(self) -> int:
        """Input dimension d."""
        return self.inputs.shape[1]

    def cast(self, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and labels in another dtype."""
        return self.inputs.astype(dtype), self.labels.astype(dtype)


@functools.cache
def load_dataset(name: str) -> Dataset:
    """Return the data set `name`, loaded once per process.

    >>> digits = load_dataset("digits")
    >>> digits.inputs.shape, float(digits.labels.sum())
    ((1797, 64), 15.0)

    Raises
    ------
    InvalidSettingError
        For an unknown name.
    """
    check_name("data", name, DATA)
    return _load_digits()


def dataset_size(name: str) -> int:
    """Return the number of points of a data set."""
    return load_dataset(name).size


def check_size(point: Point, size: int) -> None:
    """Raise InvalidSettingError unless `size` points suffice for training and test set."""
    if point.n_train + point.n_test > size:
        raise InvalidSettingError(
            f"n_train={point.n_train} + n_test={point.n_test} exceed the {size} "
            f"images of {point.data}"
        )


def split(
    dataset: Dataset, point: Point, seeds: Seeds
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (x_train, y_train, x_test, y_test) of one replica.

    The test set depends on `seeds.testset` and n_test alone; the others, in an order that
    depends on `seeds.trainset`, are the training points, of which the first P are used.

    Raises
    ------
    InvalidSettingError
        If P + n_test exceeds the size of the data set.
    """
    train, test = split_indices(dataset.size, point, seeds)
    x, y = dataset.inputs, dataset.labels
    return x[train], y[train], x[test], y[test]


def split_indices(size: int, point: Point, seeds: Seeds) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of training and test points among `size` points; see :func:`split`."""
    check_size(point, size)
    order = generator(seeds.testset, Purpose.TESTSET).permutation(size)
    test, rest = order[: point.n_test], order[point.n_test :]
    train = rest[generator(seeds.trainset, Purpose.TRAINSET).permutation(rest.size)]
    return train[: point.n_train].copy(), test.copy()


def _load_digits() -> Dataset:
    table = _digits_table()
    images, digits = table[:, :-1], table[:, -1]
    inputs = images - images.mean(axis=0)
    inputs *= np.sqrt(inputs.shape[1]) / np.linalg.norm(inputs, axis=1, keepdims=True)
    labels = np.where(digits % 2 == 1, 1.0, -1.0)
    inputs.setflags(write=False)
    labels.setflags(write=False)
    return Dataset(
        inputs=inputs,
        labels=labels,
        name="digits",
        description="1797 handwritten digits of 8x8 pixels (UCI), parity: odd +1, even -1",
        input_shape=(1, 8, 8),
    )


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
    from sklearn.datasets import load_digits

    return np.column_stack(load_digits(return_X_y=True))
