"""One configuration of control parameters, complete and immutable.

A run is a pure function of a :class:`Point` and its :class:`Seeds`. Exactly two of temperature
T, learning rate eta and batch size B are given; T = eta/B fixes the third.

Conversion to the mean-field convention of the public code of Sclocchi, Geiger and Wyart
(arXiv:2301.13703), whose outputs are divided by the width h instead of sqrt(h):
``alpha_code = alpha sqrt(h)``, ``dt_code = eta sqrt(h)``, hence ``temp_code = T/(alpha h)``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

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
    InvalidSettingError,
    check_name,
)
from search_spaces.defaults import DATA_DEFAULTS, DATA_PARAMETERS, MODEL_DEFAULTS
from search_spaces.numbers import positive_integer, positive_number, significant
from search_spaces.selection import complete_selection, flip_probabilities, read_mean_size


@dataclass(frozen=True, slots=True)
class Seeds:
    """Independent seeds of one replica (feature_lazy's four, and the added noise)."""

    trainset: int
    """Which points, outside the test set, are trained on (nested in P)."""
    testset: int
    """Which points are held out."""
    init: int
    """Initial weights w0."""
    batch: int
    """Minibatch selection."""
    noise: int
    """Noise added to the gradient; unused by plain SGD."""

    @classmethod
    def shared(cls, seed: int) -> Seeds:
        """Return five equal seeds: replica `seed` keeps its data and w0 at every P and T."""
        return cls(trainset=seed, testset=seed, init=seed, batch=seed, noise=seed)


@dataclass(frozen=True, kw_only=True)
class Point:
    """Control parameters of one configuration; its replicas differ by their seeds alone.

    Build it with :meth:`create`, which derives the third of (T, eta, B) and checks everything.
    """

    n_train: int
    """P, number of training points."""
    temperature: float
    """T = eta/B."""
    batch_size: int
    """B; with sampling=bernoulli and persistent its mean b P, which need not be whole."""
    alpha: float = 100.0
    """Initialization scale: the predictor is F = alpha (f(w, x) - f(w0, x))."""
    data: str = "digits"
    n_test: int = 600
    model: str = "mlp"
    width: int = 64
    """h, neurons per hidden layer."""
    depth: int = 3
    """L = D, number of hidden layers."""
    activation: str = "relu"
    loss: str = "hinge"
    sampling: str = "without_replacement"
    dtype: str = "float32"
    max_presentations: int
    """Budget of sample presentations after which a run is censored."""
    bias: bool = False
    """Whether layers have biases, N(0, 1) at initialization like every parameter."""
    scheme: str = "sequential"
    """How steps are drawn that change nothing: see :data:`search_spaces.choices.SCHEMES`."""
    input_dim: int | None = None
    """d of synthetic data; None for images, whose size is given."""
    chi: float | None = None
    """Perceptron data: the density of |x_1| near the boundary goes like |x_1|^chi."""
    cluster_distance: float | None = None
    """Mixture data: rho, distance of the two clusters in units of their width."""
    active_fraction: float | None = None
    """b, probability that a sample is in a batch, where batches vary in size."""
    persistence_time: float | None = None
    """tau, mean time eta t for which a sample stays in the batches (sampling=persistent)."""
    observables: tuple[str, ...] = ()
    """What is measured on request; it does not change the training."""

    @property
    def experiment(self) -> str:
        """Name of the experiment whose configurations are points."""
        return "training"

    @property
    def label(self) -> str:
        """Short text for lists of runs."""
        return f"P={self.n_train} T={self.temperature:g} B={self.batch_size} alpha={self.alpha:g}"

    @property
    def learning_rate(self) -> float:
        """Step size eta = T B."""
        return significant(self.temperature * self.batch_size)

    @property
    def flips(self) -> tuple[float, float]:
        """P(1 -> 0) and P(0 -> 1) per step of a sample's selection, where batches vary in size."""
        assert self.active_fraction is not None
        return flip_probabilities(self.active_fraction, self.persistence_time, self.learning_rate)

    @cached_property
    def identity(self) -> str:
        """Hash of the parameters (12 hexadecimal digits): the same for equal settings.

        Settings that came later count only where they differ from what was always done, so
        that a ledger keeps its meaning when the vocabulary grows.
        """
        values = {
            key: significant(value) if isinstance(value, float) else value
            for key, value in self._values().items()
            if key not in _LATER or value != _LATER[key]
        }
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @classmethod
    def create(
        cls,
        *,
        n_train: int,
        max_presentations: int,
        temperature: float | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        **others: Any,
    ) -> Point:
        """Check the settings and derive the missing one of (T, eta, B).

        Raises
        ------
        InvalidSettingError
            For a value that is not positive and finite, a name that does not exist, B > P, or
            temperature, learning_rate and batch_size that contradict T = eta/B.
        """
        n_train = positive_integer("n_train", n_train)
        others, batch_size = complete_selection(others, n_train, batch_size)
        reader = read_mean_size if others.get("sampling") in SELECTIONS else positive_integer
        temperature, batch_size = resolve_temperature(
            temperature, learning_rate, batch_size, reader
        )
        unknown = sorted(set(others) - set(_FIELDS))
        if unknown:
            check_name("setting", unknown[0], sorted({*_FIELDS, "learning_rate"}))
        others = _with_defaults(others)
        for name in ("n_test", "width"):
            if name in others:
                others[name] = positive_integer(name, others[name])
        if others["model"] != "perceptron":
            others["depth"] = positive_integer("depth", others["depth"])
        others["alpha"] = positive_number("alpha", others["alpha"])
        point = cls(
            n_train=n_train,
            temperature=temperature,
            batch_size=batch_size,
            max_presentations=positive_integer("max_presentations", max_presentations),
            **others,
        )
        point._check()
        return point

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Point:
        """Rebuild a point from :meth:`to_dict`."""
        return cls.create(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the defining parameters as plain numbers and strings."""
        return {**self._values(), "observables": list(self.observables)}

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _FIELDS}

    def columns(self) -> dict[str, Any]:
        """Return the columns of a table that describe the configuration."""
        settings = {**self.to_dict(), "learning_rate": self.learning_rate}
        later = self.later_settings()
        return {
            "point": self.identity,
            **{name: settings[name] for name in _COLUMNS},
            **{name: later[name] for name in _LATER_COLUMNS if name in later},
        }

    def later_settings(self) -> dict[str, Any]:
        """Return the settings that came later, where they differ from what was always done."""
        settings = {name: getattr(self, name) for name in _LATER}
        return {name: value for name, value in settings.items() if value != _LATER[name]}

    def _check(self) -> None:
        check_name("data", self.data, DATA)
        check_name("model", self.model, MODELS)
        check_name("activation", self.activation, ACTIVATIONS)
        check_name("loss", self.loss, LOSSES)
        check_name("sampling", self.sampling, SAMPLINGS)
        check_name("dtype", self.dtype, DTYPES)
        check_name("scheme", self.scheme, SCHEMES)
        for name in self.observables:
            check_name("observable", name, OBSERVABLES)
        if not isinstance(self.bias, bool):
            raise InvalidSettingError(f"bias={self.bias!r} must be true or false")
        self._check_model()
        if self.batch_size > self.n_train:
            raise InvalidSettingError(
                f"batch_size={self.batch_size} exceeds n_train={self.n_train}; "
                "a batch needs B <= P"
            )
        if self.sampling == "full_batch" and self.batch_size != self.n_train:
            raise InvalidSettingError(
                f"sampling=full_batch takes all P={self.n_train} points in every step; "
                f"batch_size={self.batch_size} contradicts it"
            )
        if self.sampling in SELECTIONS:
            if self.scheme == "jump":
                raise InvalidSettingError(
                    f"scheme=jump draws batches of fixed size; sampling={self.sampling} takes "
                    "scheme=sequential"
                )
            _ = self.flips

    def _check_model(self) -> None:
        linear = self.activation == "linear"
        if self.model != "perceptron":
            if linear:
                raise InvalidSettingError(
                    f"activation=linear belongs to model=perceptron; model={self.model} takes "
                    "relu, tanh or gelu"
                )
            return
        fixed = {name: MODEL_DEFAULTS["perceptron"][name] for name in _HIDDEN_LAYERS}
        for name, value in fixed.items():
            if getattr(self, name) != value:
                raise InvalidSettingError(
                    f"{name}={getattr(self, name)!r} has no meaning for model=perceptron, which "
                    "has no hidden layer; leave it out"
                )


_FIELDS = tuple(field.name for field in fields(Point))
_COLUMNS = (
    "data",
    "model",
    "loss",
    "activation",
    "sampling",
    "dtype",
    "width",
    "depth",
    "alpha",
    "n_train",
    "n_test",
    "batch_size",
    "learning_rate",
    "temperature",
    "max_presentations",
)
_LATER_COLUMNS = (
    "bias", "scheme", "input_dim", "chi", "cluster_distance", "active_fraction",
    "persistence_time",
)  # fmt: skip
"""Columns only of configurations that depart from what was always done."""
_HIDDEN_LAYERS = ("width", "depth", "activation")
_LATER: dict[str, Any] = {
    "bias": False,
    "scheme": "sequential",
    "input_dim": None,
    "chi": None,
    "cluster_distance": None,
    "active_fraction": None,
    "persistence_time": None,
    "observables": (),
}


def _with_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with those of the model and of the data that were not given."""
    settings = {"model": "mlp", **{k: v for k, v in given.items() if v is not None}}
    check_name("model", settings["model"], MODELS)
    # A jump draws the next batch of fixed size that moves the weights.
    walks = {"scheme": "sequential"} if settings.get("sampling") in SELECTIONS else {}
    settings = {**MODEL_DEFAULTS[settings["model"]], **walks, **settings}
    check_name("data", settings["data"], DATA)
    law = DATA_DEFAULTS.get(settings["data"], {})
    for name in DATA_PARAMETERS:
        if name in settings and name not in law:
            raise InvalidSettingError(
                f"{name}={settings[name]!r} has no meaning for data={settings['data']}; "
                "leave it out"
            )
    settings = {**law, **settings}
    readers = {"input_dim": positive_integer, "chi": boundary_exponent}
    for name in law:
        settings[name] = readers.get(name, positive_number)(name, settings[name])
    names = settings.get("observables", ())
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InvalidSettingError(f"observables={names!r} must be a list of names")
    return {**settings, "observables": tuple(sorted(set(names)))}


def boundary_exponent(name: str, value: object) -> float:
    """Return chi as a float if it is a finite number above -1, as a density needs."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidSettingError(f"{name}={value!r} is not a number; it must be above -1")
    if not -1 < value <= 100:
        raise InvalidSettingError(
            f"{name}={value!r} is out of range; allowed: above -1, up to 100"
        )
    return float(value)


def resolve_temperature(
    temperature: float | None,
    learning_rate: float | None,
    batch_size: float | None,
    read_size: Callable[[str, object], int] = positive_integer,
) -> tuple[float, int]:
    """Return (T, B) from any two of temperature, learning_rate and batch_size.

    `read_size` checks a batch size; that of a selection need not be whole.

    >>> resolve_temperature(None, 0.4, 4)
    (0.1, 4)
    """
    given = sum(value is not None for value in (temperature, learning_rate, batch_size))
    if given < 2:
        raise InvalidSettingError(
            "give two of temperature, learning_rate and batch_size; the third is T = eta/B"
        )
    t = None if temperature is None else positive_number("temperature", temperature)
    eta = None if learning_rate is None else positive_number("learning_rate", learning_rate)
    if t is not None and eta is not None and batch_size is None:
        return significant(t), _whole_batch_size(t, eta)
    b = read_size("batch_size", batch_size)
    if t is None and eta is not None:
        return significant(eta / b), b
    assert t is not None
    if eta is not None and not math.isclose(eta, t * b, rel_tol=1e-6):
        raise InvalidSettingError(
            f"temperature={t:g}, learning_rate={eta:g} and batch_size={b} contradict T = eta/B "
            f"= {eta / b:g}; give any two of them"
        )
    return significant(t), b


def _whole_batch_size(temperature: float, learning_rate: float) -> int:
    ratio = learning_rate / temperature
    if round(ratio) < 1 or abs(ratio - round(ratio)) > 1e-6 * ratio:
        raise InvalidSettingError(
            f"learning_rate={learning_rate:g} / temperature={temperature:g} gives "
            f"batch_size={ratio:g}; it must be a whole number of at least 1"
        )
    return round(ratio)
