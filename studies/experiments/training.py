"""Training a network or a perceptron until all data are fitted: the main experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_spaces import Point, SearchSpace, Seeds
from search_spaces.axes import AXES, LogAxis, parse_axis
from search_spaces.choices import (
    ACTIVATIONS,
    DATA,
    DTYPES,
    LOSSES,
    MODELS,
    OBSERVABLES,
    SAMPLINGS,
    SCHEMES,
    SELECTIONS,
)
from search_spaces.curves import curves_of
from search_spaces.grid import FIRST_SEED, SEEDS, Setting, named
from search_spaces.selection import PERSISTENCE_CONVENTIONS
from search_spaces.windows import expected_presentations, onset_temperature, read_window
from studies.contracts import Experiment, Scanned

if TYPE_CHECKING:
    from analysis.table import MeasurementTable

_FIXED_SIZE = "without_replacement"
_SEED_COLUMNS = tuple(f"seed_{field.name}" for field in fields(Seeds))


def _sample_points(spec: Scanned) -> tuple[Point, ...]:
    """Return the planned points, the ends of adaptive curves, a sampler's extreme P."""
    if spec.is_adaptive:
        return tuple(end for curve in curves_of(spec.space) for end in curve.ends())
    if spec.is_planned:
        return spec.points()
    points: list[Point] = []
    for space in spec.searches().values():
        smallest = {name: axis.values()[0] for name, axis in space.axes.items()}
        if space.window is not None:
            scales = smallest["alpha"], smallest["depth"]
            smallest["temperature"] = space.window_temperatures(*scales)[0]
        largest = {**smallest, "n_train": max(space.axes["n_train"].values())}
        points += [space.point(smallest), space.point(largest)]
    return tuple(points)


def _expected_seconds_of_images(point: Point) -> float:
    """Return the same for a convolutional network: an update costs three presentations."""
    from trainers.data import input_dim_of

    multiply_adds = 9 * input_dim_of(point) * point.width * (1 + 0.6 * point.width)
    presentations = expected_presentations(
        point.n_train, point.temperature, point.batch_size, point.alpha, point.depth
    )
    updates: float = 55 * (max(point.n_train, 64) / 64) ** 0.73
    return 0.02 + multiply_adds * (2e-11 * presentations + 6e-11 * updates)


def _perceptron_seconds(point: Point) -> float:
    """Cost of drawing the data, and of updates ~ P^(2 gamma) that look at ever fewer points."""
    chi = 1.0 if point.chi is None else point.chi
    growth = 1 + min(1 / (1 + chi), 1.4)
    updates: float = (
        2.5e-8 * point.n_train**growth * max(1.0, 3 / (point.temperature * point.alpha))
    )
    return 1e-3 + 1.5e-6 * point.n_train + updates


SETTINGS = (
    Setting("n_train", None, meaning="P, the training samples"),
    Setting("batch_size", None, meaning="B"),
    Setting("width", None, meaning="Units of a hidden layer, or channels"),
    Setting("depth", None, meaning="Hidden layers, or convolutions"),
    Setting("input_dim", None, meaning="Dimension of data drawn from a law"),
    Setting(
        "temperature", None, meaning="T = eta/B; window for the stable window of each network"
    ),
    Setting("learning_rate", None, meaning="eta, in place of T or B"),
    Setting("alpha", None, meaning="Initialization scale; large is lazy"),
    Setting("cluster_distance", None, meaning="Distance of the clusters of data=mixture"),
    Setting("persistence_time", None, meaning="tau of sampling=persistent"),
    Setting("chi", None, meaning="Exponent of the margins of data=perceptron"),
    Setting(
        "active_fraction",
        None,
        meaning="b = B/P of sampling=bernoulli and persistent, in place of B",
    ),
    named("data", None, DATA, "Data set, or the law that data are drawn from"),
    named("model", None, MODELS, "What is trained"),
    named("loss", None, LOSSES, "Loss of a margin"),
    named("activation", None, ACTIVATIONS, "Activation of the hidden layers"),
    Setting("n_test", None, meaning="Test samples"),
    named("sampling", None, SAMPLINGS, "How minibatches are drawn"),
    named("dtype", None, DTYPES, "Precision of the arithmetic"),
    Setting(
        "max_presentations",
        None,
        meaning="Budget of a training; null for twenty times what it should need",
    ),
    Setting("bias", None, meaning="Whether hidden layers have biases"),
    named("scheme", None, SCHEMES, "Whether idle batches are looked at; null for the model's own"),
    named("observables", None, OBSERVABLES, "What is measured beside the usual columns"),
    named("persistence_convention", None, PERSISTENCE_CONVENTIONS, "What tau is the mean time of"),
    Setting(
        "kernel_diagonal", None, meaning="Measured K of a network without a calibrated window"
    ),
    Setting("stable_learning_rate", None, meaning="Measured eta_max of such a network"),
    SEEDS,
    FIRST_SEED,
)
"""What a training can be told: the axes in their order, then fixed settings.

:class:`search_spaces.SearchSpace` reads them, with defaults that depend on the model."""


class Training(Experiment):
    """One replica per seed, trained until all data are fitted."""

    settings = SETTINGS
    devices = ("cpu", "cuda")
    shown = ("alpha", "n_train", "temperature", "batch_size", "learning_rate")
    params = (
        "temperature",
        "learning_rate",
        "batch_size",
        "alpha",
        "n_train",
        "width",
        "depth",
        "data",
        "model",
        "loss",
    )

    def space(self, **settings: Any) -> SearchSpace:
        """Return the space of these settings."""
        return SearchSpace(**settings)

    def grows(self, key: str, old: Any, new: Any) -> bool:
        """Whether an axis kept all of its values; other settings must not change."""
        if key not in AXES or None in (old, new) or read_window(old) or read_window(new):
            return False
        before, after = parse_axis(key, old), parse_axis(key, new)
        if isinstance(before, LogAxis) and before == after:
            return True
        return set(before.values()) <= set(after.values())

    def read(self, plain: dict[str, Any]) -> Point:
        """Return the point of a record."""
        return Point.from_dict(plain)

    def check(self, spec: Scanned, device: str = "cpu", is_here: bool = True) -> str:
        """Refuse what no backend can train, data sets that are too small, points that do not fit.

        `is_here` is whether this machine trains, and must have the device. Returns the backend of
        all points, or `auto` if they have different ones.
        """
        from trainers.data import check_size, dataset_of
        from trainers.memory import check_memory
        from trainers.trainer import resolve_backend

        backends, backend = set(), "auto" if spec.backend == "any" else spec.backend
        for point in _sample_points(spec):
            backends.add(resolve_backend(point, backend, device, is_here))
            data = dataset_of(point)
            check_size(point, data.size)
            check_memory([(point, data.input_dim)])
        if spec.backend == "any":
            return spec.backend
        return backends.pop() if len(backends) == 1 else "auto"

    def prepare(self, spec: Scanned, backend: str) -> None:
        """Compile once here, rather than in every worker at the same time."""
        from trainers.images.backend import compile_image_kernels
        from trainers.kernels.backend import compile_kernels
        from trainers.perceptron.backend import compile_perceptron

        if backend not in ("numba", "auto", "any"):
            return
        for space in spec.spaces().values():
            dtype, losses = space.fixed["dtype"], sorted(map(str, space.axes["loss"].values()))
            models = set(space.axes["model"].values())
            if "perceptron" in models:
                compile_perceptron(dtype)
            sampling = "bernoulli" if space.fixed["sampling"] in SELECTIONS else _FIXED_SIZE
            if "cnn" in models:
                compile_image_kernels(dtype, sampling)
            if "mlp" in models:
                schemes = [space.fixed["scheme"] or "sequential"]
                compile_kernels(dtype, losses, schemes, sampling)

    def measure(
        self, configuration: Point, seeds: Sequence[int], backend: str, device: str = "cpu"
    ) -> list[dict[str, Any]]:
        """Train one replica per seed."""
        from trainers.trainer import train_pack

        tasks = [(configuration, Seeds.shared(seed)) for seed in seeds]
        return [measurement.to_row() for measurement in train_pack(tasks, backend, device)]

    def together(self, backend: str) -> dict[str, int]:
        """Return how many replicas of a configuration are to share a set of tensors, by device.

        Eight take about twice the time of one. On a GPU there is no other backend.
        """
        return {"cpu": 8 if backend == "torch-replicas" else 1, "cuda": 8}

    def expected_seconds(self, configuration: Point) -> float:
        """Rough time of one training; the driver corrects it by what it observes."""
        from trainers.data import input_dim_of

        point = configuration
        if point.model == "cnn":
            return _expected_seconds_of_images(point)
        if point.model == "perceptron":
            return _perceptron_seconds(point)
        width, depth, p = point.width, point.depth, point.n_train
        n_weights = input_dim_of(point) * width + (depth - 1) * width**2 + width
        presentations = expected_presentations(
            p, point.temperature, point.batch_size, point.alpha, depth
        )
        onset = 2.1 * onset_temperature(point.alpha, depth)
        updates: float = 34 * (max(p, 64) / 64) ** 0.73 * max(1.0, onset / point.temperature)
        return 5e-4 + n_weights * (3e-11 * presentations + 1.5e-9 * updates)

    def seed_columns(self, seed: int) -> dict[str, int]:
        """Return the five seeds of a replica."""
        return dict.fromkeys(_SEED_COLUMNS, seed)

    def average(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return averages over the fitted replicas."""
        # Loads numpy, which asking for a study need not.
        from studies.experiments.averages import average_replicas

        return average_replicas(rows)

    def read_table(self, path: Path) -> MeasurementTable:
        """Read and check the table."""
        from analysis.table import MeasurementTable

        return MeasurementTable.read_csv(path)

    def conditional_on(self, spec: Scanned) -> str:
        """Return the images or the law from which the data are drawn."""
        from trainers.data import condition_of

        spaces = spec.spaces().values()
        names = dict.fromkeys(name for space in spaces for name in space.axes["data"].values())
        return " and ".join(condition_of(name) for name in names)
