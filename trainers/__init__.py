"""One experiment: a network trained by SGD until every datum is fitted, and what it measured.

All public names are imported from here. Those that need torch, or that a worker does not, are
loaded when they are asked for.
"""

import importlib
from typing import Any

from trainers.data import Dataset, contradictions, dataset_of, dataset_size, load_dataset, split
from trainers.kernels.backend import compile_kernels
from trainers.measurement import Measurement
from trainers.stopping import StopReason
from trainers.trainer import BACKENDS, resolve_backend, train, train_pack

_WHEN_ASKED = {
    "trainers.batches.streams": ("Purpose", "generator"),
    "trainers.diffusion.models": (
        "PowerLawDynamics",
        "simulate_levy",
        "simulate_regression",
        "simulate_schedule",
        "stable_noise",
    ),
    "trainers.fluctuations.model_run": (
        "ModelDynamics",
        "ModelRun",
        "boundary_distances",
        "function_distance",
    ),
    "trainers.fluctuations.response": ("ResponseRecord", "measure_response", "measure_windows"),
    "trainers.fluctuations.simulation": (
        "PerceptronRun",
        "Trajectory",
        "replica_seeds",
        "simulate",
    ),
    "trainers.memory": ("set_budget", "training_bytes"),
    "trainers.models.replica": ("Replica", "prepare_replica"),
    "trainers.noise.gradient_noise": (
        "GradientNoise",
        "choose_parameters",
        "sample_gradient_noise",
    ),
    "trainers.noise.large_batch": ("ArmErrors", "Comparison", "run_arm"),
    "trainers.noise.local_noise": (
        "LocalNoise",
        "local_noise",
        "random_direction",
        "top_direction",
    ),
    "trainers.noise.matched_noise": ("noise_coefficient", "noisy_batch_weights"),
    "trainers.noise.sample_losses": ("SampleLoss", "module_loss", "replica_loss"),
    "trainers.own.model": ("OwnModel", "OwnTraining"),
    "trainers.reference.loop": ("train_reference",),
    "trainers.stopping": ("check_interval", "divergence_limit"),
}
_HOME = {name: module for module, names in _WHEN_ASKED.items() for name in names}

__all__ = [
    "BACKENDS",
    "Dataset",
    "Measurement",
    "StopReason",
    "compile_kernels",
    "contradictions",
    "dataset_of",
    "dataset_size",
    "load_dataset",
    "resolve_backend",
    "split",
    "train",
    "train_pack",
    *_HOME,
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
