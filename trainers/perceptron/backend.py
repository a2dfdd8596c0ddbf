"""The perceptron behind the trainers' door: points and seeds in, measurements out.

f(w, x) = w.x/sqrt(d), no hidden layer, w(0) = 0, hinge loss with margin 1/alpha on f. Its
training is a random walk that can be drawn without its idle steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from search_spaces import Point, Seeds
from trainers.batches.ahead import batch_draw
from trainers.batches.fixed_size import FULL_BATCH, WITH_REPLACEMENT, WITHOUT_REPLACEMENT
from trainers.data import dataset_of, signed_inputs
from trainers.known import check_settings
from trainers.measurement import Measurement
from trainers.perceptron.events import (
    TRAJECTORY,
    fill_products,
    run_perceptron,
)
from trainers.perceptron.sequential import run_sequential
from trainers.stopping import STOP_REASONS, step_limit

UPDATE_LIMIT = 10**9
"""Updates after which a run is censored: a quarter of an hour at least."""
_TRAINABLE = {
    "loss": ("hinge",),
    "bias": (False,),
    "observables": ((),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptronMeasurement(Measurement):
    """Observables of one trained perceptron; its relative weight change does not exist."""

    signal: float
    """w_1, the weight of the direction that decides the label of data=perceptron."""
    signal_to_noise: float
    """w_1/|w_perp|, the inverse of the angle to that direction."""
    trajectory: str
    """After 1, 2, 4, ... updates: step and w_1, as ``step:w_1`` separated by spaces.

    Empty, like the two others, for data whose labels no single direction decides."""


@dataclass(frozen=True)
class PerceptronProblem:
    """One training before its first step."""

    point: Point
    z: np.ndarray
    """y x/sqrt(d) by increasing first component, shape (P, d), in the dtype of the point."""
    signals: np.ndarray
    """The first component, float64; zero if some are negative."""
    radius: float
    """Largest norm of the other components."""
    z_test: np.ndarray
    """The same for the held-out points, in their order."""
    batch_seed: int


def check_perceptron(point: Point) -> None:
    """Raise unless the point is one that is trained here.

    Raises
    ------
    InvalidSettingError
        Naming the setting that no perceptron knows.
    """
    check_settings(point, _TRAINABLE, "by model=perceptron")


def prepare_perceptron(point: Point, seeds: Seeds) -> PerceptronProblem:
    """Draw the data of one replica.

    Raises
    ------
    InvalidSettingError
        If P + n_test exceeds the size of the data set.
    """
    parts = dataset_of(point).split(point, seeds, np.dtype(np.float64))
    z, z_test = (signed_inputs(*part.arrays()) for part in parts)
    return problem_from_margins(point, z, z_test, seeds.batch)


def problem_from_margins(
    point: Point, z: np.ndarray, z_test: np.ndarray, batch_seed: int
) -> PerceptronProblem:
    """Bring z into the order and dtype of the kernel.

    Where its first column has both signs, no point is safe by its signal alone: signals of zero
    make every point a suspect.
    """
    dtype = np.dtype(point.dtype)
    z = np.ascontiguousarray(z[np.argsort(z[:, 0], kind="stable")], dtype)
    others = z[:, 1:].astype(np.float64)
    radius = math.sqrt(np.einsum("ij,ij->i", others, others).max())
    signals = z[:, 0].astype(np.float64)
    if signals[0] < 0:
        signals = np.zeros(len(z))
    return PerceptronProblem(point, z, signals, radius, z_test.astype(dtype), batch_seed)


def train_perceptron(
    problem: PerceptronProblem, max_updates: int = UPDATE_LIMIT
) -> PerceptronMeasurement:
    """Train one replica until it is fitted, or a budget is consumed.

    The hinge loss of a perceptron is convex and its weights cannot run away: `diverged` means
    that they left the range of double precision.

    Parameters
    ----------
    problem
        From :func:`prepare_perceptron`.
    max_updates
        Updates after which the run is censored.
    """
    point = problem.point
    w, trajectory = np.zeros(problem.z.shape[1]), np.zeros((TRAJECTORY, 2))
    law = 1 / point.alpha, point.temperature
    end = step_limit(point), max_updates, w, trajectory
    draw = batch_draw(point, problem.batch_seed)
    if draw.sampling == FULL_BATCH:
        draw = draw._replace(sampling=WITHOUT_REPLACEMENT)  # all P in the order of the stream
    if point.scheme == "jump":
        batches = draw.batch_size, draw.sampling == WITH_REPLACEMENT, draw.seed
        result = run_perceptron(problem.z, problem.signals, problem.radius, *law, *batches, *end)
    else:
        result = run_sequential(problem.z, *law, draw, *end)
    code, *counts = result
    margins, margins_test = margins_of(problem.z, w), margins_of(problem.z_test, w)
    return PerceptronMeasurement.of(
        point,
        "numba",
        STOP_REASONS[code],
        counts,
        point.alpha * margins,
        relative_weight_change=math.nan,  # w0 = 0
        weight_norm=float(np.linalg.norm(w)),
        test_error=_error(margins_test),
        train_error=_error(margins),
        **_signal(point, w, trajectory),
    )


def _signal(point: Point, w: np.ndarray, trajectory: np.ndarray) -> dict[str, Any]:
    """Return the columns that data=perceptron alone has."""
    if point.data != "perceptron":
        return {"signal": math.nan, "signal_to_noise": math.nan, "trajectory": ""}
    signal, noise = float(w[0]), float(np.linalg.norm(w[1:]))
    return {
        "signal": signal,
        "signal_to_noise": signal / noise if noise > 0 else math.inf,
        "trajectory": " ".join(f"{step:.0f}:{w_1:.10g}" for step, w_1 in trajectory if step > 0),
    }


def margins_of(z: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return w.z of every row in float64."""
    margins = np.empty(len(z))
    fill_products(z, 0, len(z), w, margins)
    return margins


def compile_perceptron(dtype: str) -> None:
    """Compile all loops for a dtype into the disk cache; ten seconds the first time."""
    loops: tuple[dict[str, Any], ...] = (
        {"scheme": "jump"},
        {"scheme": "sequential"},
        {"sampling": "bernoulli"},
    )
    for settings in loops:
        point = Point.create(
            model="perceptron", n_train=2, n_test=1, input_dim=2, temperature=1.0, batch_size=1,
            max_presentations=4, dtype=dtype, **settings,
        )  # fmt: skip
        train_perceptron(prepare_perceptron(point, Seeds.shared(0)))


def _error(margins: np.ndarray) -> float:
    """Return the fraction of points with y f <= 0."""
    return (len(margins) - int(np.count_nonzero(margins > 0))) / len(margins)
