"""What the test error says about its own temperatures: two claims, judged apart.

The rise belongs to T_noise and should not depend on P; the fall should share the exponent of
T_lazy. Where exponent and amplitude cannot be told apart the second is neither confirmed nor
refuted.
"""

from __future__ import annotations

import math

from analysis.claims import (
    CONTRADICTED,
    ESTABLISHED,
    LITERATURE,
    NOT_ESTABLISHED,
    Verdict,
)
from analysis.critical_temperature.grid_law import GridLaw
from analysis.estimates import student_factor
from analysis.fits.power_law import FLAT, PowerLaw
from analysis.locating.located import CriticalTemperatures


def judge_rise(claim: str, law: GridLaw) -> Verdict:
    """Judge whether T_test,up depends on P."""
    onsets = law.onsets.up
    fit = law.onset_fits[onsets.name]
    if fit.quoted is None:
        return Verdict(claim, NOT_ESTABLISHED, _refusals(fit, onsets))
    a, error = fit.quoted.value, fit.quoted.stderr
    span = math.log(fit.span)
    reason = f"{onsets.symbol}: a = {fit.exponent} over {fit.fit_range}"
    if not error:
        return Verdict(claim, NOT_ESTABLISHED, f"{reason}; no error bars", None, a)
    numbers = (a, error, a / error)
    change = 100 * math.expm1(abs(a) * span)
    if (abs(a) + 2 * error) * span < FLAT:
        reason = f"P-independent within {change:.0f} %: {reason}"
        return Verdict(claim, ESTABLISHED, reason, None, *numbers)
    if (abs(a) - 2 * error) * span > FLAT:
        return Verdict(claim, CONTRADICTED, reason, None, *numbers)
    reason += "; the error does not tell a change of 28 % from none, more seeds would settle it"
    return Verdict(claim, NOT_ESTABLISHED, reason, None, *numbers)


def judge_fall(claim: str, law: GridLaw) -> Verdict:
    """Judge whether the fall shares the exponent of T_lazy."""
    fit = law.error_law
    if fit is None:
        reason = law.unmeasured()[law.key("a", "test")]
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
    chi2 = (
        f"chi2 = {fit.chi2:.1f} for {fit.dof} degrees of freedom, {fit.chi2_constant:.1f} at q = 0"
    )
    numbers = (fit.a.value, fit.a.stderr)
    if not fit.identifiable or not fit.a.stderr:
        reason = f"a_test {fit.reason}; {chi2}; neither confirmed nor refuted"
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE, *numbers)
    reason = f"a_test = {fit.a} with q = {fit.q}; {chi2}"
    difference = law.difference_from_error_law()
    if difference is None or not difference.stderr:
        reason += f"; {law.fit.symbol} has no exponent to compare with"
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE, *numbers)
    error = math.hypot(difference.stderr, fit.systematic or 0.0)
    pull = difference.value / error
    limit = student_factor(law.n_seeds)
    status = ESTABLISHED if abs(pull) <= limit else NOT_ESTABLISHED
    if abs(pull) > 1.5 * limit:
        status = CONTRADICTED
    reason += f"; it differs from a of {law.fit.symbol} by {difference}, {pull:+.1f} errors" + (
        "" if fit.systematic is None else f" with the systematic ±{fit.systematic:.2f}"
    )
    return Verdict(claim, status, reason, LITERATURE, *numbers, pull)


def _refusals(fit: PowerLaw, onsets: CriticalTemperatures) -> str:
    return "; ".join([*fit.remarks[:1], *(p.message for p in onsets.refused if p.message)])
