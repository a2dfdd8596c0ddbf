"""Data sets of given images: random splits, and images that no network can tell apart.

Inputs are centred on the mean image of the whole set and scaled to norm sqrt(d), the convention
in which the tangent kernel of a network with L hidden layers has diagonal L + 1.
"""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b

import numpy as np

from search_spaces import InvalidSettingError, Point, Seeds
from trainers.batches.streams import Purpose, generator
from trainers.compiled.alignment import aligned_empty
from trainers.data.dataset import Dataset, Part, Split, SplitSizes, check_size

_LARGEST_TABLE = 2**20
_BLOCK = 16


class FiniteDataset(Dataset):
    """A table of images.

    Parameters
    ----------
    name, description
        See :class:`trainers.data.dataset.Dataset`.
    input_shape
        Channels, height and width.
    pixels
        Shape (n, d), of any real dtype; small sets are kept as inputs, large ones as they are.
    labels
        Shape (n,), +1 or -1.
    """

    def __init__(
        self,
        name: str,
        description: str,
        input_shape: tuple[int, int, int],
        pixels: np.ndarray,
        labels: np.ndarray,
    ) -> None:
        self.name, self.description = name, description
        self.input_shape = input_shape
        self.size: int
        self.size, self.input_dim = pixels.shape
        self.labels = labels.astype(np.float64)
        self.labels.setflags(write=False)
        self._pixels, self._mean = pixels, pixels.mean(axis=0, dtype=np.float64)
        self._tables: dict[np.dtype, tuple[np.ndarray, np.ndarray]] = {}

    @cached_property
    def inputs(self) -> np.ndarray:
        """All inputs, shape (n, d), float64, read-only."""
        inputs = self.rows(np.arange(self.size), np.dtype(np.float64))
        inputs.setflags(write=False)
        return inputs

    @cached_property
    def digest(self) -> str:
        """Hash of images and labels (16 hexadecimal digits), the same on every machine."""
        content = blake2b(
            str((self._pixels.dtype.str, self._pixels.shape)).encode(), digest_size=8
        )
        for values in (self._pixels, self.labels):
            content.update(np.ascontiguousarray(values).data)
        return content.hexdigest()

    def rows(self, indices: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return the inputs of some images, shape (len(indices), d).

        Raises
        ------
        InvalidSettingError
            For an image that equals the mean image and has no direction.
        """
        x = aligned_empty((indices.size, self.input_dim), dtype)
        for first in range(0, indices.size, _BLOCK):
            chosen = indices[first : first + _BLOCK]
            centred = self._pixels[chosen] - self._mean
            norms = np.linalg.norm(centred, axis=1, keepdims=True)
            if not norms.all():
                image = chosen[int(np.argmin(norms))]
                raise InvalidSettingError(
                    f"image {image} of {self.name} equals the mean image; it cannot be scaled"
                )
            centred *= np.sqrt(self.input_dim) / norms
            x[first : first + _BLOCK] = centred
        return x

    def split(self, point: Point, seeds: Seeds, dtype: np.dtype) -> Split:
        """Return rows drawn without replacement; see :func:`split_indices`."""
        dtype = np.dtype(dtype)
        train, test = split_indices(self.size, point, seeds)
        return Split(self._part(train, dtype), self._part(test, dtype))

    def _part(self, indices: np.ndarray, dtype: np.dtype) -> Part:
        if self._pixels.size > _LARGEST_TABLE:
            return Part(self.rows(indices, dtype), self.labels[indices].astype(dtype))
        if dtype not in self._tables:
            self._tables[dtype] = self.inputs.astype(dtype), self.labels.astype(dtype)
        return Part(*self._tables[dtype], rows=indices)


def split_indices(
    size: int, point: Point | SplitSizes, seeds: Seeds
) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of training and test points among `size` points.

    The test set depends on `seeds.testset` and n_test alone; the others, in an order that
    depends on `seeds.trainset`, are the training points, of which the first P are used.

    Raises
    ------
    InvalidSettingError
        If P + n_test exceeds the size of the data set.
    """
    check_size(point, size)
    order = generator(seeds.testset, Purpose.TESTSET).permutation(size)
    test, rest = order[: point.n_test], order[point.n_test :]
    train = rest[generator(seeds.trainset, Purpose.TRAINSET).permutation(rest.size)]
    return train[: point.n_train].copy(), test.copy()


def contradictions(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the indices of the points whose input occurs with both labels, in order.

    No function of the input can fit them. One pass over the rows, which are compared by a hash
    of 128 bits.

    >>> contradictions(np.array([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]]), np.array([1, 1, -1]))
    array([0, 2])
    """
    first: dict[bytes, int] = {}
    # Adding 0 makes -0 and 0, which are equal, the same bytes.
    hashes = (blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in x)
    same = np.fromiter((first.setdefault(h, i) for i, h in enumerate(hashes)), np.int64, len(x))
    signs = np.zeros((len(x), 2), bool)
    signs[same, (np.asarray(y) > 0).astype(np.int64)] = True
    return np.flatnonzero(signs[same].all(axis=1))
