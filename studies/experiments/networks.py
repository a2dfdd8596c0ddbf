"""The networks whose sample losses the noise studies measure: their settings and their point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from search_spaces import Point
from search_spaces.choices import ACTIVATIONS, DATA, LOSSES, MODELS
from search_spaces.defaults import MODEL_DEFAULTS
from search_spaces.grid import Setting
from search_spaces.numbers import positive_integer, positive_number

_HIDDEN = ("activation", "width", "depth")


def read_text(name: str, raw: Any) -> str:
    """Return a name as it is; the point it becomes part of checks it."""
    return str(raw)


def read_not_negative(name: str, raw: Any) -> float:
    """Return a number that may be zero."""
    return 0.0 if raw == 0 else positive_number(name, raw)


def network_settings(width: int, depth: int, n_train: int) -> tuple[Setting, ...]:
    """Return the settings of a network and its data, with these defaults."""
    return (
        Setting("data", "digits", read_text, "Data set", DATA),
        Setting("model", "mlp", read_text, "Network", MODELS),
        Setting("activation", "relu", read_text, "Activation of the hidden layers", ACTIVATIONS),
        Setting("loss", "logistic", read_text, "Loss", LOSSES),
        Setting("width", width, positive_integer, "Units of a hidden layer"),
        Setting("depth", depth, positive_integer, "Hidden layers"),
        Setting("alpha", 1.0, positive_number, "Initialization scale"),
        Setting("n_train", n_train, positive_integer, "P, the training images"),
    )


def settle_network(values: Mapping[str, Any], settings: Sequence[Setting]) -> dict[str, Any]:
    """Return the values without the default hidden layers where the model has none.

    Hidden layers that somebody asked for stay, and the point refuses them.
    """
    if values["model"] != "perceptron":
        return dict(values)
    defaults = {setting.name: setting.default for setting in settings}
    left_out = {
        name: MODEL_DEFAULTS["perceptron"][name]
        for name in _HIDDEN
        if values[name] == defaults[name]
    }
    return {**values, **left_out}


def network_point(values: Mapping[str, Any], batch_size: int, *others: str) -> Point:
    """Return the point of a network that is trained for a number of steps, not of presentations.

    Parameters
    ----------
    others
        Settings beside those of :func:`network_settings` and the learning rate.
    """
    names = [setting.name for setting in network_settings(1, 1, 1)]
    return Point.create(
        **{name: values[name] for name in (*names, "learning_rate", *others)},
        scheme="sequential",
        batch_size=batch_size,
        max_presentations=10**9,
    )


def check_networks(points: Iterable[Point]) -> None:
    """Refuse networks without a torch description and data sets that are too small.

    Raises
    ------
    InvalidSettingError
        Naming the setting.
    """
    from trainers.data import check_size, dataset_of
    from trainers.noise.sample_losses import check_describable

    for point in points:
        check_describable(point)
        check_size(point, dataset_of(point).size)


def data_of(configurations: Iterable[Any]) -> str:
    """Return the data that intervals of these configurations are conditional on."""
    names = dict.fromkeys(configuration["data"] for configuration in configurations)
    return f"the data {' and '.join(names)}"
