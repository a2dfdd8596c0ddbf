"""Data sets by name: given a point and seeds, what a replica learns and on what it is tested."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from search_spaces import Point, Seeds
from search_spaces.choices import DATA, check_name
from search_spaces.defaults import DATA_DEFAULTS, DATA_PARAMETERS
from trainers.data.dataset import Dataset, GeneratedDataset, Part, Split, check_size
from trainers.data.finite import FiniteDataset, contradictions
from trainers.data.glyphs import GlyphDataset
from trainers.data.image_sets import IMAGE_COUNTS, IMAGE_SETS, IMAGE_SHAPES
from trainers.data.vectors import (
    MixtureDataset,
    PerceptronDataset,
    TeacherDataset,
    signed_inputs,
)

__all__ = [
    "Dataset",
    "FiniteDataset",
    "GeneratedDataset",
    "Part",
    "Split",
    "check_size",
    "condition_of",
    "contradictions",
    "dataset_of",
    "dataset_size",
    "input_dim_of",
    "load_dataset",
    "settings_of",
    "signed_inputs",
    "split",
]

_LOADERS: dict[str, Callable[..., Dataset]] = {
    **IMAGE_SETS,
    "glyphs": GlyphDataset,
    "perceptron": PerceptronDataset,
    "mixture": MixtureDataset,
    "teacher": TeacherDataset,
}


def load_dataset(name: str, **settings: float) -> Dataset:
    """Return the data set `name`, loaded once per process.

    Parameters
    ----------
    **settings
        Of synthetic vectors: `input_dim`, and `chi` or `cluster_distance`; see
        :data:`search_spaces.defaults.DATA_DEFAULTS`.

    Examples
    --------
    >>> digits = load_dataset("digits")
    >>> digits.inputs.shape, float(digits.labels.sum())
    ((1797, 64), 15.0)
    >>> load_dataset("perceptron", chi=3.0).size is None
    True

    Raises
    ------
    InvalidSettingError
        For an unknown name, or if the files of an image set are missing or damaged.
    """
    check_name("data", name, DATA)
    return _load(name, tuple(sorted({**DATA_DEFAULTS.get(name, {}), **settings}.items())))


@functools.cache
def _load(name: str, settings: tuple[tuple[str, float], ...]) -> Dataset:
    return _LOADERS[name](**dict(settings))


def settings_of(point: Point) -> tuple[str, tuple[tuple[str, float], ...]]:
    """Return what identifies the data set of a point: its name and settings."""
    given = ((name, getattr(point, name)) for name in DATA_PARAMETERS)
    return point.data, tuple((name, value) for name, value in given if value is not None)


def dataset_of(point: Point) -> Dataset:
    """Return the data set of a point; see :func:`load_dataset`."""
    name, settings = settings_of(point)
    return load_dataset(name, **dict(settings))


def dataset_size(name: str) -> int | None:
    """Return the number of points of a data set, None if it is not limited.

    Raises
    ------
    InvalidSettingError
        For an unknown name.
    """
    return IMAGE_COUNTS.get(check_name("data", name, DATA))


def condition_of(name: str) -> str:
    """Return what intervals over seeds are conditional on; needs no files.

    >>> condition_of("digits"), condition_of("glyphs")
    ('these 1797 images of digits', 'the law of glyphs data')
    """
    size = dataset_size(name)
    return f"the law of {name} data" if size is None else f"these {size} images of {name}"


def input_dim_of(point: Point) -> int:
    """Return d of the data set of a point; needs no files."""
    if point.input_dim is not None:
        return point.input_dim
    shape = GlyphDataset.input_shape if point.data == "glyphs" else IMAGE_SHAPES[point.data]
    return math.prod(shape)


def split(
    dataset: Dataset, point: Point, seeds: Seeds, dtype: str = "float64"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (x_train, y_train, x_test, y_test) of one replica, rows of shape (d,).

    Nested in P; see :mod:`trainers.data.dataset`.

    Raises
    ------
    InvalidSettingError
        If P + n_test exceeds the size of the data set.
    """
    train, test = dataset.split(point, seeds, np.dtype(dtype))
    return *train.arrays(), *test.arrays()
