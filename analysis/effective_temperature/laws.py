"""Power laws between temperatures, noise and distances, with errors from leaving out seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analysis.arrays import FloatArray
from analysis.effective_temperature.table import ReplicaCell, TemperatureCell
from analysis.estimates import Estimate, estimate_from_error, jackknife_stderr
from analysis.fits.form import Form
from analysis.fits.power_law import PowerLaw


def _positions(x: FloatArray) -> str:
    return f"x = {x.min():.3g}..{x.max():.3g}"


UNWEIGHTED = Form(
    "C x^g",
    falling=False,
    axis="x",
    range_of=_positions,
    needed=(2, 1.0),
    fewest=(2, 1.000001),
)


def fit_log_law(
    x: Sequence[float],
    y: Sequence[float],
    left_out: Sequence[Sequence[float]],
    *,
    definition: str,
    fit_range: str,
) -> PowerLaw:
    """Fit a power law; `left_out` holds y without each seed in turn, one sequence per seed.

    All points have equal weight.

    Examples
    --------
    >>> law = fit_log_law([1, 10], [2, 20], [], definition="", fit_range="")
    >>> round(law.slope.value, 9), round(law.prefactor.value, 9)
    (1.0, 2.0)
    """
    order = np.argsort(x)
    others = np.asarray(left_out, dtype=np.float64).reshape(len(left_out), len(x))
    return PowerLaw(
        "y",
        np.asarray(x, dtype=np.float64)[order],
        np.log(y)[order],
        np.ones(len(x)),
        np.log(others)[:, order],
        max(1, len(left_out)),
        form=UNWEIGHTED,
        definition=definition,
        where=fit_range,
        jackknife=True,
    )


def secants(cells: Sequence[TemperatureCell]) -> list[float]:
    """Return T_sec of every cell."""
    return [cell.found.slopes["secant"] for cell in cells]


def secants_left_out(cells: Sequence[TemperatureCell]) -> list[list[float]]:
    """Return T_sec of every cell without each seed; none unless all cells share their seeds."""
    if len({cell.seeds for cell in cells}) != 1:
        return []
    n = len(cells[0].found.left_out)
    return [[cell.found.left_out[k]["secant"] for cell in cells] for k in range(n)]


def distances(cells: Sequence[ReplicaCell]) -> list[float]:
    """Return the mean replica distance of every cell."""
    return [float(cell.columns["replica_distance"].mean()) for cell in cells]


def distances_left_out(cells: Sequence[ReplicaCell]) -> list[list[float]]:
    """Return the mean distance without each seed; none unless all cells share their seeds."""
    n = len(cells[0].seeds)
    if n < 2 or len({cell.seeds for cell in cells}) != 1:
        return []
    return [
        [float(np.delete(cell.columns["replica_distance"], k).mean()) for cell in cells]
        for k in range(n)
    ]


def ratio_estimate(above: TemperatureCell, below: TemperatureCell, definition: str) -> Estimate:
    """Return T_sec of one cell over that of another, seeds paired where they are shared."""
    value = above.found.slopes["secant"] / below.found.slopes["secant"]
    left = secants_left_out([above, below])
    error = jackknife_stderr([math.log(a / b) for a, b in left])
    n = max(1, len(left))
    return estimate_from_error(
        value, error, n - 1, n, definition=definition, fit_range=above.control.label,
        logarithmic=True,
    )  # fmt: skip
