"""What a data set is to a trainer: nested training sets and a test set, drawn by seeds.

Both kinds of data, tables of images and laws that draw as many points as one asks for, keep
three promises. A replica that learns 128 points learns all of those that it learns at P = 64.
Its test set depends on `seeds.testset` and n_test alone. Neither depends on T, or on anything
else that is no setting of the data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from search_spaces import InvalidSettingError, Point, Seeds
from trainers.batches.streams import Purpose
from trainers.compiled.alignment import aligned_empty


@dataclass(frozen=True)
class Part:
    """The training or the test points of one replica."""

    inputs: np.ndarray
    """Shape (n, d); with `rows`, the table from which they are taken."""
    labels: np.ndarray
    """Shape (n,), +1 or -1."""
    rows: np.ndarray | None = None
    """Indices into a table that several parts share; None if the part has its own."""

    @property
    def nbytes(self) -> int:
        """Memory that this part alone needs."""
        return self.inputs.nbytes + self.labels.nbytes if self.rows is None else self.rows.nbytes

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and labels, contiguous, to be read only: without rows they are shared."""
        if self.rows is None:
            return self.inputs, self.labels
        x = aligned_empty((self.rows.size, self.inputs.shape[1]), self.inputs.dtype)
        return np.take(self.inputs, self.rows, axis=0, out=x, mode="clip"), self.labels[self.rows]


class Split(NamedTuple):
    """The data of one replica."""

    train: Part
    test: Part


class SplitSizes(NamedTuple):
    """What a split depends on beside the seeds, where there is no point."""

    n_train: int
    n_test: int
    data: str


class Dataset(ABC):
    """Labelled inputs to learn; see :func:`trainers.data.load_dataset`."""

    name: str
    description: str
    """One line: what the inputs and the labels are."""
    input_dim: int
    """d."""
    input_shape: tuple[int, int, int] | None = None
    """Channels, height and width of images, whose rows are flattened in this order; None for
    vectors."""
    size: int | None = None
    """Number of points, or None for a law that draws as many as one asks for."""

    @property
    def is_image(self) -> bool:
        """Whether the inputs have the shape of an image, as a convolution needs."""
        return self.input_shape is not None

    @abstractmethod
    def split(self, point: Point, seeds: Seeds, dtype: np.dtype) -> Split:
        """Return the training and the test points of one replica.

        Raises
        ------
        InvalidSettingError
            If P + n_test exceeds the size of the data set.
        """


class GeneratedDataset(Dataset):
    """A law: point i of a stream is a pure function of the settings, the seed and i."""

    @abstractmethod
    def draw(
        self, n: int, seed: int, purpose: Purpose, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the first `n` inputs (n, d) and labels (n,) of a stream."""

    def split(self, point: Point, seeds: Seeds, dtype: np.dtype) -> Split:
        """Return training and test points of independent streams; see :class:`Dataset`."""
        return Split(
            Part(*self.draw(point.n_train, seeds.trainset, Purpose.TRAINSET, dtype)),
            Part(*self.draw(point.n_test, seeds.testset, Purpose.TESTSET, dtype)),
        )


def check_size(point: Point | SplitSizes, size: int | None) -> None:
    """Raise InvalidSettingError unless `size` points suffice for training and test set."""
    if size is not None and point.n_train + point.n_test > size:
        raise InvalidSettingError(
            f"n_train={point.n_train} + n_test={point.n_test} exceed the {size} "
            f"images of {point.data}"
        )
