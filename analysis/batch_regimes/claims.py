"""What a (B, eta) plane establishes: that only T matters at small B, and B* ~ P^g."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from analysis.batch_regimes.plane import SMALL_BATCH
from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Verdict
from analysis.estimates import Estimate, format_value
from analysis.key import Key

if TYPE_CHECKING:
    from analysis.batch_regimes.plane import BatchCell, BatchPlane

LITERATURE = "Sclocchi and Wyart, arXiv:2309.10688"
TOLERANCE = 0.04
"""Departure of a weight change at B <= 4 that counts as equal."""
TIME_TOLERANCE = 0.10
"""The same for the training time, whose logarithm scatters by 0.4 between seeds."""
ERROR_TOLERANCE = 0.10
"""The same for the test error, relative to its level."""
_TWO = 2.0


def judge_plane(plane: BatchPlane) -> dict[Key, Verdict]:
    """Return the verdicts of one plane by key."""
    verdicts: dict[Key, Verdict] = {}
    for size in plane.grid.sizes:
        where = f" at P = {size}{f', {plane.label}' if plane.label else ''}"
        verdicts[plane.key("only_T_matters", n_train=size)] = _only_temperature(
            plane, int(size), where
        )
        for name, words, tolerance in (
            ("training_time", "training time t*", math.log1p(TIME_TOLERANCE)),
            ("test_error", "test error", _error_tolerance(plane, int(size))),
        ):
            pooled = plane.pooled.get((int(size), name))
            if pooled is not None:
                claim = f"The {words} does not depend on B for B <= {SMALL_BATCH}{where}."
                key = plane.key(f"{name}_independent_of_B", n_train=size)
                verdicts[key] = _equal(claim, pooled, tolerance, name)
    verdicts[plane.key("B_star_grows_with_P")] = _growth(plane)
    return verdicts


def small_cells(plane: BatchPlane, size: int) -> list[BatchCell]:
    """Return the cells of one size with 1 < B <= 4 and a stable step."""
    return [
        cell
        for cell in plane.cells
        if cell.n_train == size
        and cell.is_calm
        and cell.batch_size <= SMALL_BATCH
        and cell.weight_change is not None
    ]


def _only_temperature(plane: BatchPlane, size: int, where: str) -> Verdict:
    claim = (
        f"The weight change depends on eta and B through T = eta/B alone for B <= {SMALL_BATCH}, "
        f"within {100 * TOLERANCE:g} %{where}."
    )
    cells = small_cells(plane, size)
    changes = [(cell, cell.weight_change) for cell in cells if cell.weight_change is not None]
    if not changes:
        reason = f"no two batch sizes up to {SMALL_BATCH} with eta <= eta_max/2 at equal T"
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
    status, reason, change = _judge_changes(plane, changes)
    pull = change.value / change.stderr if change.stderr else None
    return Verdict(
        claim, status, reason, LITERATURE, math.exp(change.value), _ratio_error(change), pull
    )


_Change = tuple["BatchCell", Estimate]


def _judge_changes(plane: BatchPlane, changes: list[_Change]) -> tuple[str, str, Estimate]:
    """Return status, reason and the ratio that decided."""
    limit = math.log1p(TOLERANCE)

    def excess(change: _Change) -> float:
        error = change[1].stderr
        return (abs(change[1].value) - limit) / error if error else -math.inf

    cell, worst = max(changes, key=lambda change: abs(change[1].value))
    strongest = max(changes, key=excess)
    fewest = min(e.n for _, e in changes)
    base = f"of {len(changes)} ratios paired by seed (at least {fewest} seeds)"
    farthest = f"{base}, the farthest from one is {_ratio(worst)} at {_place(cell)}"
    if excess(strongest) > _TWO:
        cell, strong = strongest
        reason = (
            f"{base}, dw changes by the factor {_ratio(strong)} at {_place(cell)}, beyond "
            f"{100 * TOLERANCE:g} % by {excess(strongest):.1f} standard errors"
        )
        return CONTRADICTED, reason + _near(plane, cell), strong
    if abs(worst.value) <= limit and _resolved(changes, limit):
        return ESTABLISHED, farthest, worst
    needed = max(math.ceil(e.n * (3 * (e.stderr or 0.0) / TOLERANCE) ** 2) for _, e in changes)
    needed = max(needed, worst.n + 1)
    return NOT_ESTABLISHED, f"insufficient seeds, needed S = {needed}: {farthest}", worst


def _resolved(changes: list[_Change], limit: float) -> bool:
    """Whether every ratio is known to half of the tolerance."""
    return all(e.stderr is not None and e.stderr <= limit / 2 for _, e in changes)


def _near(plane: BatchPlane, cell: BatchCell) -> str:
    """Say where B* lies if the cell is not well below it."""
    for law in plane.laws:
        for batch in law.batches:
            same = batch.n_train == cell.n_train and batch.temperature == cell.temperature
            if same and batch.value is not None and cell.batch_size > batch.value / 3:
                return f"; B* = {batch.value:.1f} there"
    return ""


def _place(cell: BatchCell) -> str:
    return f"T = {cell.temperature:.3g}, B = {cell.batch_size}"


def _ratio(estimate: Estimate) -> str:
    return format_value(math.exp(estimate.value), _ratio_error(estimate))


def _ratio_error(estimate: Estimate) -> float | None:
    return None if not estimate.stderr else math.exp(estimate.value) * estimate.stderr


def _error_tolerance(plane: BatchPlane, size: int) -> float:
    if not plane.grid.has("test_error"):
        return math.nan
    means = plane.grid.means("test_error")[plane.grid.sizes == size]
    known = means[np.isfinite(means)]
    return ERROR_TOLERANCE * float(known.mean()) if known.size else math.nan


def _equal(claim: str, pooled: Estimate, tolerance: float, name: str) -> Verdict:
    """Judge a pooled difference against a tolerance with two standard errors to spare."""
    error = pooled.stderr
    shown = f"ratio {_ratio(pooled)}" if name == "training_time" else f"difference {pooled}"
    limit = f"{math.expm1(tolerance):.2g}" if name == "training_time" else f"{tolerance:.2g}"
    reason = f"{shown}, pooled over {pooled.fit_range}, {pooled.n} seeds; tolerance {limit}"
    if not error:
        reason += "; no error bars, since there is one replica"
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE, pooled.value)
    status = NOT_ESTABLISHED
    if abs(pooled.value) + _TWO * error <= tolerance:
        status = ESTABLISHED
    elif abs(pooled.value) - _TWO * error > tolerance:
        status = CONTRADICTED
    else:
        needed = math.ceil(pooled.n * (3 * error / tolerance) ** 2)
        if needed > pooled.n:
            reason = f"insufficient seeds, needed S = {needed}: {reason}"
    pull = pooled.value / error
    return Verdict(claim, status, reason, LITERATURE, pooled.value, error, pull)


def _growth(plane: BatchPlane) -> Verdict:
    where = f" at {plane.label}" if plane.label else ""
    claim = f"B* grows as a power of P{where}."
    law = plane.headline_law
    if law.exponent is None:
        messages = [batch.message for batch in law.batches if batch.message]
        reason = "; ".join([law.fit.remarks[0], *messages])
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
    g = law.exponent
    reason = f"g = {g} at T = {law.temperature:.3g}, {law.fit.fit_range}, {len(law.located)} sizes"
    if law.fit.p_value is not None:
        reason += f", chi2/dof = {law.fit.chi2:.1f}/{law.fit.dof}"
    if not g.stderr or g.interval95 is None:
        return Verdict(claim, NOT_ESTABLISHED, f"{reason}; no error bars", LITERATURE, g.value)
    status = ESTABLISHED if g.interval95[0] > 0 else NOT_ESTABLISHED
    if g.interval95[1] < 0:
        status = CONTRADICTED
    return Verdict(claim, status, reason, LITERATURE, g.value, g.stderr, g.value / g.stderr)
