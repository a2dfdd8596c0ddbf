"""What the data establish, contradict or leave open, and which data would settle it.

A verdict is a sentence with a number or a reason. The power law of T_lazy(c) is established only
if no light is red; everything else (other c, the prediction gamma/delta, T_noise) has a verdict of
its own beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from analysis.claims import (
    CONTRADICTED,
    ESTABLISHED,
    LITERATURE,
    NOT_ESTABLISHED,
    Light,
    Verdict,
)
from analysis.critical_temperature.adaptive_law import ADAPTIVE_ONLY
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.test_error.claims import judge_fall, judge_rise
from analysis.estimates import format_value, student_factor
from analysis.fits.collapse import LARGEST_QUALITY
from analysis.fits.collapse_quality import MINIMUM_OVERLAP
from analysis.fits.form import MINIMUM_RANGE, MINIMUM_SIZES
from analysis.fits.power_law import FLAT, PowerLaw
from analysis.key import Key

ACCEPTABLE_P_VALUE = 0.01
LARGEST_CENSORED_FRACTION = 0.05
NEGLIGIBLE_EXPONENT = 0.1
"""|x| below which t*/T ~ T^x counts as independent of T: 26 % per decade."""


def lights(law: ScalingLaw) -> tuple[Light, ...]:
    """Return the six conditions of the headline law, in the order of the report."""
    fit = law.fit
    return (
        _enough_sizes(fit),
        _enough_range(fit),
        _acceptable_chi2(fit),
        _stable_without_each_size(fit),
        _only_temperature(law),
        _few_censored(law),
    )


def judge(law: ScalingLaw) -> dict[Key, Verdict]:
    """Return the verdicts of one law by key."""
    verdicts = {
        law.key("power_law"): _power_law(law),
        law.key("only_T_matters"): Verdict(
            f"The weight change depends on eta and B through T = eta/B alone{_where(law)}.",
            law.batches.status,
            law.batches.reason,
            LITERATURE,
            *_worst_ratio(law),
        ),
    }
    for name, (text, judged) in _ON_A_GRID.items():
        claim = f"{text.format(symbol=law.fit.symbol)}{_where(law)}."
        if isinstance(law, GridLaw):
            verdicts[law.key(name)] = judged(claim, law)
        else:
            source = None if judged is judge_rise else LITERATURE
            verdicts[law.key(name)] = Verdict(claim, NOT_ESTABLISHED, ADAPTIVE_ONLY, source)
    return verdicts


def _worst_ratio(law: ScalingLaw) -> tuple[float | None, float | None, float | None]:
    """The farthest ratio of weight changes, its error and its departure from one."""
    worst = law.batches.farthest
    if worst is None:
        return None, None, None
    error = None if worst.log_stderr is None else worst.ratio * worst.log_stderr
    if not worst.log_stderr:
        return worst.ratio, error, None
    return worst.ratio, error, math.log(worst.ratio) / worst.log_stderr


def _training_time(claim: str, law: GridLaw) -> Verdict:
    fit = law.companions.training_time
    if fit is None:
        reason = law.companions.refusal or "the table holds no training times"
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
    x, b = fit.temperature_exponent, fit.size_exponent
    reason = f"t*/T ~ T^x with x = {x} over {x.fit_range}, b = {b}"
    if not x.stderr:
        return Verdict(claim, NOT_ESTABLISHED, f"{reason}; no error bars", LITERATURE, x.value)
    pull = x.value / x.stderr
    numbers = (x.value, x.stderr, pull)
    if abs(x.value) + 2 * x.stderr < NEGLIGIBLE_EXPONENT:
        return Verdict(claim, ESTABLISHED, f"{reason}: below 0.1", LITERATURE, *numbers)
    if abs(x.value) - 2 * x.stderr > NEGLIGIBLE_EXPONENT:
        return Verdict(claim, CONTRADICTED, f"{reason}: above 0.1", LITERATURE, *numbers)
    reason += ": neither below nor above 0.1 by two standard errors; more seeds would settle it"
    return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE, *numbers)


def _collapse(claim: str, law: GridLaw) -> Verdict:
    fit = law.collapse
    if fit is None or fit.a is None or fit.quality is None or not fit.overlaps:
        reason = law.unmeasured()[law.key("a", "collapse")]
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
    numbers = (fit.a.value, fit.a.stderr)
    if not fit.determined:
        torn = fit.quality.fraction >= MINIMUM_OVERLAP and len(fit.data.log_sizes) >= 3
        clash = torn and fit.quality.value > LARGEST_QUALITY and law.n_seeds > 1
        status = CONTRADICTED if clash else NOT_ESTABLISHED
        return Verdict(claim, status, "; ".join(fit.remarks), LITERATURE, *numbers)
    reason = f"{fit}, {fit.a.fit_range}"
    if fit.opinion is not None:
        width = "" if fit.opinion.width is None else f" ± {fit.opinion.width:.3f} (width)"
        reason += f"; without errors (Bhattacharjee-Seno) a = {fit.opinion.a:.3f}{width}"
    difference = law.difference_from_collapse()
    pull = None
    if difference is not None and difference.stderr:
        pull = difference.value / difference.stderr
        reason += (
            f"; it averages a(c) over the weight changes in the window and differs from a of "
            f"{law.fit.symbol} by {difference}, {pull:+.1f} standard errors"
        )
    reason = "; ".join([reason, *fit.remarks])
    return Verdict(claim, ESTABLISHED, reason, LITERATURE, *numbers, pull)


def _where(law: ScalingLaw) -> str:
    return f" at {law.label}" if law.label else ""


def _enough_sizes(fit: PowerLaw) -> Light:
    n = len(fit.x)
    state = "green" if n >= MINIMUM_SIZES else "red"
    remedy = f"measure at least {MINIMUM_SIZES} sizes P with a valid {fit.symbol}"
    return Light(f"sizes ≥ {MINIMUM_SIZES}", state, f"{n} sizes with a valid {fit.symbol}", remedy)


def _enough_range(fit: PowerLaw) -> Light:
    ratio = fit.span if len(fit.x) else 0.0
    state = "green" if ratio >= MINIMUM_RANGE else "red"
    remedy = f"extend P to a range of at least a factor {MINIMUM_RANGE:g}"
    return Light(f"P range ≥ ×{MINIMUM_RANGE:g}", state, f"×{ratio:.3g}", remedy)


def _acceptable_chi2(fit: PowerLaw) -> Light:
    name = "χ² acceptable"
    if fit.p_value is None:
        return Light(name, "not measured", "no degrees of freedom")
    reason = f"χ²/dof = {fit.chi2:.1f}/{fit.dof}, p = {fit.p_value:.2g}"
    state = "green" if fit.p_value >= ACCEPTABLE_P_VALUE else "red"
    remedy = "larger P or a smaller threshold c, where the local exponent no longer drifts"
    return Light(name, state, reason, remedy)


def _stable_without_each_size(fit: PowerLaw) -> Light:
    name = "leave-one-size-out within 2 s.e."
    if fit.exponent is None or not all(e.stderr for e in fit.leave_one_out.values()):
        return Light(name, "not measured", "one replica gives no errors")
    if not fit.leave_one_out:
        return Light(name, "not measured", "fewer than three sizes")
    a = fit.exponent.value
    # In errors of the reduced fit: dropping an end of the range widens the error itself.
    shifts = {size: (e.value - a) / (e.stderr or 1.0) for size, e in fit.leave_one_out.items()}
    size, shift = max(shifts.items(), key=lambda item: abs(item[1]))
    state = "green" if abs(shift) <= 2 else "red"
    reason = f"largest shift {shift:+.1f} s.e. without P = {size}"
    return Light(name, state, reason, f"more sizes around and beyond P = {size}")


def _only_temperature(law: ScalingLaw) -> Light:
    name = "only T = η/B matters"
    if not law.batches.measured:
        return Light(name, "not measured", law.batches.reason)
    state = "green" if law.batches.status == ESTABLISHED else "red"
    remedy = "more seeds, or smaller batches and learning rates, at the departing (P, T)"
    return Light(name, state, law.batches.reason, remedy)


def _few_censored(law: ScalingLaw) -> Light:
    censored, runs = int(law.curves.n_censored.sum()), int(law.curves.n_runs.sum())
    state = "green" if censored < LARGEST_CENSORED_FRACTION * runs else "red"
    return Light(
        "censored < 5 %", state, f"{censored} of {runs} runs", "a larger budget per training"
    )


def _power_law(law: ScalingLaw) -> Verdict:
    fit = law.fit
    claim = f"{fit.symbol} = C P^-a{_where(law)}."
    numbers: dict[str, float | None] = {"value": None, "stderr": None}
    if fit.exponent is not None:
        numbers = {"value": fit.exponent.value, "stderr": fit.exponent.stderr}
    conditions = lights(law)
    red = [light for light in conditions if light.state == "red"]
    if not fit.determined:
        reasons = [fit.remarks[0], *(p.message for p in law.lazy[law.headline].refused)]
        return Verdict(claim, NOT_ESTABLISHED, "; ".join(reasons), LITERATURE, **numbers)
    if red:
        reason = "; ".join(
            f"{light.name} fails ({light.reason}): {light.remedy} would settle it" for light in red
        )
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE, **numbers)
    reason = "; ".join([str(fit), *fit.remarks])
    unmeasured = [light.name for light in conditions if light.state == "not measured"]
    if unmeasured:
        reason += f"; not tested: {', '.join(unmeasured)}"
    return Verdict(claim, ESTABLISHED, reason, LITERATURE, **numbers)


def _prediction(claim: str, law: GridLaw) -> Verdict:
    """Judge a = gamma/delta, which holds for c -> 0 and is known to fail at finite c."""
    difference = law.difference_from_prediction()
    predicted = law.companions.predicted_exponent
    if difference is None or predicted is None or law.fit.exponent is None:
        reason = law.companions.refusal or law.fit.remarks[0]
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
    reason = f"a = {law.fit.exponent}, gamma/delta = {predicted}"
    if not difference.stderr:
        reason += "; no error bars, since there is one replica"
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE, difference.value)
    pull = difference.value / difference.stderr
    # Both limits in the Student law of S seeds: 95 % and its double.
    limit = student_factor(law.n_seeds)
    if abs(pull) <= limit:
        status = ESTABLISHED
    else:
        status = CONTRADICTED if abs(pull) > 1.5 * limit else NOT_ESTABLISHED
    reason += f": they differ by {difference}, {pull:+.1f} standard errors"
    if status != ESTABLISHED:
        reason += _drift_with_threshold(law, predicted.value)
    return Verdict(claim, status, reason, LITERATURE, difference.value, difference.stderr, pull)


def _drift_with_threshold(law: ScalingLaw, predicted: float) -> str:
    """Say how a(c) moves with c, the known cause of a difference."""
    by_threshold = sorted(law.exponents_over_thresholds().items())
    if len(by_threshold) < 2:
        return "; smaller thresholds c would show whether a(c) tends to it"
    listed = ", ".join(f"{a:.3f} at c = {c:g}" for c, a in by_threshold)
    departures = np.array([a - predicted for _, a in by_threshold])
    if np.all(np.diff(np.abs(departures)) > 0):
        trend = "approaches"
    elif departures.min() < 0 < departures.max() and np.ptp(np.sign(np.diff(departures))) == 0:
        trend = "reaches and passes"
    else:
        trend = "does not approach"
    return f"; a(c) {trend} it for c → 0: {listed}"


def _noise_independence(claim: str, law: GridLaw) -> Verdict:
    fit = law.noise_fit
    if fit.quoted is None:
        refused = "; ".join(p.message for p in law.noise.temperatures.refused if p.message)
        reason = f"{fit.remarks[0]}; {refused}".rstrip("; ")
        return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
    a, error = fit.quoted.value, fit.quoted.stderr
    span = math.log(fit.span)
    change = 100 * math.expm1(abs(a) * span)
    values = (a, error, a / error if error else None)
    reason = f"a = {fit.exponent}: T_noise changes by {change:.0f} % over {fit.fit_range}"
    if error and abs(a) * span + 2 * error * span < FLAT:
        reason = f"P-independent within {change:.0f} %: {reason}"
        return Verdict(claim, ESTABLISHED, reason, LITERATURE, *values)
    if error and abs(a) * span - 2 * error * span > FLAT:
        return Verdict(claim, CONTRADICTED, reason, LITERATURE, *values)
    limit = 100 * math.expm1(FLAT)
    shown = format_value(a, error)
    reason = (
        f"a = {shown} neither keeps the change over {fit.fit_range} below {limit:.0f} % nor above "
        "it by two standard errors; more seeds or sizes would settle it"
    )
    return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE, *values)


_ON_A_GRID: dict[str, tuple[str, Callable[[str, GridLaw], Verdict]]] = {
    "a_equals_gamma_over_delta": ("a of {symbol} equals gamma/delta", _prediction),
    "T_noise_independent_of_P": ("T_noise does not depend on P", _noise_independence),
    "training_time_is_linear_in_T": (
        "t* ~ T P^b: the presentations t*/T do not depend on T",
        _training_time,
    ),
    "collapse": (
        "Above T_noise the weight changes of all P are one function of T P^a",
        _collapse,
    ),
    "T_test_up_independent_of_P": (
        "The test error first rises at a temperature that does not depend on P",
        judge_rise,
    ),
    "a_test_equals_a": (
        "The test error falls at T_c ~ P^-a with the a of the weight change",
        judge_fall,
    ),
}
"""Claims that only a grid of shared temperatures and seeds can settle, and who judges them."""
