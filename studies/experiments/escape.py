"""Particles with the noise laws of SGD: escapes, schedules, stationary laws, a trained network.

One setting, `dynamics`, says what is simulated; the settings that it does not use are dropped from
its configurations. A row is one block of paths; theory is added by the analysis.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from search_spaces import InvalidSettingError, Point, Seeds
from search_spaces.choices import check_name
from search_spaces.configuration import Configuration
from search_spaces.grid import GridSpace, Setting
from search_spaces.point import positive_integer, positive_number
from studies.grid_experiment import (
    as_text,
    average_numbers,
    grows,
    plain_number,
    read,
    read_table,
    seed_columns,
)

if TYPE_CHECKING:
    from studies.spec import StudySpec

__all__ = ["grows", "read", "read_table", "seed_columns"]

USED = {
    "levy": ("tail_index", "mean_time", "dt"),
    "box": ("box", "dt"),
    "schedule": ("tail_index", "schedule", "n_steps"),
    "well": ("sigma_h", "barrier", "dt"),
    "stationary": ("convention", "sigma_h", "dt"),
    "random_curvature": ("curvature", "learning_rate"),
    "regression": ("learning_rate", "batch_size", "share"),
    "network": ("activation", "epoch", "direction", "width_factor"),
}
"""Settings of each kind of dynamics beside n_paths."""

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


def _name(*allowed: str) -> Callable[[str, Any], str]:
    return lambda name, raw: check_name(name, raw, allowed)


def _text(name: str, raw: Any) -> str:
    return str(raw)


def _not_negative(name: str, raw: Any) -> float:
    return 0.0 if raw == 0 else positive_number(name, raw)


def _tail_index(name: str, raw: Any) -> float:
    value = positive_number(name, raw)
    if value >= 2:
        raise InvalidSettingError(f"{name}={raw!r} must be below 2: a Gaussian does not jump")
    return value


SETTINGS = (
    Setting("dynamics", "levy", _name(*USED)),
    Setting("n_paths", 500, positive_integer),
    Setting("tail_index", 1.5, _tail_index),
    Setting("mean_time", 400.0, positive_number),
    Setting("box", "four", _name(*BOXES)),
    Setting("schedule", "constant", _name(*SCHEDULES)),
    Setting("n_steps", 4000, positive_integer),
    Setting("convention", "ito", _name("ito", "stratonovich", "paper")),
    Setting("sigma_h", 8.0, _not_negative),
    Setting("barrier", 0.1, positive_number),
    Setting("curvature", 0.1, positive_number),
    Setting("learning_rate", 0.1, positive_number),
    Setting("batch_size", 1, positive_integer),
    Setting("share", 1.0, positive_number),
    Setting("activation", "relu", _text),
    Setting("epoch", 30, positive_integer),
    Setting("direction", "top", _name(*DIRECTIONS)),
    Setting("width_factor", 1.0, positive_number),
    Setting("dt", 0.01, positive_number),
)
KEYS = (*(setting.name for setting in SETTINGS), "n_seeds", "first_seed")
SHOWN = ("dynamics", "tail_index", "sigma_h")
PARAMS = KEYS[:-2]


def space(**settings: Any) -> GridSpace:
    """Return the grid of one kind of dynamics, or of several."""
    return GridSpace("escape", SETTINGS, _build, **settings)


def _build(values: dict[str, Any]) -> Mapping[str, Any]:
    used = USED[values["dynamics"]]
    return {name: values[name] for name in ("dynamics", "n_paths", *used)}


def check(spec: StudySpec) -> str:
    """Refuse a network that has no torch description."""
    if any(c["dynamics"] == "network" for c in spec.points()):
        from trainers.sample_losses import check_describable

        for configuration in spec.points():
            if configuration["dynamics"] == "network":
                check_describable(_point(dict(configuration.settings)))
    return "numba"


def prepare(spec: StudySpec, backend: str) -> None:
    """Compile the walks once, not in every worker."""
    from trainers.diffusion import (
        PowerLawDynamics,
        simulate_levy,
        simulate_regression,
        simulate_schedule,
    )

    simulate_levy(1.5, 0.1, 1.0, max_time=0.1, n_paths=1, seed=0)
    simulate_schedule(1.5, np.ones(2), np.ones(2), n_paths=1, seed=0)
    dynamics = PowerLawDynamics(1.0, 0.1)
    dynamics.samples(1, 1, burn_time=0.0, interval=0.1, dt=0.1, seed=0)
    dynamics.exit_times(1.0, dt=0.1, max_time=0.2, n_paths=1, seed=0)
    simulate_regression(0.1, n_paths=1, n_kept=1, n_burn=0, seed=0)


def measure(
    configuration: Configuration, seeds: Sequence[int], backend: str
) -> list[dict[str, Any]]:
    """Simulate one block of paths per seed."""
    settings = dict(configuration.settings)
    run = _MEASURES[settings["dynamics"]]
    return [_plain(run(settings, seed)) for seed in seeds]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int) else plain_number(value)
        for name, value in row.items()
    }


def _levy(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from analysis.escape import distance_to_exponential, noise_scale_for
    from trainers.diffusion import simulate_levy

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
    from analysis.escape import levy_escape
    from trainers.diffusion import simulate_levy

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
    from analysis.escape import schedule_survival

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
    from analysis.escape import schedule_survival
    from trainers.diffusion import simulate_schedule

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
    from analysis.escape_power_law import log_well_escape
    from trainers.diffusion import PowerLawDynamics

    width = float(np.sqrt(2 * settings["barrier"]))
    dynamics = PowerLawDynamics(1.0, LEARNING_RATE, 1.0, settings["sigma_h"])
    expected = log_well_escape(width, 1.0, LEARNING_RATE, 1.0, settings["sigma_h"])
    exits = dynamics.exit_times(
        width, dt=settings["dt"], max_time=30 * float(np.exp(expected)),
        n_paths=settings["n_paths"], seed=seed,
    )  # fmt: skip
    return {"log_time": float(np.log(exits.mean_time)), "n_exits": int(exits.exited.sum())}


def _stationary(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from trainers.diffusion import PowerLawDynamics

    dynamics = PowerLawDynamics(
        1.0, LEARNING_RATE, 1.0, settings["sigma_h"], settings["convention"]
    )
    samples = dynamics.samples(
        settings["n_paths"], 15, burn_time=12, interval=2, dt=settings["dt"], seed=seed
    )
    return _law_of(samples)


def _law_of(samples: np.ndarray) -> dict[str, Any]:
    from analysis.escape_power_law import hill_exponent
    from analysis.student_law import fit_student

    fit = fit_student(samples.ravel())
    return {
        "kappa": float(fit.kappa[0]),
        "rho": float(fit.rho[0]),
        "variance": float(samples.var()),
        "nu_hill": hill_exponent(samples),
    }


_N_CURVATURES = 400_000


def _random_curvature(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from trainers.diffusion import PowerLawDynamics
    from trainers.streams import Purpose, generator

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
    from trainers.diffusion import simulate_regression
    from trainers.streams import Purpose, generator

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
    from analysis.escape_power_law import kesten_exponent

    found = kesten_exponent(curvatures, learning_rate)
    return {"nu_kesten": found.value, "kesten_samples": found.effective_samples}


def _point(settings: Mapping[str, Any]) -> Point:
    return Point.create(
        n_train=512, n_test=600, width=32, depth=2, alpha=1.0, loss="logistic",
        activation=settings["activation"], learning_rate=0.5, batch_size=16,
        max_presentations=10**9, dtype="float64",
    )  # fmt: skip


@functools.lru_cache(maxsize=8)
def _trained(activation: str, epoch: int, seed: int) -> Any:
    """Return the sample losses and the weights of a trained network."""
    from trainers.models import prepare_replica
    from trainers.sample_losses import replica_loss
    from trainers.torch_sgd import train_steps

    point = _point({"activation": activation})
    loss = replica_loss(prepare_replica(point, Seeds.shared(seed)))
    steps = round(epoch * point.n_train / point.batch_size)
    return loss, train_steps(loss, point.learning_rate, point.batch_size, steps, seed)


def _network(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    from trainers.local_noise import local_noise, random_direction, top_direction
    from trainers.torch_sgd import one_thread

    point = _point(settings)
    with one_thread():
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


def expected_seconds(configuration: Configuration) -> float:
    """Rough time of one block of paths, from its number of steps."""
    s = dict(configuration.settings)
    kind, paths = s["dynamics"], s["n_paths"]
    if kind == "levy":
        steps = s["mean_time"] / s["dt"]
    elif kind == "box":
        steps = {"four": 48.3 * 4, "three": 339 * 3, "two": 657 * 2}[s["box"]] / s["dt"]
    elif kind == "schedule":
        steps = 0.6 * s["n_steps"]
    elif kind == "well":
        steps = 50 / s["dt"]
    elif kind == "stationary":
        steps = 40 / s["dt"]
    elif kind == "random_curvature":
        steps = 210 / (s["curvature"] * s["learning_rate"])
    elif kind == "regression":
        steps = 210 / s["learning_rate"] * s["batch_size"]
    else:
        return 0.03 * s["epoch"]
    return 0.05 + 1.2e-7 * paths * steps


def average(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return means of what was measured."""
    return average_numbers(rows, KEYS)


def conditional_on(spec: StudySpec) -> str:
    """Return the models."""
    return "these model dynamics"
