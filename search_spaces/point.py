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
from dataclasses import asdict, dataclass, fields
from typing import Any

from search_spaces.choices import (
    ACTIVATIONS,
    DATA,
    DTYPES,
    LOSSES,
    MODELS,
    SAMPLINGS,
    InvalidSettingError,
    check_name,
)

SMALLEST, LARGEST = 1e-12, 1e30
LARGEST_INTEGER = 10**15


def significant(value: float, digits: int = 12) -> float:
    """Round to `digits` significant decimal digits, so that 3 * 0.1 and 0.3 are one number."""
    return float(f"{value:.{digits}g}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Control parameters of one configuration; its replicas differ by their seeds alone.

    Build it with :meth:`create`, which derives the third of (T, eta, B) and checks everything.
    """

    n_train: int
    """P, number of training points."""
    temperature: float
    """T = eta/B."""
    batch_size: int
    """B."""
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

    @property
    def learning_rate(self) -> float:
        """Step size eta = T B."""
        return significant(self.temperature * self.batch_size)

    @property
    def identity(self) -> str:
        """Hash of the parameters (12 hexadecimal digits): the same for equal settings."""
        values = {
            key: significant(value) if isinstance(value, float) else value
            for key, value in asdict(self).items()
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
        temperature, batch_size = resolve_temperature(temperature, learning_rate, batch_size)
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(others) - known)
        if unknown:
            check_name("setting", unknown[0], sorted(known | {"learning_rate"}))
        for name in ("n_test", "width", "depth"):
            if name in others:
                others[name] = positive_integer(name, others[name])
        if "alpha" in others:
            others["alpha"] = positive_number("alpha", others["alpha"])
        point = cls(
            n_train=positive_integer("n_train", n_train),
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
        return asdict(self)

    def _check(self) -> None:
        check_name("data", self.data, DATA)
        check_name("model", self.model, MODELS)
        check_name("activation", self.activation, ACTIVATIONS)
        check_name("loss", self.loss, LOSSES)
        check_name("sampling", self.sampling, SAMPLINGS)
        check_name("dtype", self.dtype, DTYPES)
        if self.batch_size > self.n_train:
            raise InvalidSettingError(
                f"batch_size={self.batch_size} exceeds n_train={self.n_train}; "
                "a batch needs B <= P"
            )


def resolve_temperature(
    temperature: float | None, learning_rate: float | None, batch_size: int | None
) -> tuple[float, int]:
    """Return (T, B) from any two of temperature, learning_rate and batch_size.

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
    b = positive_integer("batch_size", batch_size)
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


def positive_number(name: str, value: object) -> float:
    """Return `value` as a float if it is a positive number of a size that can be computed with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidSettingError(f"{name}={value!r} is not a number; it must be positive")
    if not value > 0 or value == math.inf:
        raise InvalidSettingError(f"{name}={value!r} must be a positive finite number")
    if not SMALLEST <= value <= LARGEST:
        raise InvalidSettingError(
            f"{name}={_short(value)} is out of range; allowed: {SMALLEST:g} to {LARGEST:g}"
        )
    return float(value)


def positive_integer(name: str, value: object) -> int:
    """Return `value` as an int if it is a whole number of at least 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidSettingError(f"{name}={value!r} must be a whole number of at least 1")
    if value > LARGEST_INTEGER:
        raise InvalidSettingError(
            f"{name}={_short(value)} is out of range; allowed: 1 to {LARGEST_INTEGER:g}"
        )
    return value


def number_from_text(value: object) -> object:
    """Return the number that a string spells; YAML 1.1 reads 1e-3, without a point, as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _short(value: float) -> str:
    text = str(value)
    return text if len(text) < 30 else f"{text[:10]}... ({len(text)} digits)"
