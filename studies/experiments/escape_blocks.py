"""What each kind of dynamics of the escape experiment simulates: one row per block of paths."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from search_spaces import InvalidSettingError, Point, Seeds
from studies.experiments.grid import as_text, plain_number

BOXES = {
    "four": ((1.2, 1.5, 1.8, 1.95), (0.05,) * 4, (1.0,) * 4),
    "three": ((1.3, 1.8, 1.8), (0.01, 0.05, 0.05), (1.0,) * 3),
    "two": ((1.9, 1.5), (0.08, 0.03), (1.0, 2.0)),
}
"""Tail indices, noise scales and half widths by name."""
SCHEDULES = ("constant", "step_decays", "noise_decays", "compensated")
DIRECTIONS = ("top", "random")
LEARNING_RATE = 0.1
"""eta of the well, the stationary laws and the schedules' first step."""
SURVIVAL = float(np.exp(-1.5))
"""Survival that the constant schedule has by the law of large jumps."""


def run_block(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Simulate one block of paths and return its row."""
    return _plain(_MEASURES[settings["dynamics"]](settings, seed))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int) else plain_number(value)
        for name, value in row.items()
    }


def _levy(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from analysis.distributions.levy_escape import distance_to_exponential, noise_scale_for
    from trainers.diffusion.models import simulate_levy

    a, expected = settings["tail_index"], settings["mean_time"]
    scale = noise_scale_for(a, expected)
    exits = simulate_levy(
        a, scale, 1.0, dt=settings["dt"], max_time=30 * expected,
        n_paths=settings["n_paths"], seed=seed,
    )  # fmt: skip
    overshoot = np.abs(exits.position[exits.exited, 0])
    return {
        "noise_scale": scale,
        "simulated_time": exits.mean_time,
        "n_exits": int(exits.exited.sum()),
        "distance_to_exponential": distance_to_exponential(exits.time),
        "median_overshoot": float(np.median(overshoot)),
        **{
            f"survival_{f:g}": float((exits.time > f * exits.mean_time).mean())
            for f in (0.5, 1, 2)
        },
    }


def _box(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from analysis.distributions.levy_escape import levy_escape
    from trainers.diffusion.models import simulate_levy

    index, scale, half = BOXES[settings["box"]]
    law = levy_escape(index, scale, half)
    exits = simulate_levy(
        index, scale, half, dt=settings["dt"], max_time=4 * law.mean_time,
        n_paths=settings["n_paths"], seed=seed,
    )  # fmt: skip
    left = np.bincount(exits.coordinate[exits.exited], minlength=len(index))
    return {
        "tail_indices": as_text(index),
        "noise_scales": as_text(scale),
        "widths": as_text(half),
        "simulated_time": exits.mean_time,
        "n_exits": int(exits.exited.sum()),
        "exits_by_coordinate": as_text(left),
    }


def schedule_arrays(name: str, tail_index: float, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return eta_k and sigma_k: factors 1, 0.5, 0.1 from a quarter and half of the steps on."""
    from analysis.distributions.levy_escape import schedule_survival

    eta, one = np.full(n_steps, LEARNING_RATE), np.ones(n_steps)
    rate = -np.log(schedule_survival(tail_index, eta, one))
    sigma = one * float((-np.log(SURVIVAL) / rate) ** (1 / tail_index))
    factor = np.repeat([1.0, 0.5, 0.1], [n_steps // 4, n_steps // 4, n_steps - n_steps // 2])
    if name == "step_decays":
        return eta * factor, sigma
    if name == "noise_decays":
        return eta, sigma * factor
    if name == "compensated":
        return eta * factor, sigma / factor
    return eta, sigma


def _schedule(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from analysis.distributions.levy_escape import schedule_survival
    from trainers.diffusion.models import simulate_schedule

    a = settings["tail_index"]
    eta, sigma = schedule_arrays(settings["schedule"], a, settings["n_steps"])
    # Schedules differ in their noise as well: two of one seed would share their jumps.
    shifted = seed + 2**20 * SCHEDULES.index(settings["schedule"])
    exits = simulate_schedule(a, eta, sigma, n_paths=settings["n_paths"], seed=shifted)
    inside = np.abs(exits.position[~exits.exited, 0])
    return {
        "survival": float(1 - exits.exited.mean()),
        "predicted_survival": schedule_survival(a, eta, sigma),
        "late_median": float(np.median(inside)) if inside.size else np.nan,
    }


def _well(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from analysis.distributions.power_law_escape import log_well_escape
    from trainers.diffusion.models import PowerLawDynamics

    width = float(np.sqrt(2 * settings["barrier"]))
    dynamics = PowerLawDynamics(1.0, LEARNING_RATE, 1.0, settings["sigma_h"])
    expected = log_well_escape(width, 1.0, LEARNING_RATE, 1.0, settings["sigma_h"])
    exits = dynamics.exit_times(
        width, dt=settings["dt"], max_time=30 * float(np.exp(expected)),
        n_paths=settings["n_paths"], seed=seed,
    )  # fmt: skip
    return {"log_time": float(np.log(exits.mean_time)), "n_exits": int(exits.exited.sum())}


def _stationary(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from trainers.diffusion.models import PowerLawDynamics

    dynamics = PowerLawDynamics(
        1.0, LEARNING_RATE, 1.0, settings["sigma_h"], settings["convention"]
    )
    samples = dynamics.samples(
        settings["n_paths"], 60, burn_time=12, interval=2, dt=settings["dt"], seed=seed
    )
    return _law_of(samples)


def _law_of(samples: np.ndarray) -> dict[str, Any]:
    from analysis.distributions.power_law_escape import hill_exponent
    from analysis.distributions.student import fit_student

    fit = fit_student(samples.ravel())
    return {
        "kappa": float(fit.kappa[0]),
        "rho": float(fit.rho[0]),
        "variance": float(samples.var()),
        "nu_hill": hill_exponent(samples),
    }


_N_CURVATURES = 400_000


def _random_curvature(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from trainers.batches.streams import Purpose, generator
    from trainers.diffusion.models import PowerLawDynamics

    h, eta = settings["curvature"], settings["learning_rate"]
    # A ~ N(H, 1) and b ~ N(0, 1): SGD is the Euler scheme of dt = eta, with D = eta (1 + u^2).
    relaxation = 1 / h
    samples = PowerLawDynamics(h, eta, 1.0, 1.0).samples(
        settings["n_paths"], 100, burn_time=10 * relaxation, interval=2 * relaxation, dt=eta,
        seed=seed,
    )  # fmt: skip
    curvatures = h + generator(seed, Purpose.NOISE).standard_normal(_N_CURVATURES)
    return {**_law_of(samples), **_kesten(curvatures, eta), "sigma_h": 1.0}


def _regression(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from trainers.batches.streams import Purpose, generator
    from trainers.diffusion.models import simulate_regression

    eta, size, share = (settings[name] for name in ("learning_rate", "batch_size", "share"))
    if share > 1:
        raise InvalidSettingError(f"share={share} must be at most 1")
    relaxation = max(10, round(10 / eta))
    samples = simulate_regression(
        eta, size, share, n_paths=settings["n_paths"], n_kept=20 * relaxation, n_burn=relaxation,
        seed=seed,
    )[:, :: max(1, relaxation // 10)]  # fmt: skip
    rng = generator(seed, Purpose.NOISE)
    square = rng.standard_normal((_N_CURVATURES // size, size)) ** 2 / share
    curvatures = (square * (rng.random(square.shape) < share)).mean(axis=1)
    sigma_h = (3 / share - 1) / size
    return {**_law_of(samples), **_kesten(curvatures, eta), "sigma_h": sigma_h}


def _kesten(curvatures: np.ndarray, learning_rate: float) -> dict[str, Any]:
    from analysis.distributions.power_law_escape import kesten_exponent

    found = kesten_exponent(curvatures, learning_rate)
    return {"nu_kesten": found.value, "kesten_samples": found.effective_samples}


def network_point(settings: Mapping[str, Any]) -> Point:
    """Return the network whose local noise is measured."""
    return Point.create(
        n_train=512, n_test=600, width=32, depth=2, alpha=1.0, loss="logistic",
        activation=settings["activation"], learning_rate=0.5, batch_size=16,
        max_presentations=10**9, dtype="float64",
    )  # fmt: skip


@functools.lru_cache(maxsize=8)
def _trained(activation: str, epoch: int, seed: int) -> Any:
    """Return the sample losses and the weights of a trained network."""
    from trainers.models.replica import prepare_replica
    from trainers.noise.sample_losses import replica_loss
    from trainers.noise.walk import train_steps

    point = network_point({"activation": activation})
    loss = replica_loss(prepare_replica(point, Seeds.shared(seed)))
    steps = round(epoch * point.n_train / point.batch_size)
    return loss, train_steps(loss, point.learning_rate, point.batch_size, steps, seed)


def _network(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from trainers.noise.local_noise import local_noise, random_direction, top_direction
    from trainers.threads import one_torch_thread

    point = network_point(settings)
    with one_torch_thread():
        loss, weights = _trained(settings["activation"], settings["epoch"], seed)
        if settings["direction"] == "top":
            direction = top_direction(loss, weights, seed)
        else:
            direction = random_direction(weights, seed)
        first = local_noise(loss, weights, direction, 0.01)
        width = first.stationary_width(point.learning_rate, point.batch_size)
        if not np.isfinite(width):
            width = 0.01
        found = local_noise(loss, weights, direction, settings["width_factor"] * width)
    return {
        "half_width": found.half_width,
        "hessian": found.curvature,
        "c0": found.c0,
        "c1": found.c1,
        "c2": found.c2,
        "r_squared": found.r_squared,
        "gradient": found.gradient,
        "kappa": found.kappa(point.learning_rate, point.batch_size),
    }


_MEASURES: dict[str, Callable[[Mapping[str, Any], int], dict[str, Any]]] = {
    "levy": _levy,
    "box": _box,
    "schedule": _schedule,
    "well": _well,
    "stationary": _stationary,
    "random_curvature": _random_curvature,
    "regression": _regression,
    "network": _network,
}
