"""The forests of the further studies that quote an exponent."""

from __future__ import annotations

from functools import partial

import numpy as np

from analysis.batch_regimes.study import BatchPlane
from analysis.curves import BoolArray, IntArray
from analysis.effective_temperature.laws import LogLaw
from analysis.effective_temperature.study import TemperatureResult
from analysis.estimates import Estimate
from analysis.fits.alpha_law import AlphaLaw
from analysis.fits.forest import Forest, ForestRow, negated, slope_rows
from analysis.optimal_temperature.study import OptimalLaw
from analysis.perceptron_exponents.laws import PerceptronLaws
from analysis.perceptron_exponents.seed_means import GrowthLaw, fit_growth
from analysis.phase_diagram.study import PhaseDiagram


def perceptron_forests(law: PerceptronLaws) -> tuple[Forest, ...]:
    """Return gamma and b without each P in turn, and gamma by every quantity that has it."""
    if law.sizes is None:
        return ()
    gamma = _growth_rows(r"$\gamma$ of $w_1/w_\perp$", law.sizes.signal_to_noise)
    gamma += (ForestRow(r"$\gamma$ of $\Vert w\Vert$", law.sizes.weight_norm.exponent),)
    if law.batches is not None and law.batches.crossover is not None:
        gamma += (ForestRow(r"$\gamma$ of $B^*$", law.batches.crossover.exponent),)
    time = _growth_rows(r"$b$ of $t^*/T$", law.sizes.training_time)
    return (
        Forest(r"exponent  $\gamma$", gamma, law.theory.gamma),
        Forest(r"exponent  $b$", time, law.theory.b),
    )


def _growth_rows(name: str, law: GrowthLaw) -> tuple[ForestRow, ...]:
    def fit(keep: BoolArray) -> Estimate | None:
        part = fit_growth(
            law.means.select(keep),
            law.exponent.definition,
            f"P = {law.means.positions[keep][0]:g}..{law.means.positions[keep][-1]:g}",
            len(law.replicates),
            seed=0,
        )
        return None if part is None else part.exponent

    return slope_rows("P", law.means.positions, law.exponent, fit, name)


def batch_forests(plane: BatchPlane) -> tuple[Forest, ...]:
    """Return the exponent of B* at every temperature, without each P in turn."""
    forests = []
    for law in plane.laws:
        if law.exponent is None:
            continue
        rows = [ForestRow("all sizes", law.exponent, is_headline=True)]
        rows += [
            ForestRow(f"without $P = {size}$", negated(estimate))
            for size, estimate in law.fit.leave_one_out.items()
        ]
        rows += [
            ForestRow(rf"$P \geq {size}$", negated(estimate))
            for size, estimate in list(law.fit.from_size.items())[2:]
        ]
        label = f"T = {law.temperature:.3g}"
        forests.append(Forest(r"exponent of $B^*$", tuple(rows), label=label))
    return tuple(forests)


def phase_forests(diagram: PhaseDiagram) -> tuple[Forest, ...]:
    """Return the slopes of T_noise on both sides, without each alpha in turn."""
    theory = diagram.feature_slope
    sides = (
        ("α ≥ 10", diagram.lazy_law, -1.0),
        ("α ≤ 0.1", diagram.feature_law, theory),
    )
    return tuple(
        Forest(r"exponent of $T_\mathrm{noise}$", rows, expected, side)
        for side, law, expected in sides
        if (rows := _alpha_rows(r"all $\alpha$", law))
    )


def optimal_forests(law: OptimalLaw) -> tuple[Forest, ...]:
    """Return k by polynomial and without each alpha in turn."""
    rows = _alpha_rows(r"$k$, cubic", law.law)
    if not rows:
        return ()
    if law.check.exponent is not None:
        rows += (ForestRow(r"$k$, quadratic", law.check.exponent),)
    return (Forest(r"exponent  $k$", rows, law.predicted, systematic=law.systematic),)


def _alpha_rows(name: str, law: AlphaLaw) -> tuple[ForestRow, ...]:
    if law.exponent is None:
        return ()
    rows = slope_rows(r"\alpha", law.alphas, law.exponent, partial(_part, law), name)
    return rows if len(rows) > 1 else ()


def _part(law: AlphaLaw, keep: BoolArray) -> Estimate | None:
    return law.part(keep).exponent


def temperature_forests(result: TemperatureResult) -> tuple[Forest, ...]:
    """Return the slopes of the laws of temperature, without each point in turn."""
    symbols = {
        "T_sec,noise": (r"$T_\mathrm{sec}$ against $x = \eta(1-b)/b$", "x", 1.0),
        "T_sec,eta,persistent": (r"$T_\mathrm{sec}$ (persistent) against $\eta$", r"\eta", 0.0),
        "D,T_sec": (r"replica distance against $T_\mathrm{sec}$", r"T_\mathrm{sec}", 1.0),
    }
    forests = []
    for key, law in result.laws.items():
        label, symbol, expected = symbols[key]
        order = np.argsort(law.x)
        part = partial(_log_part, law, order)
        rows = slope_rows(symbol, law.x[order], law.slope, part, "all points")
        if len(rows) > 1:
            forests.append(Forest("slope", rows, expected, label))
    return tuple(forests)


def _log_part(law: LogLaw, order: IntArray, keep: BoolArray) -> Estimate | None:
    return law.part(order[keep]).slope
