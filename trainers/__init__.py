"""One experiment: a network trained by SGD until every datum is fitted, and what it measured."""

from trainers.data import Dataset, contradictions, dataset_size, load_dataset
from trainers.kernels.backend import compile_kernels
from trainers.measurement import Measurement, StopReason
from trainers.trainer import BACKENDS, resolve_backend, train, train_pack

__all__ = [
    "BACKENDS",
    "Dataset",
    "Measurement",
    "StopReason",
    "compile_kernels",
    "contradictions",
    "dataset_size",
    "load_dataset",
    "resolve_backend",
    "train",
    "train_pack",
]
