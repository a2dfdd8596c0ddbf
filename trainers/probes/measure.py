"""What is measured on request, from the weights before and after a training and its data.

Nothing here changes a training, and both backends share it. Everything is computed in float64
with autograd, on the loss L(w) = mean over the training points of l(y F) / alpha, whose gradient
is that of the dynamics: l(m) is max(0, 1 - m), max(0, 1 - m)^2 / 2 or ln(1 + exp(-m)).

Columns end in `_start` (at w0) and `_end`. Where the loss of a fitted hinge has vanished, so have
its gradient and Hessian: ratios of zeros are NaN, which a record shows as None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from search_spaces import Point
from trainers.batches.streams import Purpose, generator
from trainers.models.functions import hidden_activations, jacobian_products
from trainers.probes.curvature import Curvature
from trainers.spectrum import top_eigenpair

N_PROBES = 64
"""Test points, or fewer if there are fewer, on which features and the tangent kernel are
compared; training points, a random sample, whose gradients enter the noise alignment."""


@dataclass(frozen=True)
class Sides:
    """The weights before and after, and the data."""

    point: Point
    before: list[torch.Tensor]
    after: list[torch.Tensor]
    x: torch.Tensor
    y: torch.Tensor
    probes: torch.Tensor
    has_vanished: bool
    """Whether the loss is zero at the end, and with it its gradient and Hessian."""

    @property
    def is_finite(self) -> bool:
        """Whether all final weights are finite."""
        return all(bool(torch.isfinite(w).all()) for w in self.after)


def measure_probes(
    point: Point,
    parameters: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    train: tuple[np.ndarray, np.ndarray],
    x_test: np.ndarray,
    is_fitted: bool,
) -> dict[str, float]:
    """Return the columns of the point's observables, but for `curves`.

    Parameters
    ----------
    parameters
        Unnormalized parameters before and after.
    train
        x (P, d) and y (P,).
    """
    before, after = ([torch.tensor(w, dtype=torch.float64) for w in side] for side in parameters)
    x, y, probes = (torch.tensor(a, dtype=torch.float64) for a in (*train, x_test[:N_PROBES]))
    vanished = is_fitted and point.loss != "logistic"
    sides = Sides(point, before, after, x, y, probes, vanished)
    columns: dict[str, float] = {}
    for name in point.observables:
        if name in _MEASURES:
            columns |= _MEASURES[name](sides)
    return columns


def _feature_change(sides: Sides) -> dict[str, float]:
    """|a_L(w) - a_L(w0)| / |a_L(w0)| of the last hidden layer on all probes together."""
    before, after = (
        hidden_activations(side, sides.probes, sides.point.activation)
        for side in (sides.before, sides.after)
    )
    return {"feature_change": _ratio(float((after - before).norm()), float(before.norm()))}


def tangent_kernel(
    parameters: list[torch.Tensor], x: torch.Tensor, activation: str
) -> torch.Tensor:
    """Return K_ij = grad f(x_i) . grad f(x_j), shape (n, n), one row at a time."""
    pull, push = jacobian_products(parameters, x, activation)
    return torch.stack([push(pull(unit)) for unit in torch.eye(len(x), dtype=x.dtype)])


def _kernels(sides: Sides) -> list[torch.Tensor]:
    activation = sides.point.activation
    return [tangent_kernel(side, sides.probes, activation) for side in (sides.before, sides.after)]


def _kernel_change(sides: Sides) -> dict[str, float]:
    """|K - K0| / |K0| in the Frobenius norm, and the cosine of K and K0."""
    before, after = _kernels(sides)
    product = float((before * after).sum())
    return {
        "kernel_change": _ratio(float((after - before).norm()), float(before.norm())),
        "kernel_alignment": _ratio(product, float(before.norm() * after.norm())),
    }


def _kernel_spectrum(sides: Sides) -> dict[str, float]:
    """Mean diagonal of K, and the largest eigenvalue of K / n, on n probes."""
    columns = {}
    for end, kernel in zip(("start", "end"), _kernels(sides), strict=True):
        finite = bool(torch.isfinite(kernel).all())
        top = float(torch.linalg.eigvalsh(kernel)[-1]) / len(kernel) if finite else math.nan
        columns[f"kernel_diagonal_{end}"] = float(kernel.diagonal().mean())
        columns[f"kernel_top_eigenvalue_{end}"] = top
    return columns


def _both_ends(
    sides: Sides, measure: Callable[[Curvature], dict[str, float]], vanished: dict[str, float]
) -> dict[str, float]:
    """Return what `measure` finds at w0 and at the end, `vanished` where the loss is zero."""
    start = measure(Curvature(sides.point, sides.before, sides.before, sides.x, sides.y))
    if sides.has_vanished:
        end = vanished
    elif not sides.is_finite:
        end = dict.fromkeys(start, math.nan)
    else:
        end = measure(Curvature(sides.point, sides.before, sides.after, sides.x, sides.y))
    return {
        f"{name}_{suffix}": value
        for suffix, columns in (("start", start), ("end", end))
        for name, value in columns.items()
    }


def _gradient_noise(sides: Sides) -> dict[str, float]:
    """tr(Sigma) / |G|^2, the simple noise scale of McCandlish et al. (arXiv:1812.06162, 2.9)."""

    def measure(curvature: Curvature) -> dict[str, float]:
        square = float(curvature.gradient.square().sum())
        trace = curvature.mean_square_gradient() - square
        return {"gradient_noise_scale": _ratio(trace, square)}

    return _both_ends(sides, measure, {"gradient_noise_scale": math.nan})


def _hessian(sides: Sides) -> dict[str, float]:
    """Largest eigenvalue and trace of the Hessian of L."""

    def measure(curvature: Curvature) -> dict[str, float]:
        top = top_eigenvalue(curvature)
        return {"hessian_top_eigenvalue": top, "hessian_trace": curvature.trace()}

    return _both_ends(sides, measure, {"hessian_top_eigenvalue": 0.0, "hessian_trace": 0.0})


def _noise_alignment(sides: Sides) -> dict[str, float]:
    """Tr(H Sigma), and divided by lambda_max Tr(Sigma), from the first N_PROBES gradients."""

    def measure(curvature: Curvature) -> dict[str, float]:
        trace = aligned = 0.0
        gradients = curvature.sample_gradients(slice(0, N_PROBES))
        for gradient in gradients:
            noise = gradient - curvature.gradient
            trace += float(noise.square().sum()) / len(gradients)
            aligned += float(noise @ curvature.hessian_product(noise)) / len(gradients)
        normalised = _ratio(aligned, top_eigenvalue(curvature) * trace)
        return {"noise_alignment": aligned, "noise_alignment_normalised": normalised}

    vanished = {"noise_alignment": 0.0, "noise_alignment_normalised": math.nan}
    return _both_ends(sides, measure, vanished)


def top_eigenvalue(curvature: Curvature) -> float:
    """Return the largest eigenvalue of the Hessian, from a fixed start; NaN if not converged."""

    def product(vector: np.ndarray) -> np.ndarray:
        return curvature.hessian_product(torch.from_numpy(vector.ravel().copy())).numpy()

    begin = generator(0, Purpose.PROBE).standard_normal(curvature.gradient.numel())
    found = top_eigenpair(product, begin)
    return math.nan if found is None else found[0]


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else math.nan


_MEASURES: dict[str, Callable[[Sides], dict[str, float]]] = {
    "feature_change": _feature_change,
    "gradient_noise": _gradient_noise,
    "hessian": _hessian,
    "kernel_change": _kernel_change,
    "kernel_spectrum": _kernel_spectrum,
    "noise_alignment": _noise_alignment,
}
