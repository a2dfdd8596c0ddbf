"""What the perceptron data establish against theory, and what they cannot.

The end of a training is a first passage: it stops at an atypically small fluctuation of w_perp,
and the more points there are the more fluctuations it samples. Hence ||w|| and t* grow more
slowly than theory says at every size within reach, while w_1/w_perp and the law during training
follow it. Such a deficit is neither agreement nor contradiction, and is reported as what it is.
"""

from __future__ import annotations

import math

import numpy as np

from analysis.estimates import Estimate, FloatArray, format_value, student_factor
from analysis.perceptron_laws import PerceptronLaws
from analysis.perceptron_theory import BATCH_LITERATURE, LITERATURE
from analysis.power_law import FLAT
from analysis.verdicts import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Light, Verdict

DEFICIT = 0.12
"""Largest accepted deficit of gamma from ||w||; the excess may be a quarter of it."""
TIME_WINDOW = (0.74, 1.02)
"""Accepted b in units of theory."""
TRAJECTORY_TOLERANCE = 0.015
FIRST_STEP_TOLERANCE = 0.03
DELTA_WINDOW = (0.92, 1.03)


def tolerance(gamma: float) -> float:
    """Return the accepted departure of gamma from w_1/w_perp: 0.04, and 0.06 gamma above 2/3."""
    return max(0.04, 0.06 * gamma)


def windows(laws: PerceptronLaws) -> dict[str, tuple[float, tuple[float, float], Estimate | None]]:
    """Return theory, accepted window and estimate of every tested number, by name."""
    theory, estimates = laws.theory, laws.estimates()
    gamma, b, y = theory.gamma, theory.b, theory.trajectory
    wide = tolerance(gamma)
    tested = {
        "gamma from w₁/w⊥": (gamma, (gamma - wide, gamma + wide), laws.key("gamma", "snr")),
        "gamma from ‖w‖": (gamma, (gamma - DEFICIT, gamma + DEFICIT / 4), ""),
        "b": (b, (TIME_WINDOW[0] * b, TIME_WINDOW[1] * b), laws.key("b")),
        "y during training": (
            y,
            (y - TRAJECTORY_TOLERANCE, y + TRAJECTORY_TOLERANCE),
            laws.key("y"),
        ),
        "first step": (
            1.0,
            (1 - FIRST_STEP_TOLERANCE, 1 + FIRST_STEP_TOLERANCE),
            laws.key("first_step"),
        ),
        "delta": (1.0, DELTA_WINDOW, laws.key("delta")),
    }
    keys = {"gamma from ‖w‖": laws.key("gamma", "norm")}
    return {
        name: (value, window, estimates.get(keys.get(name, key)))
        for name, (value, window, key) in tested.items()
    }


def lights(laws: PerceptronLaws) -> tuple[Light, ...]:
    """Return whether every measured number lies in its window."""
    result = []
    for name, (value, (low, high), estimate) in windows(laws).items():
        if estimate is None:
            continue
        state = "green" if low <= estimate.value <= high else "red"
        reason = f"{estimate}, theory {value:.3g}, window {low:.3g}..{high:.3g}"
        result.append(Light(name, state, reason, "larger P and more seeds"))
    return tuple(result)


def judge(laws: PerceptronLaws) -> dict[str, Verdict]:
    """Return the verdicts on one chi and d by key."""
    verdicts: dict[str, Verdict] = {}
    tested = windows(laws)
    where = f" at {laws.label}"

    def sharp(key: str, name: str, claim: str, literature: str = LITERATURE) -> None:
        theory, window, estimate = tested[name]
        if estimate is not None:
            verdicts[laws.key(key)] = _sharp(
                f"{claim}{where}.", theory, window, estimate, literature
            )

    def deficit(key: str, name: str, claim: str, because: str) -> None:
        theory, window, estimate = tested[name]
        if estimate is not None:
            verdicts[laws.key(key)] = _with_deficit(
                f"{claim}{where}.", theory, window, estimate, because
            )

    theory = laws.theory
    sharp("gamma_snr", "gamma from w₁/w⊥", f"w_1/w_perp ~ P^gamma, gamma = {theory.gamma:.3g}")
    deficit("gamma_norm", "gamma from ‖w‖", f"||w|| ~ T P^gamma, gamma = {theory.gamma:.3g}",
            _why_norm(laws))  # fmt: skip
    deficit("b", "b", f"t* ~ T P^b, b = {theory.b:.3g}", _why_time(laws))
    sharp("trajectory", "y during training", f"w_1 ~ t^y, y = {theory.trajectory:.3g}")
    sharp("first_step", "first step", "w_1 = E[a]/sqrt(d) T B for B >> B*", BATCH_LITERATURE)
    for key, verdict in (
        ("delta", _delta(laws, where)),
        ("B*", _crossover(laws, where)),
        ("T_noise_independent_of_P", _noise_temperature(laws, where)),
    ):
        if verdict is not None:
            verdicts[laws.key(key)] = verdict
    return verdicts


def _pull(estimate: Estimate, theory: float) -> float | None:
    return (estimate.value - theory) / estimate.stderr if estimate.stderr else None


def _numbers(estimate: Estimate, theory: float) -> str:
    pull = _pull(estimate, theory)
    text = f"{estimate} against {theory:.3g}"
    return text if pull is None else f"{text}, {pull:+.1f} standard errors"


def _sharp(
    claim: str, theory: float, window: tuple[float, float], estimate: Estimate, literature: str
) -> Verdict:
    """Judge a number that theory should meet within a window."""
    pull, n = _pull(estimate, theory), estimate.n
    values = (literature, estimate.value, estimate.stderr, pull)
    reason = f"{_numbers(estimate, theory)}, {estimate.fit_range}, {n} seeds"
    inside = window[0] <= estimate.value <= window[1]
    if pull is None or estimate.stderr is None:
        return Verdict(claim, NOT_ESTABLISHED, f"{reason}; no error bars", *values)
    half = student_factor(n) * estimate.stderr
    width = window[1] - window[0]
    if inside and half <= width:
        if abs(pull) > student_factor(n):
            reason += f"; a significant difference, but below the {width / 2:.3g} of finite sizes"
        return Verdict(claim, ESTABLISHED, reason, *values)
    if not inside and abs(pull) > 1.5 * student_factor(n):
        return Verdict(claim, CONTRADICTED, f"{reason}; outside ±{width / 2:.3g}", *values)
    return Verdict(claim, NOT_ESTABLISHED, f"{reason}; more seeds would settle it", *values)


def _with_deficit(
    claim: str, theory: float, window: tuple[float, float], estimate: Estimate, because: str
) -> Verdict:
    """Judge an exponent that is known to lie below theory at every size within reach."""
    pull = _pull(estimate, theory)
    values = (LITERATURE, estimate.value, estimate.stderr, pull)
    reason = f"{_numbers(estimate, theory)}, {estimate.fit_range}, {estimate.n} seeds"
    if pull is None:
        return Verdict(claim, NOT_ESTABLISHED, f"{reason}; no error bars", *values)
    if abs(pull) <= student_factor(estimate.n):
        return Verdict(claim, ESTABLISHED, reason, *values)
    if window[0] <= estimate.value <= window[1]:
        side = "below" if pull < 0 else "above"
        return Verdict(
            claim, NOT_ESTABLISHED, f"{reason}: {side} theory at these sizes; {because}", *values
        )
    reason += f"; outside {window[0]:.3g}..{window[1]:.3g}, the known effect of finite sizes"
    return Verdict(claim, CONTRADICTED, reason, *values)


def _why_norm(laws: PerceptronLaws) -> str:
    if laws.sizes is None:
        return ""
    noise, norm = laws.sizes.noise.exponent, laws.sizes.weight_norm
    return (
        "a training stops at an atypically small fluctuation of w_perp, the smaller the more "
        f"points there are: w_perp/T ~ P^{format_value(noise.value, noise.stderr)} where theory "
        f"has a constant, and gamma(w_1) = gamma(w_1/w_perp) + gamma(w_perp). "
        f"Local exponents: {_listed(norm.local, norm.local_stderr)}; more seeds do not cure it, "
        "larger P would"
    )


def _why_time(laws: PerceptronLaws) -> str:
    if laws.sizes is None:
        return ""
    law = laws.sizes.training_time
    return (
        "the first passage to a fitted state comes early when many fluctuations are sampled. "
        f"Local exponents: {_listed(law.local, law.local_stderr)}"
    )


def _listed(values: FloatArray, errors: FloatArray) -> str:
    return ", ".join(format_value(v, e) for v, e in zip(values, errors, strict=True))


def _delta(laws: PerceptronLaws, where: str) -> Verdict | None:
    """Judge delta = 1 together with the term c0 kappa, which lowers it at finite T."""
    estimate = laws.delta
    if estimate is None:
        return None
    claim = f"||w|| ~ T^delta with delta = 1 for T >> kappa{where}."
    pull = _pull(estimate, 1.0)
    values = (LITERATURE, estimate.value, estimate.stderr, pull)
    reason = f"{_numbers(estimate, 1.0)}, {estimate.fit_range}, {estimate.n} seeds"
    slopes = [_additive_slope(law.delta.means.positions, law.coefficients)
              for law in laws.temperatures if law.coefficients is not None]  # fmt: skip
    if pull is None:
        return Verdict(claim, NOT_ESTABLISHED, f"{reason}; no error bars", *values)
    limit = student_factor(estimate.n)
    if abs(pull) <= limit:
        return Verdict(claim, ESTABLISHED, reason, *values)
    if slopes and estimate.stderr is not None:
        expected = float(np.mean(slopes))
        reason += f"; ||w|| = c0 kappa + c1 T makes it {expected:.3f} at these temperatures"
        if abs(estimate.value - expected) <= max(0.01, limit * estimate.stderr):
            return Verdict(claim, ESTABLISHED, reason, *values)
    low, high = DELTA_WINDOW
    status = NOT_ESTABLISHED if low <= estimate.value <= high else CONTRADICTED
    return Verdict(claim, status, reason, *values)


def _additive_slope(temperatures: FloatArray, coefficients: tuple[float, float]) -> float:
    x = np.log(temperatures)
    y = np.log(coefficients[0] + coefficients[1] * temperatures)
    return float(np.polyfit(x, y, 1)[0])


def _crossover(laws: PerceptronLaws, where: str) -> Verdict | None:
    if laws.batches is None or laws.batches.crossover is None:
        return None
    estimate, gamma = laws.batches.crossover.exponent, laws.theory.gamma
    claim = f"B* ~ P^gamma, gamma = {gamma:.3g}{where}."
    because = "B* is ||w||/T of small batches over s, so its deficit is that of ||w||"
    window = (gamma - 1.5 * DEFICIT, gamma + DEFICIT / 4)
    return _with_deficit(claim, gamma, window, estimate, because)


def _noise_temperature(laws: PerceptronLaws, where: str) -> Verdict | None:
    found = {law.n_train: law.noise_temperature for law in laws.temperatures
             if law.noise_temperature is not None}  # fmt: skip
    if len(found) < 2:
        return None
    claim = f"T_noise, where noise takes over, does not depend on P{where}."
    values = [estimate.value for estimate in found.values()]
    change = math.log(max(values) / min(values))
    listed = ", ".join(f"{estimate} at P = {size}" for size, estimate in found.items())
    reason = f"T_noise/kappa = {listed}: within {100 * math.expm1(change):.0f} %"
    if change < FLAT:
        reason += "; the perceptron by itself has no critical temperature T_c ~ P^-a"
        return Verdict(claim, ESTABLISHED, reason, LITERATURE)
    return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
