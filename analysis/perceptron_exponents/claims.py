"""What the perceptron data establish against theory, and what they cannot.

The end of a training is a first passage: it stops at an atypically small fluctuation of w_perp,
and the more points there are the more fluctuations it samples. Hence ||w|| and t* grow more
slowly than theory says at every size within reach, while w_1/w_perp and the law during training
follow it. Such a deficit is neither agreement nor contradiction, and is reported as what it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import FloatArray
from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Light, Verdict
from analysis.estimates import Estimate, format_value, student_factor
from analysis.fits.power_law import FLAT, PowerLaw
from analysis.key import Key
from analysis.perceptron_exponents.laws import PerceptronLaws
from analysis.perceptron_exponents.theory import BATCH_LITERATURE, LITERATURE

SNR, NORM, TIME = "gamma from w₁/w⊥", "gamma from ‖w‖", "b"
TRAJECTORY, FIRST_STEP, DELTA = "y during training", "first step", "delta"
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


@dataclass(frozen=True)
class Window:
    """A measured number with what theory says and how far from it finite sizes may lie."""

    theory: float
    low: float
    high: float
    estimate: Estimate

    @property
    def holds(self) -> bool:
        """Whether the number lies in the window."""
        return self.low <= self.estimate.value <= self.high

    @property
    def pull(self) -> float | None:
        """Departure from theory in standard errors."""
        error = self.estimate.stderr
        return (self.estimate.value - self.theory) / error if error else None

    @property
    def width(self) -> float:
        """Half the width."""
        return (self.high - self.low) / 2


def windows(laws: PerceptronLaws) -> dict[str, Window]:
    """Return every tested number that was measured, by name."""
    theory, estimates = laws.theory, laws.estimates()
    gamma, b, y = theory.gamma, theory.b, theory.trajectory
    wide, narrow, step = tolerance(gamma), TRAJECTORY_TOLERANCE, FIRST_STEP_TOLERANCE
    tested = {
        SNR: (laws.key("gamma", "snr"), gamma, gamma - wide, gamma + wide),
        NORM: (laws.key("gamma", "norm"), gamma, gamma - DEFICIT, gamma + DEFICIT / 4),
        TIME: (laws.key("b"), b, TIME_WINDOW[0] * b, TIME_WINDOW[1] * b),
        TRAJECTORY: (laws.key("y"), y, y - narrow, y + narrow),
        FIRST_STEP: (laws.key("first_step"), 1.0, 1 - step, 1 + step),
        DELTA: (laws.key("delta"), theory.delta, DELTA_WINDOW[0], DELTA_WINDOW[1]),
    }
    return {
        name: Window(expected, low, high, estimates[key])
        for name, (key, expected, low, high) in tested.items()
        if key in estimates
    }


def lights(laws: PerceptronLaws) -> tuple[Light, ...]:
    """Return whether every measured number lies in its window."""
    return tuple(
        Light(
            name,
            "green" if window.holds else "red",
            f"{window.estimate}, theory {window.theory:.3g}, "
            f"window {window.low:.3g}..{window.high:.3g}",
            "larger P and more seeds",
        )
        for name, window in windows(laws).items()
    )


def judge(laws: PerceptronLaws) -> dict[Key, Verdict]:
    """Return the verdicts on one chi and d by key."""
    tested, theory, where = windows(laws), laws.theory, f" at {laws.label}."
    verdicts: dict[Key, Verdict] = {}
    for key, name, claim, literature in (
        ("gamma_snr", SNR, f"w_1/w_perp ~ P^gamma, gamma = {theory.gamma:.3g}", LITERATURE),
        ("trajectory", TRAJECTORY, f"w_1 ~ t^y, y = {theory.trajectory:.3g}", LITERATURE),
        ("first_step", FIRST_STEP, "w_1 = E[a]/sqrt(d) T B for B >> B*", BATCH_LITERATURE),
    ):
        if name in tested:
            verdicts[laws.key(key)] = _sharp(claim + where, tested[name], literature)
    for key, name, claim, because in (
        ("gamma_norm", NORM, f"||w|| ~ T P^gamma, gamma = {theory.gamma:.3g}", _why_norm(laws)),
        ("b", TIME, f"t* ~ T P^b, b = {theory.b:.3g}", _why_time(laws)),
    ):
        if name in tested:
            verdicts[laws.key(key)] = _with_deficit(claim + where, tested[name], because)
    for key, verdict in (
        ("delta", _delta(laws, tested.get(DELTA), where)),
        ("B*", _crossover(laws, where)),
        ("T_noise_independent_of_P", _noise_temperature(laws, where)),
    ):
        if verdict is not None:
            verdicts[laws.key(key)] = verdict
    return verdicts


def _numbers(window: Window) -> str:
    estimate, pull = window.estimate, window.pull
    text = f"{estimate} against {window.theory:.3g}"
    if pull is not None:
        text += f", {pull:+.1f} standard errors"
    return f"{text}, {estimate.fit_range}, {estimate.n} seeds"


def _verdict(
    claim: str, status: str, reason: str, window: Window, literature: str = LITERATURE
) -> Verdict:
    estimate = window.estimate
    return Verdict(claim, status, reason, literature, estimate.value, estimate.stderr, window.pull)


def _sharp(claim: str, window: Window, literature: str) -> Verdict:
    """Judge a number that theory should meet within a window."""
    reason, error, pull = _numbers(window), window.estimate.stderr, window.pull
    if pull is None or error is None:
        reason += "; no error bars"
        return _verdict(claim, NOT_ESTABLISHED, reason, window, literature)
    factor = student_factor(window.estimate.n)
    if window.holds and factor * error <= 2 * window.width:
        if abs(pull) > factor:
            reason += f"; a significant difference, below the {window.width:.3g} of finite sizes"
        return _verdict(claim, ESTABLISHED, reason, window, literature)
    if not window.holds and abs(pull) > 1.5 * factor:
        reason += f"; outside ±{window.width:.3g}"
        return _verdict(claim, CONTRADICTED, reason, window, literature)
    reason += "; more seeds would settle it"
    return _verdict(claim, NOT_ESTABLISHED, reason, window, literature)


def _with_deficit(claim: str, window: Window, because: str) -> Verdict:
    """Judge an exponent that is known to lie below theory at every size within reach."""
    reason, pull = _numbers(window), window.pull
    if pull is None:
        return _verdict(claim, NOT_ESTABLISHED, f"{reason}; no error bars", window)
    if abs(pull) <= student_factor(window.estimate.n):
        return _verdict(claim, ESTABLISHED, reason, window)
    if window.holds:
        side = "below" if pull < 0 else "above"
        reason += f": {side} theory at these sizes; {because}"
        return _verdict(claim, NOT_ESTABLISHED, reason, window)
    reason += f"; outside {window.low:.3g}..{window.high:.3g}, the known effect of finite sizes"
    return _verdict(claim, CONTRADICTED, reason, window)


def _why_norm(laws: PerceptronLaws) -> str:
    if laws.sizes is None:
        return ""
    noise, norm = laws.sizes.noise.slope, laws.sizes.weight_norm
    return (
        "a training stops at an atypically small fluctuation of w_perp, the smaller the more "
        f"points there are: w_perp/T ~ P^{format_value(noise.value, noise.stderr)} where theory "
        f"has a constant, and gamma(w_1) = gamma(w_1/w_perp) + gamma(w_perp). "
        f"Local exponents: {_listed(norm)}; more seeds do not cure it, "
        "larger P would"
    )


def _why_time(laws: PerceptronLaws) -> str:
    if laws.sizes is None:
        return ""
    law = laws.sizes.training_time
    return (
        "the first passage to a fitted state comes early when many fluctuations are sampled. "
        f"Local exponents: {_listed(law)}"
    )


def _listed(law: PowerLaw) -> str:
    return ", ".join(format_value(each.value, each.stderr) for each in law.local_slopes)


def _delta(laws: PerceptronLaws, window: Window | None, where: str) -> Verdict | None:
    """Judge delta = 1 together with the term c0 kappa, which lowers it at finite T."""
    if window is None:
        return None
    claim = f"||w|| ~ T^delta with delta = 1 for T >> kappa{where}"
    reason, pull, estimate = _numbers(window), window.pull, window.estimate
    if pull is None or estimate.stderr is None:
        return _verdict(claim, NOT_ESTABLISHED, f"{reason}; no error bars", window)
    limit = student_factor(estimate.n)
    if abs(pull) <= limit:
        return _verdict(claim, ESTABLISHED, reason, window)
    slopes = [
        _additive_slope(law.delta.means.positions, law.coefficients)
        for law in laws.temperatures
        if law.coefficients is not None
    ]
    if slopes:
        expected = float(np.mean(slopes))
        reason += f"; ||w|| = c0 kappa + c1 T makes it {expected:.3f} at these temperatures"
        if abs(estimate.value - expected) <= max(0.01, limit * estimate.stderr):
            return _verdict(claim, ESTABLISHED, reason, window)
    return _verdict(claim, NOT_ESTABLISHED if window.holds else CONTRADICTED, reason, window)


def _additive_slope(temperatures: FloatArray, coefficients: tuple[float, float]) -> float:
    x = np.log(temperatures)
    y = np.log(coefficients[0] + coefficients[1] * temperatures)
    return float(np.polyfit(x, y, 1)[0])


def _crossover(laws: PerceptronLaws, where: str) -> Verdict | None:
    if laws.batches is None or laws.batches.crossover is None:
        return None
    gamma, estimate = laws.theory.gamma, laws.batches.crossover.slope
    window = Window(gamma, gamma - 1.5 * DEFICIT, gamma + DEFICIT / 4, estimate)
    claim = f"B* ~ P^gamma, gamma = {gamma:.3g}{where}"
    if len(laws.batches.crossovers) < 3:
        reason = f"{_numbers(window)}; two sizes fix an exponent and do not test a power law"
        return _verdict(claim, NOT_ESTABLISHED, reason, window)
    because = "B* is ||w||/T of small batches over s, so its deficit is that of ||w||"
    return _with_deficit(claim, window, because)


def _noise_temperature(laws: PerceptronLaws, where: str) -> Verdict | None:
    found = {
        law.n_train: law.noise_temperature
        for law in laws.temperatures
        if law.noise_temperature is not None
    }
    if len(found) < 2:
        return None
    claim = f"T_noise, where noise takes over, does not depend on P{where}"
    values = [estimate.value for estimate in found.values()]
    change = math.log(max(values) / min(values))
    listed = ", ".join(f"{estimate} at P = {size}" for size, estimate in found.items())
    reason = f"T_noise/kappa = {listed}: within {100 * math.expm1(change):.0f} %"
    if change < FLAT:
        reason += "; the perceptron by itself has no critical temperature T_c ~ P^-a"
        return Verdict(claim, ESTABLISHED, reason, LITERATURE)
    return Verdict(claim, NOT_ESTABLISHED, reason, LITERATURE)
