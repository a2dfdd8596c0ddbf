"""Curvature and noise of a trained network along one direction: H, sigma_g, sigma_H, kappa.

Along a unit vector v, w* + t v, the derivatives d_i(t) = v . grad l_i of the samples have a mean
whose slope is the curvature and a variance c0 + c1 t + c2 t^2. Where this quadratic holds, SGD
moves like power-law dynamics with kappa = 1 + B H / (eta c2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from search_spaces import InvalidSettingError
from trainers.batches.streams import Purpose, generator
from trainers.noise.sample_losses import Parameters, SampleLoss
from trainers.spectrum import top_eigenpair

N_POINTS = 11
"""Positions along the direction."""
_TOLERANCE = 1e-8
"""Relative accuracy of the eigenvalue; that of its direction is about the root of it."""


@dataclass(frozen=True)
class LocalNoise:
    """Curvature and variance along a direction; per-sample variances, not per minibatch."""

    half_width: float
    """tau: positions run over [-tau, tau]."""
    curvature: float
    """H, slope of the mean derivative."""
    c0: float
    """Variance at the weights."""
    c1: float
    """Its slope."""
    c2: float
    """Its curvature, sigma_H of a single sample."""
    r_squared: float
    """Share of the variance's change that the quadratic explains."""
    gradient: float
    """Mean derivative at the weights, zero at a minimum."""

    @property
    def sigma_g(self) -> float:
        """Smallest variance of the parabola, c0 - c1^2/(4 c2)."""
        return self.c0 - self.c1**2 / (4 * self.c2) if self.c2 else np.nan

    @property
    def valid(self) -> bool:
        """Whether c2, H and sigma_g are positive, so that there is a kappa."""
        return bool(self.c2 > 0 and self.curvature > 0 and self.sigma_g > 0)

    def kappa(self, learning_rate: float, batch_size: int) -> float:
        """Return 1 + B H/(eta c2) (Ito), NaN unless :attr:`valid`."""
        if not self.valid:
            return np.nan
        return 1 + batch_size * self.curvature / (learning_rate * self.c2)

    def stationary_width(self, learning_rate: float, batch_size: int) -> float:
        """Return three standard deviations of the stationary law without sigma_H."""
        if not self.curvature > 0:
            return np.nan
        return 3 * float(np.sqrt(learning_rate * self.c0 / (2 * batch_size * self.curvature)))


def local_noise(
    loss: SampleLoss, parameters: Parameters, direction: Parameters, half_width: float
) -> LocalNoise:
    """Measure curvature and noise along `direction`, which is normalized first.

    Two backward passes per position give the derivatives of all samples at once.

    Raises
    ------
    InvalidSettingError
        If `half_width` is not positive or the direction is zero.
    """
    unit = _normalized(direction)
    if not (np.isfinite(half_width) and half_width > 0):
        raise InvalidSettingError(f"half_width={half_width} must be positive")
    positions = np.linspace(-half_width, half_width, N_POINTS)
    everyone = torch.arange(loss.n_samples)
    mean, variance = np.empty(N_POINTS), np.empty(N_POINTS)
    for k, t in enumerate(positions):
        place = {name: w + t * unit[name] for name, w in parameters.items()}
        slopes = _slopes(loss, place, unit, everyone)
        mean[k], variance[k] = float(slopes.mean()), float(slopes.var())
    # Fitted in units of the half width, so that all coefficients are of one size.
    scaled = positions / half_width
    c2, c1, c0 = np.polyfit(scaled, variance, 2)
    residual = variance - np.polyval([c2, c1, c0], scaled)
    spread = float(np.var(variance))
    return LocalNoise(
        half_width=float(half_width),
        curvature=float(np.polyfit(scaled, mean, 1)[0] / half_width),
        c0=float(c0),
        c1=float(c1 / half_width),
        c2=float(c2 / half_width**2),
        r_squared=1 - float(np.var(residual)) / spread if spread > 0 else np.nan,
        gradient=float(mean[N_POINTS // 2]),
    )


def top_direction(loss: SampleLoss, parameters: Parameters, seed: int) -> dict[str, torch.Tensor]:
    """Return the eigenvector of the largest |eigenvalue| of the Hessian of the mean loss.

    Of a flat loss any direction: the random one from which the search begins.

    Raises
    ------
    InvalidSettingError
        If the search does not converge.
    """
    leaves = {name: w.detach().requires_grad_() for name, w in parameters.items()}
    mean_loss = loss.evaluate(leaves, torch.arange(loss.n_samples)).mean()
    gradient = torch.autograd.grad(mean_loss, list(leaves.values()), create_graph=True)

    def product(vector: np.ndarray) -> np.ndarray:
        pieces = _unflattened(vector, parameters).values()
        along = torch.stack([(g * v).sum() for g, v in zip(gradient, pieces, strict=True)]).sum()
        return _flattened(torch.autograd.grad(along, list(leaves.values()), retain_graph=True))

    begin = _flattened(random_direction(parameters, seed).values())
    found = top_eigenpair(product, begin, "LM", _TOLERANCE)
    if found is None:
        raise InvalidSettingError("no top eigenvector of the Hessian: Lanczos does not converge")
    return _normalized(_unflattened(found[1], parameters))


def random_direction(parameters: Parameters, seed: int) -> dict[str, torch.Tensor]:
    """Return a uniformly random unit vector in the shape of the parameters."""
    rng = generator(seed, Purpose.NOISE)
    drawn = {
        name: torch.from_numpy(rng.standard_normal(tuple(w.shape))).to(w)
        for name, w in parameters.items()
    }
    return _normalized(drawn)


def _slopes(
    loss: SampleLoss, parameters: Parameters, unit: Parameters, indices: torch.Tensor
) -> torch.Tensor:
    """Return v . grad l_i of every sample: the derivative of (sum_i u_i grad l_i) . v by u."""
    leaves = {name: w.detach().requires_grad_() for name, w in parameters.items()}
    losses = loss.evaluate(leaves, indices)
    u = torch.ones_like(losses, requires_grad=True)
    gradients = torch.autograd.grad((u * losses).sum(), list(leaves.values()), create_graph=True)
    parts = [(g * v).sum() for g, v in zip(gradients, unit.values(), strict=True)]
    along = torch.stack(parts).sum()
    return torch.autograd.grad(along, u)[0]


def _flattened(parts: Iterable[torch.Tensor]) -> np.ndarray:
    return torch.cat([part.double().reshape(-1) for part in parts]).numpy()


def _unflattened(vector: np.ndarray, like: Parameters) -> dict[str, torch.Tensor]:
    pieces = torch.from_numpy(vector.ravel().copy()).split([w.numel() for w in like.values()])
    return {
        name: piece.view_as(w).to(w) for (name, w), piece in zip(like.items(), pieces, strict=True)
    }


def _normalized(vector: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    norm = float(sum(part.double().square().sum() for part in vector.values())) ** 0.5
    if not (np.isfinite(norm) and norm > 0):
        raise InvalidSettingError(f"a direction of norm {norm} cannot be normalized")
    return {name: part / norm for name, part in vector.items()}
