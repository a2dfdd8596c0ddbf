"""Your own model under the thermometer: any torch module and any labelled data.

    def build(seed):
        return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 1))

    own = OwnModel(build, x, y, alpha=100)
    table = own.scan(n_train=[64, 128, 256, 512], n_seeds=8)

The table has the columns of every study, so that :func:`analysis.analyse_scaling` and
``thermometer fit`` take it as it is. Splits, batches and initial weights are functions of the
seed alone, nested in P and shared by all temperatures, as in the studies.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from search_spaces import InvalidSettingError, Seeds, parse_axis
from search_spaces.choices import DTYPES, LOSSES, SAMPLINGS, check_name
from search_spaces.numbers import positive_integer, positive_number, significant
from search_spaces.point import resolve_temperature
from search_spaces.windows import presentation_budget, temperature_window
from trainers.data.dataset import SplitSizes
from trainers.data.finite import split_indices
from trainers.fluctuations.model_run import ModelDynamics, ModelRun
from trainers.measurement import Measurement
from trainers.noise.sample_losses import Parameters, SampleLoss
from trainers.own.checks import Build, build_module, check_build, check_module
from trainers.own.samples import (
    OutputLoss,
    PredictingModule,
    Predictor,
    Samples,
    read_inputs,
    read_samples,
)
from trainers.own.sgd import Schedule, train_module
from trainers.own.state import ModuleState
from trainers.threads import one_torch_thread

_KERNEL_SAMPLES = 64


@dataclass(frozen=True)
class OwnTraining:
    """One training of an own model."""

    settings: dict[str, Any]
    """Columns of the table that say what was run."""
    measurement: Measurement
    module: torch.nn.Module = field(repr=False)
    """The module where the training stopped."""

    def to_row(self) -> dict[str, Any]:
        """Return the row of the table."""
        return {**self.settings, **self.measurement.to_row()}


class OwnModel:
    """A family of modules, one per seed, with data to learn.

    Parameters
    ----------
    build
        Called with a seed, returns a new module. Torch's generator is seeded for the call, so
        that the usual initializations need nothing else.
    x
        Inputs, samples first: an array or tensor.
    y
        -1 or +1 (or 0 and 1) for a module with one output; classes 0 .. C-1 for one with C.
    loss
        ``hinge``, ``quadratic_hinge`` or ``logistic`` of the margin, or a function of outputs
        and targets that returns one loss per sample.
    alpha
        Scale of the predictor alpha (f - f0); None trains the plain output f.
    n_test
        Samples held out for the test error, by default a quarter.
    sampling, dtype
        As in :class:`search_spaces.Point`.
    name
        What the column ``data`` says.

    Notes
    -----
    The module is in evaluation mode: dropout is off, and batch normalisation keeps the
    statistics that it has. With a loss that vanishes t* is exact; any other is tested for fit
    (all margins at least 1) once per P presentations.

    Raises
    ------
    InvalidSettingError
        For data or a module that cannot be measured; the sentence says why.
    """

    def __init__(
        self,
        build: Build,
        x: Any,
        y: Any,
        *,
        loss: str | OutputLoss = "hinge",
        alpha: float | None = None,
        n_test: int | None = None,
        sampling: str = "without_replacement",
        dtype: str = "float32",
        name: str = "own",
    ) -> None:
        if not callable(loss):
            check_name("loss", loss, LOSSES)
        self.build, self.name = build, name
        self.predictor = Predictor(
            loss, None if alpha is None else positive_number("alpha", alpha)
        )
        self.dtype = check_name("dtype", dtype, DTYPES)
        self.sampling = check_name("sampling", sampling, SAMPLINGS)
        inputs = read_inputs(x)
        check_build(build)
        n_outputs = check_module(build, inputs)
        self._samples = read_samples(inputs, y, n_outputs, getattr(torch, dtype))
        size = len(inputs)
        self.n_test = positive_integer("n_test", max(1, size // 4) if n_test is None else n_test)
        if self.n_test >= size:
            raise InvalidSettingError(
                f"n_test={self.n_test} leaves none of the {size} samples for training"
            )
        start, first = self._module(0), self._samples.take(np.arange(2))
        self.predictor.losses(start(first.x), first)
        self._model = type(start).__name__

    @cached_property
    def kernel_diagonal(self) -> float:
        """K, mean over some samples of the squared gradient of the plain margin at w0, seed 0."""
        module = self._module(0)
        part = self._samples.take(np.arange(min(_KERNEL_SAMPLES, len(self._samples))))
        margins = Predictor("hinge", None).margins(module(part.x), part.labels)
        weights, total = list(module.parameters()), 0.0
        for margin in margins:
            gradient = torch.autograd.grad(margin, weights, retain_graph=True, allow_unused=True)
            total += sum(float(g.double().square().sum()) for g in gradient if g is not None)
        return total / len(margins)

    def temperatures(self, batch_size: int = 1, per_decade: int = 4) -> tuple[float, ...]:
        """Return temperatures from well below T_noise to the edge of stability.

        From 0.1/(alpha K) to 7/(K B), on a lattice; calibrated on perceptrons of three hidden
        layers under the hinge loss, where the largest learning rate fails for some seeds. A scan
        counts those as diverged.

        Raises
        ------
        InvalidSettingError
            For alpha < 1, where the window depends on more than K.
        """
        if self.predictor.scale < 1:
            raise InvalidSettingError(
                f"alpha={self.predictor.alpha:g} is below 1, where no window is known for a model "
                "of your own; name the temperatures"
            )
        return temperature_window(
            self.predictor.scale, 1, batch_size, per_decade, self.kernel_diagonal
        )

    def train(
        self,
        *,
        n_train: int,
        temperature: float | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        max_presentations: int | None = None,
    ) -> OwnTraining:
        """Train one module until all of its data are fitted.

        Parameters
        ----------
        n_train
            P.
        temperature, learning_rate, batch_size
            Two of the three; T = eta/B.
        seed
            Fixes split, initial weights and batches.
        max_presentations
            Budget of sample presentations, by default twenty times what trainings need.
        """
        temperature, batch_size = resolve_temperature(temperature, learning_rate, batch_size)
        train, test = self._split(n_train, seed)
        self._check_batch(batch_size, len(train))
        if max_presentations is None:
            max_presentations = self._budget(len(train), temperature, batch_size)
        budget = positive_integer("max_presentations", max_presentations)
        law = temperature, significant(temperature * batch_size), batch_size
        schedule = Schedule(*law, self.sampling, seed, max(1, budget // batch_size))
        with one_torch_thread():
            module = self._module(seed)
            measurement = train_module(ModuleState(module, self.predictor, train, test), schedule)
        names = "temperature", "learning_rate", "batch_size"
        varied = {"n_train": len(train), **dict(zip(names, law, strict=True)), "seed": seed}
        return OwnTraining({**self._columns(), **varied}, measurement, module)

    def scan(
        self,
        n_train: Any,
        temperature: Any = None,
        batch_size: Any = 1,
        n_seeds: int = 8,
        first_seed: int = 0,
        max_presentations: int | None = None,
    ) -> pd.DataFrame:
        """Train every combination of sizes, batch sizes, temperatures and seeds, one by one.

        Parameters
        ----------
        n_train, temperature, batch_size
            Values, lists or ranges as in :class:`search_spaces.SearchSpace`; without a
            temperature, those of :meth:`temperatures`.
        n_seeds, first_seed
            Seeds first_seed .. first_seed + n_seeds - 1.
        max_presentations
            Budget of every training, as in :meth:`train`.

        Returns
        -------
        DataFrame
            One row per training, for :meth:`analysis.MeasurementTable.from_frame`. Progress
            shows on terminals.
        """
        sizes = parse_axis("n_train", n_train).values()
        batches = parse_axis("batch_size", batch_size).values()
        given = None if temperature is None else parse_axis("temperature", temperature).values()
        first_seed = _checked_seed(first_seed)
        seeds = range(first_seed, first_seed + positive_integer("n_seeds", n_seeds))
        tasks = [
            {"n_train": p, "temperature": t, "batch_size": b, "seed": seed}
            for p, b in itertools.product(sizes, batches)
            for t in given or self.temperatures(b)
            for seed in seeds
        ]
        for p, b in itertools.product(sizes, batches):
            self._split(p, first_seed)
            self._check_batch(b, p)
        shown = tqdm(tasks, desc="training", disable=None, leave=False)
        trainings = (self.train(**task, max_presentations=max_presentations) for task in shown)
        return pd.DataFrame([training.to_row() for training in trainings])

    def losses(
        self, n_train: int, seed: int = 0, module: torch.nn.Module | None = None
    ) -> SampleLoss:
        """Return the losses of the training samples, for the noise of their gradients.

        Parameters
        ----------
        module
            The weights at which noise is measured, such as those of an :class:`OwnTraining`; by
            default the initial ones.
        """
        start, train = self._module(seed), self._split(n_train, seed)[0]
        with torch.no_grad():
            f0 = start(train.x)
        buffers = dict(start.named_buffers())
        predictor = self.predictor

        def evaluate(parameters: Parameters, indices: torch.Tensor) -> torch.Tensor:
            part = train.take(indices)
            f = torch.func.functional_call(start, {**buffers, **parameters}, (part.x,))
            return predictor.losses(predictor.predict(f, f0[indices]), part)

        at = start if module is None else module
        weights = {name: w.detach().clone() for name, w in at.named_parameters()}
        return SampleLoss(weights, len(train), evaluate)

    def dynamics(
        self,
        dynamics: ModelDynamics,
        n_train: int,
        seed: int = 0,
        module: torch.nn.Module | None = None,
    ) -> ModelRun:
        """Return a run with twins on the training samples, for an effective temperature.

        See :func:`trainers.fluctuations.response.measure_windows`. The loss is that of the
        trainings, and weights are float64.

        Parameters
        ----------
        module
            The weights at which the run starts, by default the initial ones.
        """
        start = build_module(self.build, seed, torch.float64)
        moving = start if module is None else module
        predicting = PredictingModule(copy.deepcopy(moving).double(), start, self.predictor)
        train = self._split(n_train, seed)[0].to(torch.float64)

        def loss(predictions: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
            return self.predictor.losses(predictions, train.take(numbers))

        # As targets the run hands out the numbers of the samples, which find everything else.
        numbers = torch.arange(len(train))
        return ModelRun(predicting, loss, train.x, numbers, dynamics, Seeds.shared(seed))

    def _module(self, seed: int) -> torch.nn.Module:
        return build_module(self.build, seed, getattr(torch, self.dtype))

    def _split(self, n_train: int, seed: int) -> tuple[Samples, Samples]:
        size, seeds = len(self._samples), Seeds.shared(_checked_seed(seed))
        n_train = positive_integer("n_train", n_train)
        if n_train + self.n_test > size:
            raise InvalidSettingError(
                f"n_train={n_train} + n_test={self.n_test} exceed the {size} samples"
            )
        train, test = split_indices(size, SplitSizes(n_train, self.n_test, self.name), seeds)
        return self._samples.take(train), self._samples.take(test)

    def _check_batch(self, batch_size: int, n_train: int) -> None:
        if batch_size > n_train:
            raise InvalidSettingError(
                f"batch_size={batch_size} exceeds n_train={n_train}; a batch needs B <= P"
            )
        if self.sampling == "full_batch" and batch_size != n_train:
            raise InvalidSettingError(
                f"sampling=full_batch takes all P={n_train} samples in every step; "
                f"batch_size={batch_size} contradicts it"
            )

    def _budget(self, n_train: int, temperature: float, batch_size: int) -> int:
        scale = max(1.0, self.predictor.scale)
        return presentation_budget(
            n_train, temperature, batch_size, scale, 1, self.kernel_diagonal
        )

    def _columns(self) -> dict[str, Any]:
        loss = self.predictor.loss
        columns = {
            "data": self.name,
            "model": self._model,
            "loss": loss if isinstance(loss, str) else _name_of(loss),
            "sampling": self.sampling,
            "dtype": self.dtype,
            "alpha": self.predictor.alpha,
            "n_test": self.n_test,
        }
        return {name: value for name, value in columns.items() if value is not None}


def _checked_seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidSettingError(f"seed={seed!r} must be a whole number >= 0")
    return seed


def _name_of(loss: OutputLoss) -> str:
    return getattr(loss, "__name__", type(loss).__name__)
