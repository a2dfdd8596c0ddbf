"""Where to look: the stable temperature window of a network and its budget of presentations.

All numbers are functions of the mean diagonal K of the neural tangent kernel at initialization,
K ~ L + 1 for inputs of norm sqrt(d) in 1/sqrt(fan-in) scaling, and of the initialization scale
alpha. Calibrated on multilayer perceptrons with three hidden layers. For other networks K is
measured, and so is the largest stable learning rate; both can be given in place of the formulas.
"""

from __future__ import annotations

import math
import re

from search_spaces.choices import InvalidSettingError


def kernel_diagonal(depth: int) -> float:
    """Mean NTK diagonal K at initialization of an MLP with `depth` hidden layers."""
    return depth + 1.0


def _feature_factor(alpha: float, depth: int) -> float:
    """alpha^k with k = (D-1)/(D+1) in the feature regime, 1 in the lazy one (alpha >= 1)."""
    return min(1.0, math.pow(alpha, (depth - 1) / (depth + 1)))


def onset_temperature(alpha: float, depth: int, kernel: float | None = None) -> float:
    """Scale T_1 at which noise begins to matter: 1/(alpha K) when lazy, alpha^k/K otherwise.

    The weight change doubles over its gradient-descent plateau at 1.1 to 3.2 T_1. `kernel` is a
    measured K; without it, that of a multilayer perceptron.
    """
    lazy = 1.0 if alpha < 1 else 1.0 / alpha
    return lazy * _feature_factor(alpha, depth) / (kernel or kernel_diagonal(depth))


def stable_learning_rate(alpha: float, depth: int, kernel: float | None = None) -> float:
    """Largest learning rate eta_max = 7/K min(1, alpha^k) at which most replicas are stable."""
    return 7.0 / (kernel or kernel_diagonal(depth)) * _feature_factor(alpha, depth)


WINDOW = "window"
"""The value of `temperature` that asks for the stable window of each alpha, depth and B."""

STABLE = (0.1, 1.0)
"""The stable window: from T_1/10 to eta_max/B."""

_WINDOW_CALL = re.compile(rf"^{WINDOW}\(([^,()]+),([^,()]+)\)$")


def read_window(raw: object) -> tuple[float, float] | None:
    """Return the ends of a window in units of T_1 and of eta_max/B; None if `raw` is none.

    >>> read_window("window"), read_window("window(0.1, 4)"), read_window(0.1)
    ((0.1, 1.0), (0.1, 4.0), None)

    Raises
    ------
    InvalidSettingError
        For ends that are not positive numbers.
    """
    if raw == WINDOW:
        return STABLE
    if not isinstance(raw, str) or not raw.startswith(WINDOW):
        return None
    call = _WINDOW_CALL.match(raw.replace(" ", ""))
    try:
        low, high = (float(part) for part in call.groups()) if call else (math.nan, math.nan)
    except ValueError:
        low = high = math.nan
    if not (0 < low < math.inf and 0 < high < math.inf):
        raise InvalidSettingError(
            f"temperature={raw!r} is not a window; write window, or window(LOW, HIGH) for "
            "temperatures from LOW T_1 to HIGH eta_max/B"
        )
    return low, high


def window_text(ends: tuple[float, float]) -> str:
    """Return what :func:`read_window` reads."""
    return WINDOW if ends == STABLE else f"{WINDOW}({ends[0]:g}, {ends[1]:g})"


def temperature_window(
    alpha: float,
    depth: int,
    batch_size: int = 1,
    per_decade: int = 4,
    kernel: float | None = None,
    learning_rate: float | None = None,
    ends: tuple[float, float] = STABLE,
) -> tuple[float, ...]:
    """Temperatures from T_1/10 to eta_max/B on the lattice 10^(k/per_decade).

    Both ends are rounded to the nearest lattice point, so that windows of different alpha and B
    share their temperatures. `kernel` is a measured K, `learning_rate` an eta_max measured at
    alpha >= 1; other `ends` replace the factors 0.1 of T_1 and 1 of eta_max/B.

    >>> t = temperature_window(alpha=100.0, depth=3)
    >>> len(t), t[0], t[-1]
    (16, 0.000316228, 1.77828)
    """
    low = ends[0] * onset_temperature(alpha, depth, kernel)
    lazy = stable_learning_rate(1.0, depth, kernel) if learning_rate is None else learning_rate
    high = ends[1] * lazy * _feature_factor(alpha, depth) / batch_size
    first = round(math.log10(low) * per_decade)
    last = round(math.log10(high) * per_decade)
    return tuple(lattice_temperature(k, per_decade) for k in range(first, last + 1))


def lattice_temperature(k: int, per_decade: int) -> float:
    """10^(k/per_decade) to six digits, so that runs of different studies coincide."""
    return float(f"{10 ** (k / per_decade):.6g}")


def expected_presentations(
    n_train: int,
    temperature: float,
    batch_size: int,
    alpha: float,
    depth: int,
    kernel: float | None = None,
) -> float:
    """Sample presentations that a typical training needs until all data are fitted.

    About 400 (P/64)^1.3 when noise dominates, growing like 1/T below T_noise = 2.1 T_1 and like
    B for batches beyond the scale on which only T matters.
    """
    noise_onset = 2.1 * onset_temperature(alpha, depth, kernel)
    size = 400 * math.pow(max(n_train, 64) / 64, 1.3)
    return size * max(1.0, noise_onset / temperature) * max(1.0, batch_size / 16)


def presentation_budget(
    n_train: int,
    temperature: float,
    batch_size: int,
    alpha: float,
    depth: int,
    kernel: float | None = None,
) -> int:
    """Default budget: twenty times :func:`expected_presentations`, beyond it a run is censored."""
    settings = (n_train, temperature, batch_size, alpha, depth, kernel)
    return math.ceil(20 * expected_presentations(*settings))


def perceptron_budget(n_train: int, temperature: float, alpha: float, chi: float) -> int:
    """Default budget of a perceptron: a hundred times P^b with b = 1 + 2/(1 + chi).

    The measured number of presentations, t*/T, is P^b over ten to a thousand (Sclocchi, Geiger
    and Wyart 2023; b is rederived in the theory pages); it grows like 1/T below T ~ 3/alpha.
    """
    exponent = 1 + 2 / (1 + chi)
    size = 100.0 * math.pow(n_train, min(exponent, 12.0)) * max(1.0, 3 / (temperature * alpha))
    return math.ceil(min(size, 1e15))
