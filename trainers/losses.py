"""The losses of a margin, once: value, derivative and second derivative, and their codes.

l(m) is max(0, k - m), its half square, ln(1 + exp(-m)) or (k - m)^2 / 2; the target k is 1 for the
networks. Kernels call :func:`pull`, what works on arrays or tensors the other functions. The
readable reference (:mod:`trainers.reference.loop`) and the mean-field theory of `analysis` write
theirs out themselves, as independent witnesses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from trainers.compiled.compilation import compiled

HINGE, QUADRATIC_HINGE, LOGISTIC, SQUARE = 0, 1, 2, 3
LOSS_CODES = {
    "hinge": HINGE,
    "quadratic_hinge": QUADRATIC_HINGE,
    "logistic": LOGISTIC,
    "square": SQUARE,
}
"""Codes by the names of `search_spaces`."""


@compiled(inline="always", counted=False)
def pull(loss, margin, target):
    """Return -l'(m), by the code of the loss; of the hinges where m < k."""
    one = type(margin)(1)
    if loss == HINGE:
        return one
    if loss == LOGISTIC:
        return one / (one + np.exp(margin))
    return target - margin


def value(loss: str, margins: Any, target: float = 1.0) -> Any:
    """Return l(m) of an array or a tensor."""
    use = _functions_for(margins)
    if loss == "logistic":
        return use.softplus(-margins)
    if loss == "square":
        return (target - margins) ** 2 / 2
    deficit = use.positive(target - margins)
    return deficit if loss == "hinge" else deficit**2 / 2


def derivative(loss: str, margins: Any, target: float = 1.0) -> Any:
    """Return l'(m) of an array or a tensor; 0 for a hinge at m = k."""
    use = _functions_for(margins)
    if loss == "logistic":
        return -use.sigmoid(-margins)
    if loss == "square":
        return margins - target
    return -(use.step if loss == "hinge" else use.positive)(target - margins)


def second_derivative(loss: str, margins: Any, target: float = 1.0) -> Any:
    """Return l''(m) of an array or a tensor, almost everywhere."""
    use = _functions_for(margins)
    if loss == "logistic":
        return use.sigmoid(margins) * use.sigmoid(-margins)
    violates = use.step(target - margins)
    return {"hinge": 0 * violates, "quadratic_hinge": violates, "square": 0 * violates + 1}[loss]


class _Functions(NamedTuple):
    positive: Callable[[Any], Any]
    """max(x, 0)."""
    softplus: Callable[[Any], Any]
    """ln(1 + e^x)."""
    sigmoid: Callable[[Any], Any]
    """1 / (1 + e^-x)."""
    step: Callable[[Any], Any]
    """1 for x > 0, else 0."""


def _functions_for(values: Any) -> _Functions:
    if isinstance(values, np.ndarray):
        from scipy.special import expit

        return _Functions(
            lambda x: np.maximum(x, 0.0),
            lambda x: np.logaddexp(0.0, x),
            expit,
            lambda x: np.heaviside(x, 0.0),
        )
    import torch

    return _Functions(
        torch.relu,
        torch.nn.functional.softplus,
        torch.sigmoid,
        lambda x: torch.heaviside(x, x.new_zeros(())),
    )
