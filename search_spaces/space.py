"""The space that a study searches: one axis per control parameter, and the planned grid in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from search_spaces.axes import AXES, NAME_AXES, Axis, ListAxis, LogAxis, parse_axis
from search_spaces.choices import (
    ACTIVATIONS,
    DATA,
    DTYPES,
    LOSSES,
    MODELS,
    SAMPLINGS,
    SCHEMES,
    SELECTIONS,
    InvalidSettingError,
    check_name,
)
from search_spaces.defaults import DATA_DEFAULTS, MODEL_DEFAULTS
from search_spaces.numbers import number_from_text, positive_integer, positive_number
from search_spaces.point import Point, resolve_temperature
from search_spaces.selection import (
    PERSISTENCE_CONVENTIONS,
    mean_batch_size,
    persistent_budget,
    read_mean_size,
)
from search_spaces.windows import (
    STABLE,
    perceptron_budget,
    presentation_budget,
    read_window,
    temperature_window,
    window_text,
)

NOISE_AXES = ("temperature", "learning_rate", "batch_size")

SIZES = (64, 128, 256, 512, 1024)
"""P, unless named."""

_NAMES = {"data": DATA, "model": MODELS, "loss": LOSSES, "activation": ACTIVATIONS}


class SearchSpace:
    """Product of axes; two of temperature, learning_rate and batch_size, and all the others.

    Parameters
    ----------
    n_seeds, first_seed
        Every configuration is trained with seeds first_seed .. first_seed + n_seeds - 1.
    n_test, sampling, dtype, max_presentations, bias, scheme, observables, persistence_convention
        Fixed settings of every point; a budget of None is the default of
        :mod:`search_spaces.windows`, a scheme of None that of the model.
    kernel_diagonal, stable_learning_rate
        Measured K and eta_max of the network, in place of the formulas for perceptrons; the
        window of a convolutional network needs them.
    **axes
        Anything :func:`search_spaces.axes.parse_axis` reads; ``temperature="window"`` is the
        stable window of each alpha, depth and batch size, ``"window(0.1, 4)"`` ends elsewhere.

    Examples
    --------
    >>> space = SearchSpace(n_train=[64, 128], temperature=[0.1, 1.0], batch_size=1, n_seeds=2)
    >>> len(space.points()), list(space.seeds)
    (4, [0, 1])
    """

    def __init__(
        self,
        *,
        n_seeds: int = 32,
        first_seed: int = 0,
        n_test: int = 600,
        sampling: str = "without_replacement",
        dtype: str = "float32",
        max_presentations: int | None = None,
        bias: bool = False,
        scheme: str | None = None,
        observables: Sequence[str] = (),
        persistence_convention: str = "active",
        kernel_diagonal: float | None = None,
        stable_learning_rate: float | None = None,
        **axes: Any,
    ) -> None:
        self.n_seeds = positive_integer("n_seeds", n_seeds)
        if isinstance(first_seed, bool) or not isinstance(first_seed, int) or first_seed < 0:
            raise InvalidSettingError(f"first_seed={first_seed!r} must be a whole number >= 0")
        self.first_seed = first_seed
        self.fixed: dict[str, Any] = {
            "n_test": positive_integer("n_test", number_from_text(n_test)),
            "sampling": check_name("sampling", sampling, SAMPLINGS),
            "dtype": check_name("dtype", dtype, DTYPES),
            "bias": bias,
            "scheme": scheme if scheme is None else check_name("scheme", scheme, SCHEMES),
            "observables": observables if isinstance(observables, str) else list(observables),
        }
        if persistence_convention != "active":
            self.fixed["persistence_convention"] = check_name(
                "persistence_convention", persistence_convention, PERSISTENCE_CONVENTIONS
            )
        self.max_presentations = (
            None
            if max_presentations is None
            else positive_integer("max_presentations", number_from_text(max_presentations))
        )
        self.kernel_diagonal = _optional_number("kernel_diagonal", kernel_diagonal)
        self.stable_learning_rate = _optional_number("stable_learning_rate", stable_learning_rate)
        self.window = read_window(axes.get("temperature"))
        if self.window is not None:
            axes.pop("temperature")
        self.axes: dict[str, Axis] = {
            name: parse_axis(name, raw)
            for name, raw in {**_default_axes(axes.get("model")), **axes}.items()
            if raw is not None
        }
        self._check()

    @property
    def uses_window(self) -> bool:
        """Whether each alpha, depth and B has temperatures of its own."""
        return self.window is not None

    @property
    def seeds(self) -> range:
        """Labels of the replicas; one label means the same split and w0 at every P and T."""
        return range(self.first_seed, self.first_seed + self.n_seeds)

    @property
    def lacks_window(self) -> bool:
        """Whether the window has to be measured first: that of a convolutional network."""
        known = None not in (self.kernel_diagonal, self.stable_learning_rate)
        return self.uses_window and "cnn" in self.axes["model"].values() and not known

    def points(self) -> tuple[Point, ...]:
        """Return the planned grid, every point once, or raise at the first invalid one.

        Raises
        ------
        InvalidSettingError
            If any combination of the values is invalid, with the values of that combination.
        """
        return self._grid

    @cached_property
    def _grid(self) -> tuple[Point, ...]:
        unique: dict[str, Point] = {}
        for values in self._combinations():
            point = self.point(values)
            unique.setdefault(point.identity, point)
        return tuple(unique.values())

    def point(self, values: Mapping[str, Any]) -> Point:
        """Return the point with one value per axis, as a grid or a sampler chose them."""
        values = {name: value for name, value in values.items() if value is not None}
        if self.fixed["sampling"] == "full_batch":
            values.setdefault("batch_size", values["n_train"])
        if "active_fraction" in values:
            values["batch_size"] = self.batch_size_of(values)
        temperature, batch_size = resolve_temperature(
            values.get("temperature"),
            values.get("learning_rate"),
            values.get("batch_size"),
            read_mean_size if self.fixed["sampling"] in SELECTIONS else positive_integer,
        )
        settings = {**MODEL_DEFAULTS[values["model"]], **values}
        others = {name: value for name, value in values.items() if name not in NOISE_AXES}
        return Point.create(
            temperature=temperature,
            batch_size=batch_size,
            max_presentations=self.max_presentations
            or self._default_budget(settings, temperature, batch_size),
            **others,
            **self.fixed,
        )

    def batch_size_of(self, values: Mapping[str, Any]) -> int:
        """Return B of one value per axis; 1 where no axis gives it."""
        if "active_fraction" in values:
            return mean_batch_size(values["active_fraction"], values["n_train"])
        size: int = values.get("batch_size", 1)
        return size

    def _default_budget(
        self, settings: Mapping[str, Any], temperature: float, batch_size: int
    ) -> int:
        budget = _default_budget(settings, temperature, batch_size, self.kernel_diagonal)
        tau = settings.get("persistence_time")
        if tau is None:
            return budget
        fraction = batch_size / settings["n_train"]
        convention = self.fixed.get("persistence_convention", "active")
        return persistent_budget(budget, temperature * batch_size, fraction, tau, convention)

    def is_continuous(self) -> bool:
        """Whether some axis is a range, which a sampler can search between grid values."""
        return any(isinstance(axis, LogAxis) for axis in self.axes.values())

    def _combinations(self) -> Iterator[dict[str, Any]]:
        names = list(self.axes)
        for combination in itertools.product(*(self.axes[name].values() for name in names)):
            values = dict(zip(names, combination, strict=True))
            if self.window is None:
                yield values
                continue
            settings = {**MODEL_DEFAULTS[values["model"]], **values}
            scales = (settings["alpha"], settings["depth"], self.batch_size_of(settings))
            for t in self.window_temperatures(*scales):
                yield {**values, "temperature": t}

    def window_temperatures(
        self, alpha: float, depth: int, batch_size: int = 1
    ) -> tuple[float, ...]:
        """Return the temperatures of the window of a network.

        Raises
        ------
        InvalidSettingError
            For a convolutional network whose window has not been measured.
        """
        if self.lacks_window:
            raise InvalidSettingError(
                "temperature=window of model=cnn needs kernel_diagonal and stable_learning_rate, "
                "which a study measures first; give them, or the temperatures"
            )
        return temperature_window(
            alpha,
            depth,
            batch_size,
            kernel=self.kernel_diagonal,
            learning_rate=self.stable_learning_rate,
            ends=self.window or STABLE,
        )

    def _check(self) -> None:
        for name in NAME_AXES:
            axis = self.axes.get(name)
            if isinstance(axis, ListAxis):
                for value in axis.values():
                    check_name(name, value, _NAMES[name])
        given = [name for name in NOISE_AXES if name in self.axes]
        if self.uses_window:
            self._check_window()
            given.append("temperature")
        if self.fixed["sampling"] == "full_batch" and "batch_size" not in given:
            given.append("batch_size")
        self._check_selection(given)
        if len(given) < 2:
            raise InvalidSettingError(
                f"{' and '.join(given) or 'none'} of {', '.join(NOISE_AXES)} given; "
                "give two, the third is T = eta/B"
            )
        if self.uses_window and "learning_rate" in self.axes:
            raise InvalidSettingError(
                "temperature=window chooses the temperatures itself and cannot be combined "
                "with learning_rate; give batch_size instead"
            )

    def _check_selection(self, given: list[str]) -> None:
        """Refuse settings of a selection beside other samplings, and B beside b = B/P."""
        if "active_fraction" not in self.axes:
            return
        if "batch_size" in given:
            raise InvalidSettingError(
                "active_fraction and batch_size both give the mean batch B = b P; give one"
            )
        if self.fixed["sampling"] not in SELECTIONS:
            raise InvalidSettingError(
                "active_fraction belongs to sampling=bernoulli or persistent; "
                f"sampling={self.fixed['sampling']} takes batch_size"
            )
        given.append("batch_size")

    def _check_window(self) -> None:
        if "perceptron" in self.axes["model"].values():
            raise InvalidSettingError(
                "temperature=window is the stable window of a network; a perceptron is stable at "
                "every temperature, so give the temperatures"
            )
        if "cnn" in self.axes["model"].values():
            for name in ("model", "data", "width", "depth", "activation"):
                axis = self.axes.get(name)
                if not isinstance(axis, ListAxis) or len(axis.values()) > 1:
                    raise InvalidSettingError(
                        f"temperature=window of model=cnn is measured for one {name}; give one, "
                        "or give the temperatures"
                    )

    def to_plain(self) -> dict[str, Any]:
        """Return every setting with its default written out, as YAML holds it."""
        plain = {name: self.axes[name].to_plain() for name in AXES if name in self.axes}
        if self.window is not None:
            plain["temperature"] = window_text(self.window)
        others = {
            "max_presentations": self.max_presentations,
            "kernel_diagonal": self.kernel_diagonal,
            "stable_learning_rate": self.stable_learning_rate,
            "n_seeds": self.n_seeds,
            "first_seed": self.first_seed,
        }
        return {**plain, **self.fixed, **others}


def _default_axes(model: Any) -> dict[str, Any]:
    """Return the axes of the model; of several models only what they have in common."""
    names = list(model) if isinstance(model, list | tuple) else [model or "mlp"]
    tables = [MODEL_DEFAULTS[check_name("model", name, MODELS)] for name in names]
    shared = {
        key: value
        for key, value in tables[0].items()
        if key in AXES and all(table[key] == value for table in tables)
    }
    hidden = ("width", "depth") if "perceptron" in names else ()
    axes = {key: value for key, value in shared.items() if key not in hidden}
    return {"model": names, **axes, "n_train": list(SIZES)}


def _optional_number(name: str, value: Any) -> float | None:
    return None if value is None else positive_number(name, number_from_text(value))


def _default_budget(
    settings: Mapping[str, Any], temperature: float, batch_size: int, kernel: float | None
) -> int:
    n_train, alpha = settings["n_train"], settings["alpha"]
    if settings["model"] == "perceptron":
        chi = settings.get("chi", DATA_DEFAULTS["perceptron"]["chi"])
        return perceptron_budget(n_train, temperature, alpha, chi)
    depth = settings["depth"]
    return presentation_budget(n_train, temperature, batch_size, alpha, depth, kernel)
