"""What a phase diagram establishes: the slopes of T_noise, and two steps of the test error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Verdict
from analysis.fits.alpha_law import pull_from, status_of
from analysis.fits.power_law import PowerLaw
from analysis.key import Key
from analysis.phase_diagram.error_steps import MINIMUM_SEEDS, SIGNIFICANT, ErrorStep
from analysis.table import setting_text

if TYPE_CHECKING:
    from analysis.phase_diagram.diagram import PhaseDiagram

LITERATURE = "Sclocchi, Geiger and Wyart, arXiv:2301.13703"
SLOPE_TOLERANCE = 0.05
"""Departure of the lazy slope from -1 that counts as equal."""


def judge_diagram(diagram: PhaseDiagram) -> dict[Key, Verdict]:
    """Return the verdicts of one diagram by key."""
    where = f" at {diagram.label}" if diagram.label else ""
    k = diagram.feature_slope
    verdicts = {
        diagram.key("T_noise_slope_lazy"): _slope(
            f"T_noise ~ alpha^-1 for alpha >= 10{where}.",
            diagram.lazy_law,
            -1.0,
            SLOPE_TOLERANCE,
        ),
        diagram.key("T_noise_slope_feature"): _slope(
            f"T_noise ~ alpha^k with k = (D-1)/(D+1) = {k:g} for alpha <= 0.1{where}.",
            diagram.feature_law,
            k,
            0.0,
        ),
    }
    for step in diagram.steps:
        verdicts[diagram.step_key(step)] = _step(step, where)
    return verdicts


def _slope(claim: str, law: PowerLaw, expected: float, tolerance: float) -> Verdict:
    if law.exponent is None:
        return Verdict(claim, NOT_ESTABLISHED, law.remarks[0], LITERATURE)
    exponent = law.exponent
    pull = pull_from(exponent, expected)
    reason = f"slope {exponent}, {law.fit_range}, {exponent.n} seeds"
    if pull is None:
        reason += "; no error bars, since there is one replica"
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE, exponent.value)
    reason += f": {pull:+.1f} standard errors from {expected:g}"
    if tolerance:
        reason += f", tolerance {tolerance:g}"
    return Verdict(
        claim,
        status_of(exponent, expected, tolerance),
        reason,
        LITERATURE,
        exponent.value,
        exponent.stderr,
        pull,
    )


def _step(step: ErrorStep, where: str) -> Verdict:
    cause = "where noise sets in" if step.name == "rise" else "on leaving the lazy regime"
    verb = "rises" if step.name == "rise" else "falls"
    claim = f"The test error {verb} {cause}, alpha = {setting_text(step.alpha)}{where}."
    estimate = step.difference
    reason = (
        f"{estimate} from T = {step.lower[0]:.3g}..{step.lower[-1]:.3g} to "
        f"{step.upper[0]:.3g}..{step.upper[-1]:.3g}, {estimate.n} paired seeds"
    )
    pull = step.significance
    if pull is None or estimate.n < MINIMUM_SEEDS:
        needed = f", needed S = {max(step.needed_seeds or 0, MINIMUM_SEEDS)}"
        status, reason = NOT_ESTABLISHED, f"insufficient seeds{needed}: {reason}"
        return Verdict(claim, status, reason, LITERATURE, estimate.value, estimate.stderr, pull)
    reason += f", {pull:+.1f} standard errors in the expected direction"
    status = ESTABLISHED if pull > SIGNIFICANT else NOT_ESTABLISHED
    if pull < -SIGNIFICANT:
        status = CONTRADICTED
    needed_seeds = step.needed_seeds
    if status == NOT_ESTABLISHED and needed_seeds is not None and needed_seeds > estimate.n:
        reason = f"insufficient seeds, needed S = {needed_seeds}: {reason}"
    return Verdict(claim, status, reason, LITERATURE, estimate.value, estimate.stderr, pull)
