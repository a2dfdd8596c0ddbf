"""Noise for a large batch that matches the covariance of a small one.

A gradient of B_large samples, each weighted by 1 + c (xi_i - mean xi) over B_large with
independent xi_i of mean 0 and variance 1, has the covariance of a batch of B_small for
c^2 = B_large (B_large - B_small) / (B_small (B_large - 1)), with or without replacement, and one
backward pass is enough. Only second moments match: the injected part is nearly Gaussian.
"""

from __future__ import annotations

import math

import numpy as np

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name

KINDS = ("gaussian", "sign", "halves")
"""Law of xi: N(0, 1); +-1; +-1 with exactly as many of each."""


def noise_coefficient(large: int, small: int) -> float:
    """Return c of the weights; 0 if `small` is not smaller.

    >>> print(f"{noise_coefficient(256, 8):.4f}")
    5.5787

    Raises
    ------
    InvalidSettingError
        If a batch size is not positive.
    """
    if large < 1 or small < 1:
        raise InvalidSettingError(f"batch sizes {large} and {small} must be at least 1")
    if small >= large:
        return 0.0
    return math.sqrt(large * (large - small) / (small * (large - 1)))


def noisy_batch_weights(
    large: int, small: int, rng: np.random.Generator, kind: str = "gaussian"
) -> np.ndarray:
    """Return weights of `large` samples, of sum 1, that give the noise of a batch of `small`.

    In a training loop: ``losses = loss(model(x), y)`` without reduction, then
    ``(torch.as_tensor(weights, dtype=losses.dtype) * losses).sum().backward()``. A penalty on
    the weights of the network is added without them. Weights may be negative: do not log the
    weighted sum as the loss. Draw anew at every step, and per process in distributed training,
    with the total batch as `large`.

    Parameters
    ----------
    large, small
        Batch size that is used, and the one whose covariance is wanted; if it is not smaller,
        the weights are 1/large.
    kind
        One of KINDS.

    Raises
    ------
    InvalidSettingError
        For an unknown kind, batch sizes below 1, or halves of an odd batch.
    """
    check_name("kind", kind, KINDS)
    c = noise_coefficient(large, small)
    if c == 0:
        return np.full(large, 1 / large)
    if kind == "gaussian":
        xi = rng.standard_normal(large)
    elif kind == "sign":
        xi = rng.choice([-1.0, 1.0], large)
    else:
        if large % 2:
            raise InvalidSettingError(f"halves need an even batch, not {large}")
        c = math.sqrt(large / small - 1)
        xi = rng.permutation(np.repeat([-1.0, 1.0], large // 2))
    return np.asarray((1 + c * (xi - xi.mean())) / large)
