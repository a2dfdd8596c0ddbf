"""Batches of varying size: every sample is active or idle at every step, independently.

The probability of being active is b, `active_fraction`, so that B = b P is the mean batch size
and need not be whole. ``bernoulli`` draws every step afresh; with ``persistent`` a sample stays
active for a mean time tau, `persistence_time`, in the units of t = eta steps (persistent SGD,
Mignacco and Urbani, arXiv:2112.10852).
"""

from __future__ import annotations

import math
from typing import Any, cast

from search_spaces.choices import SELECTIONS, InvalidSettingError, check_name
from search_spaces.numbers import positive_number, significant

PERSISTENCE_CONVENTIONS = ("active", "idle")
"""Whether a persistence time is the mean time for which a sample stays active, or idle."""
SELECTION_SETTINGS = ("active_fraction", "persistence_time")


def mean_batch_size(active_fraction: float, n_train: int) -> int:
    """Return B = b P, as a whole number where it is one.

    >>> mean_batch_size(0.25, 64), mean_batch_size(0.3, 64)
    (16, 19.2)
    """
    return read_mean_size("batch_size", active_fraction * n_train)


def complete_selection(
    settings: dict[str, Any], n_train: int, batch_size: Any
) -> tuple[dict[str, Any], Any]:
    """Return the settings with b, tau in the convention ``active``, and B.

    Either b or B may be given; the other follows. Settings of other samplings are returned as
    they are.

    Raises
    ------
    InvalidSettingError
        If a setting is missing, contradicts another one, or belongs to another sampling.
    """
    sampling = settings.get("sampling")
    given = {name: settings.get(name) for name in SELECTION_SETTINGS}
    convention = settings.get("persistence_convention", "active")
    kept = {name: value for name, value in settings.items() if name != "persistence_convention"}
    if sampling not in SELECTIONS:
        for name, value in given.items():
            if value is not None:
                raise InvalidSettingError(
                    f"{name}={value!r} belongs to sampling={' or '.join(_owners(name))}; leave it "
                    "out or ask for that"
                )
        return kept, batch_size
    fraction = _fraction(given["active_fraction"], n_train, batch_size, str(sampling))
    size = mean_batch_size(fraction, n_train) if batch_size is None else batch_size
    if not math.isclose(read_mean_size("batch_size", size), fraction * n_train, rel_tol=1e-9):
        raise InvalidSettingError(
            f"batch_size={size!r} contradicts active_fraction={fraction:g}: the mean batch of "
            f"n_train={n_train} points is B = b P = {mean_batch_size(fraction, n_train):g}; give "
            "one of them"
        )
    tau = _persistence_time(given["persistence_time"], fraction, str(sampling), convention)
    return {**kept, "active_fraction": fraction, "persistence_time": tau}, size


def _owners(name: str) -> tuple[str, ...]:
    return SELECTIONS if name == "active_fraction" else SELECTIONS[1:]


def _fraction(value: Any, n_train: int, batch_size: Any, sampling: str) -> float:
    if value is None and batch_size is None:
        raise InvalidSettingError(
            f"sampling={sampling} needs active_fraction, the probability b that a point is in a "
            "batch, or batch_size, its mean b P"
        )
    if value is not None:
        return read_fraction("active_fraction", value)
    size = read_mean_size("batch_size", batch_size)
    if size > n_train:
        raise InvalidSettingError(
            f"batch_size={size:g} exceeds n_train={n_train}; a mean batch needs B <= P"
        )
    return significant(size / n_train)


def read_fraction(name: str, value: object) -> float:
    """Return b as a float if it is a number in (0, 1]."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise InvalidSettingError(
            f"{name}={value!r}: must be above 0 and at most 1 (1 is full batch)"
        )
    return float(value)


def read_mean_size(name: str, value: object) -> int:
    """Return B = b P, as a whole number where it is one.

    The type is that of batches of fixed size, which all other samplings have.
    """
    size = significant(positive_number(name, value))
    return round(size) if size.is_integer() else cast(int, size)


def _persistence_time(value: Any, fraction: float, sampling: str, convention: str) -> float | None:
    check_name("persistence_convention", convention, PERSISTENCE_CONVENTIONS)
    if sampling == "bernoulli":
        if value is not None:
            raise InvalidSettingError(
                f"persistence_time={value!r} belongs to sampling=persistent; sampling=bernoulli "
                "draws every step afresh"
            )
        return None
    if value is None:
        raise InvalidSettingError(
            "sampling=persistent needs persistence_time, the mean time eta t for which a point "
            "stays active; without one it is sampling=bernoulli"
        )
    tau = positive_number("persistence_time", value)
    # At b = 1 the caller's check of the flips says why there is no persistence.
    return tau if fraction == 1.0 else convert_persistence_time(tau, fraction, convention)


def persistent_budget(
    budget: int, learning_rate: float, active_fraction: float, value: float, convention: str
) -> int:
    """Return a budget of presentations for samples that return (1-b) tau/eta times more rarely.

    >>> persistent_budget(1000, 0.1, 0.5, 1.0, "active")
    5000
    """
    if not 0.0 < active_fraction < 1.0:
        return budget
    tau = convert_persistence_time(value, active_fraction, convention)
    slower = significant(max(1.0, (1.0 - active_fraction) * tau / learning_rate), 9)
    return math.ceil(significant(budget * slower))


def flip_probabilities(
    active_fraction: float, persistence_time: float | None, learning_rate: float
) -> tuple[float, float]:
    """Return P(1 -> 0) and P(0 -> 1) per step of a sample's selection.

    Without a persistence time every step is drawn afresh, which is tau = eta / (1 - b).

    Raises
    ------
    InvalidSettingError
        If b is outside (0, 1], or a sample would flip more than once per step.

    Examples
    --------
    >>> flip_probabilities(0.5, None, 0.05), flip_probabilities(0.5, 1.0, 0.05)
    ((0.5, 0.5), (0.05, 0.05))
    """
    b, tau, eta = active_fraction, persistence_time, learning_rate
    if not 0.0 < b <= 1.0:
        raise InvalidSettingError(
            f"active_fraction={b!r}: must be above 0 and at most 1 (1 is full batch)"
        )
    if tau is None:
        return 1.0 - b, b
    if b == 1.0:
        raise InvalidSettingError(
            f"persistence_time={tau!r} has no meaning at active_fraction=1, where every sample is "
            "always active; leave it out"
        )
    check_persistence_time(tau, b, eta)
    return min(1.0, eta / tau), min(1.0, b / (1.0 - b) * eta / tau)


def check_persistence_time(
    value: float, active_fraction: float, learning_rate: float, convention: str = "active"
) -> None:
    """Refuse a persistence time, in its convention, at which a sample would flip within a step.

    Raises
    ------
    InvalidSettingError
        Which names the shortest time and that of plain SGD in the same convention.
    """
    b, eta = active_fraction, learning_rate
    ratio = convert_persistence_time(1.0, b, "active", convention)
    shortest = eta * max(1.0, b / (1.0 - b)) * ratio
    if math.isfinite(value) and value >= shortest * (1.0 - 1e-12):
        return
    note = "" if convention == "active" else f" (persistence_convention={convention})"
    raise InvalidSettingError(
        f"persistence_time={value!r}{note}: must be at least {shortest:.6g} for "
        f"learning_rate={eta:g} and active_fraction={b:g}, or a sample would flip more than once "
        f"per step; plain SGD is persistence_time={eta / (1.0 - b) * ratio:.6g}"
    )


def convert_persistence_time(
    value: float, active_fraction: float, given: str, wanted: str = "active"
) -> float:
    """Convert a persistence time between the two conventions in use.

    ``active``: P(1 -> 0) = eta/tau, the mean time active, which is ours; ``idle``:
    P(0 -> 1) = eta/tau', the mean time idle. tau' = tau (1-b)/b.

    >>> convert_persistence_time(0.3, 0.25, "active", "idle")
    0.9
    """
    for convention in (given, wanted):
        check_name("persistence_convention", convention, PERSISTENCE_CONVENTIONS)
    if not 0.0 < active_fraction < 1.0:
        raise InvalidSettingError(
            f"active_fraction={active_fraction!r}: persistence needs a value between 0 and 1"
        )
    ratio = (1.0 - active_fraction) / active_fraction
    if given == wanted:
        return value
    return round(value * ratio if wanted == "idle" else value / ratio, 12)
