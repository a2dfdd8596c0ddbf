"""Model dynamics of SGD noise: Levy-driven, power-law (state-dependent) and Langevin.

Here SGD is replaced by a particle in a well whose noise has a known law, so that escapes,
stationary laws and schedules can be compared with theory. Continuous-time steps are
Euler-Maruyama; a step of SGD, w <- w - eta (grad U + sigma xi), is the same with dt = eta.
Path p is a function of (seed, p) alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_spaces import InvalidSettingError
from search_spaces.choices import check_name
from trainers.batches.streams import WORD_MASK
from trainers.diffusion.kernels import (
    diffusion_exits,
    diffusion_samples,
    fill_stable,
    regression_walks,
    stable_exits,
)

CORRECTIONS = {"ito": 0.0, "stratonovich": 0.5, "paper": 1.0}
"""Drift in units of D'/2 by convention; ``paper`` is the anti-Ito (Klimontovich) reading, whose
stationary law has the exponent quoted by Meng et al. (2020)."""


@dataclass(frozen=True)
class Exits:
    """First exits of paths; a path that stayed is censored."""

    time: np.ndarray
    """Time of the exit, or of the end for a path that stayed, shape (n_paths,)."""
    coordinate: np.ndarray
    """Which coordinate left, -1 for a path that stayed, shape (n_paths,)."""
    position: np.ndarray
    """Where the path was after its last step, shape (n_paths, d)."""

    @property
    def exited(self) -> np.ndarray:
        """Paths that left."""
        return self.coordinate >= 0

    @property
    def mean_time(self) -> float:
        """Total time over number of exits, which takes censored paths into account."""
        n_exits = int(self.exited.sum())
        return float(self.time.sum() / n_exits) if n_exits else float("inf")

    @property
    def stderr(self) -> float:
        """Standard error of :attr:`mean_time` for exponential exits, mean / sqrt(exits)."""
        n_exits = int(self.exited.sum())
        return self.mean_time / float(np.sqrt(n_exits)) if n_exits else float("inf")


def stable_noise(
    tail_index: float | Sequence[float], size: tuple[int, int], seed: int, first_path: int = 0
) -> np.ndarray:
    """Draw symmetric stable noise at unit scale, shape (n_paths, n) = `size`.

    Column j has tail index `tail_index[j]` if several are given. At index 2 the variance is 2.

    Examples
    --------
    >>> a = stable_noise(1.5, (4, 10), seed=1)
    >>> bool((a[2:] == stable_noise(1.5, (2, 10), seed=1, first_path=2)).all())
    True

    Raises
    ------
    InvalidSettingError
        If a tail index is not in (0, 2].
    """
    indices = np.ascontiguousarray(np.broadcast_to(_tail_indices(tail_index), size[1:]))
    draws = np.empty(size)
    fill_stable(np.uint64(seed & WORD_MASK), first_path, indices, draws)
    return draws


def simulate_levy(
    tail_index: float | Sequence[float],
    noise_scale: float | Sequence[float],
    width: float | Sequence[float],
    *,
    gradient: Sequence[Sequence[float]] | None = None,
    start: Sequence[float] | None = None,
    dt: float = 0.02,
    max_time: float,
    n_paths: int,
    seed: int,
) -> Exits:
    """Run dw_j = -grad_j dt + noise_scale_j dL_j until some |w_j| >= width_j.

    Parameters
    ----------
    tail_index, noise_scale, width
        One number per coordinate, or one for all.
    gradient
        Polynomial coefficients of dU/dw_j, lowest power first; w_j itself by default.
    start
        Where every path begins, the origin by default.
    dt
        Euler step; 0.02 over the curvature shows no bias.
    max_time
        Paths that are still inside are censored then.

    Raises
    ------
    InvalidSettingError
        For a tail index outside (0, 2], or a scale, width or time that is not positive.
    """
    a, scale, half = (
        np.atleast_1d(np.asarray(v, float)) for v in (tail_index, noise_scale, width)
    )
    a, scale, half = np.broadcast_arrays(a, scale, half)
    _check_positive(noise_scale=scale, width=half, dt=dt, max_time=max_time, n_paths=n_paths)
    amplitudes = (scale * dt ** (1 / _tail_indices(a)))[None, :]
    exits = _run(
        a, np.array([dt]), amplitudes, half, gradient, start, round(max_time / dt), n_paths, seed
    )
    return Exits(exits.time * dt, exits.coordinate, exits.position)


def simulate_schedule(
    tail_index: float,
    learning_rates: np.ndarray,
    noise_scales: np.ndarray,
    width: float = 1.0,
    *,
    n_paths: int,
    seed: int,
) -> Exits:
    """Run w <- w - eta_k (w + sigma_k xi_k) until |w| >= width; times are steps.

    Parameters
    ----------
    learning_rates, noise_scales : shape (K,)
        eta_k and sigma_k; paths that are inside after K steps are censored.
    """
    eta, sigma = np.asarray(learning_rates, float), np.asarray(noise_scales, float)
    _check_positive(learning_rates=eta, noise_scales=sigma, width=width, n_paths=n_paths)
    if eta.shape != sigma.shape or eta.ndim != 1:
        raise InvalidSettingError(
            f"learning_rates {eta.shape} and noise_scales {sigma.shape} must hold one number "
            "per step each"
        )
    a, half = np.array([float(tail_index)]), np.array([float(width)])
    return _run(a, eta, (eta * sigma)[:, None], half, None, None, len(eta), n_paths, seed)


def _run(
    tail_index: np.ndarray, steps: np.ndarray, amplitudes: np.ndarray, half: np.ndarray,
    gradient: Sequence[Sequence[float]] | None, start: Sequence[float] | None,
    n_steps: int, n_paths: int, seed: int,
) -> Exits:  # fmt: skip
    d = tail_index.size
    force = np.tile([0.0, 1.0], (d, 1)) if gradient is None else np.array(gradient, dtype=float)
    begin = np.zeros(d) if start is None else np.array(start, dtype=float)
    if force.shape[0] != d or begin.shape != (d,):
        raise InvalidSettingError(
            f"gradient of {force.shape[0]} and start of {begin.size} coordinates, but {d} tail "
            "indices; give one row per coordinate"
        )
    exit_step, coordinate = np.empty(n_paths, np.int64), np.empty(n_paths, np.int64)
    position = np.empty((n_paths, d))
    stable_exits(
        np.uint64(seed & WORD_MASK), 0, force, steps, np.ascontiguousarray(amplitudes, float),
        _tail_indices(tail_index), begin, -half, 1.0 * half, n_steps,
        exit_step, coordinate, position,
    )  # fmt: skip
    return Exits(exit_step.astype(float), coordinate, position)


@dataclass(frozen=True)
class PowerLawDynamics:
    """dw = -H w dt + sqrt(eta (sigma_g + sigma_H w^2)) dB around a minimum.

    sigma_g and sigma_H are the covariance of the minibatch gradient that is actually used and
    its growth with w^2; sigma_H = 0 is Langevin dynamics of temperature eta sigma_g / 2.
    """

    curvature: float
    """H > 0."""
    learning_rate: float
    """eta > 0."""
    sigma_g: float = 1.0
    """Gradient variance at the minimum."""
    sigma_h: float = 0.0
    """Growth of the gradient variance with w^2."""
    convention: str = "ito"
    """One of CORRECTIONS; SGD and its Euler scheme are Ito."""

    def __post_init__(self) -> None:
        check_name("convention", self.convention, tuple(CORRECTIONS))
        _check_positive(
            curvature=self.curvature, learning_rate=self.learning_rate, sigma_g=self.sigma_g
        )
        if not (np.isfinite(self.sigma_h) and self.sigma_h >= 0):
            raise InvalidSettingError(f"sigma_h={self.sigma_h} must be a number >= 0")

    def samples(
        self, n_paths: int, n_kept: int, *, burn_time: float, interval: float, dt: float, seed: int
    ) -> np.ndarray:
        """Return positions after `burn_time`, every `interval`, shape (n_paths, n_kept)."""
        _check_positive(dt=dt, interval=interval, n_paths=n_paths, n_kept=n_kept)
        positions = np.empty((n_paths, n_kept))
        diffusion_samples(
            np.uint64(seed & WORD_MASK), 0, *self._kernel_arguments(), dt, 0.0,
            round(burn_time / dt), max(1, round(interval / dt)), positions,
        )  # fmt: skip
        return positions

    def exit_times(
        self, width: float, *, dt: float, max_time: float, n_paths: int, seed: int
    ) -> Exits:
        """Return first exits from |w| < width, started at the minimum."""
        _check_positive(width=width, dt=dt, max_time=max_time, n_paths=n_paths)
        n_steps = round(max_time / dt)
        steps = np.empty(n_paths, np.int64)
        diffusion_exits(
            np.uint64(seed & WORD_MASK), 0, *self._kernel_arguments(), dt, 0.0,
            -float(width), float(width), n_steps, steps,
        )  # fmt: skip
        coordinate = np.where(steps < n_steps, 0, -1)
        return Exits(steps * dt, coordinate, np.full((n_paths, 1), np.nan))

    def _kernel_arguments(self) -> tuple[np.ndarray, np.ndarray, float]:
        gradient = np.array([0.0, self.curvature])
        diffusion = self.learning_rate * np.array([self.sigma_g, 0.0, self.sigma_h])
        return gradient, diffusion, CORRECTIONS[self.convention]


def simulate_regression(
    learning_rate: float,
    batch_size: int = 1,
    share: float = 1.0,
    *,
    n_paths: int,
    n_kept: int,
    n_burn: int,
    seed: int,
) -> np.ndarray:
    """Return w - w* of SGD on one-dimensional linear regression, shape (n_paths, n_kept).

    Inputs are N(0, 1/share) with probability `share`, else 0; unit label noise. The minibatch
    curvature is mean(x^2), of mean 1 and variance (3/share - 1)/B.
    """
    _check_positive(learning_rate=learning_rate, batch_size=batch_size, share=share)
    samples = np.empty((n_paths, n_kept))
    regression_walks(
        np.uint64(seed & WORD_MASK), 0, float(learning_rate), batch_size, float(share), n_burn,
        samples,
    )  # fmt: skip
    return samples


def _tail_indices(values: object) -> np.ndarray:
    indices = np.asarray(values, dtype=float)
    if not bool(((indices > 0) & (indices <= 2)).all()):
        raise InvalidSettingError(f"tail_index={values} must be in (0, 2]")
    return np.ascontiguousarray(indices)


def _check_positive(**values: object) -> None:
    for name, value in values.items():
        numbers = np.asarray(value, dtype=float)
        if not bool((np.isfinite(numbers) & (numbers > 0)).all()):
            raise InvalidSettingError(f"{name}={value} must be positive")
