"""What a study of effective temperatures establishes, one function per claim.

SGD has no single temperature. Laws are about the secant T_sec = B(L)/chi(L), the mean over
directions, and say so; comparisons with persistent SGD use it too, and the long-time slope is
given beside it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Verdict
from analysis.effective_temperature.laws import (
    distances,
    distances_left_out,
    fit_log_law,
    ratio_estimate,
    secants,
    secants_left_out,
)
from analysis.effective_temperature.table import Control, ReplicaCell, TemperatureCell
from analysis.estimates import Estimate
from analysis.fits.power_law import PowerLaw

PAPER = "Mignacco and Urbani, arXiv:2112.10852"
SLOPE_TOLERANCE = 0.1
DISTANCE_TOLERANCE = 0.15
RATE_TOLERANCE = 0.2
AGREEMENT = 0.03
RESOLUTION = 0.1
"""Typical relative error above which agreement of theory and simulation says nothing."""
DECADE = 10.0


def stationary(cells: Sequence[TemperatureCell]) -> list[TemperatureCell]:
    """Return the cells whose temperatures mean something."""
    return [cell for cell in cells if cell.found.secant is not None]


def noise_law(cells: Sequence[TemperatureCell]) -> PowerLaw | None:
    """Return T_sec against eta (1-b)/b for plain SGD, at the load with the widest range."""
    groups = defaultdict(list)
    for cell in stationary(cells):
        if cell.control.is_plain:
            groups[cell.control.load, cell.control.family].append(cell)
    laws = []
    for (load, _), members in groups.items():
        x = [cell.control.noise_strength for cell in members]
        if len(set(x)) >= 3:
            laws.append(
                fit_log_law(
                    x,
                    secants(members),
                    secants_left_out(members),
                    definition="d ln T_sec / d ln(eta (1-b)/b) of SGD",
                    fit_range=f"load {load:g}, eta (1-b)/b = {min(x):.3g}..{max(x):.3g}",
                )
            )
    return max(laws, key=lambda law: law.span, default=None)


def judge_noise_law(law: PowerLaw | None) -> Verdict:
    """Judge T_sec ~ eta (1-b)/b."""
    claim = "T_sec of SGD is proportional to eta (1-b)/b."
    if law is None:
        reason = "fewer than three stationary noise strengths at one load; scan active_fraction"
        return Verdict(claim, NOT_ESTABLISHED, reason, PAPER)
    return _judge_slope(claim, law, 1.0, SLOPE_TOLERANCE)


def _judge_slope(claim: str, law: PowerLaw, expected: float, tolerance: float) -> Verdict:
    slope, error = law.slope.value, law.slope.stderr
    reason = f"{law.slope.definition} = {law.slope} over {law.slope.fit_range}"
    off = abs(slope - expected)
    if error is None:
        return Verdict(claim, NOT_ESTABLISHED, f"{reason}; one seed gives no error", PAPER, slope)
    pull = (slope - expected) / error
    if off < tolerance and error < tolerance / 2:
        return Verdict(claim, ESTABLISHED, reason, PAPER, slope, error, pull)
    if off - 2 * error > tolerance:
        return Verdict(claim, CONTRADICTED, reason, PAPER, slope, error, pull)
    reason += (
        f", neither within {tolerance:g} of {expected:g} nor outside; more seeds would settle"
    )
    return Verdict(claim, NOT_ESTABLISHED, reason, PAPER, slope, error, pull)


def judge_single_temperature(cells: Sequence[TemperatureCell]) -> Verdict:
    """Judge whether B against chi is one straight line."""
    claim = "The fluctuations of SGD have one temperature."
    plain = [cell for cell in stationary(cells) if cell.control.is_plain]
    spreads = []
    for cell in plain:
        long, short = cell.found.long, cell.found.short
        if long is not None and short is not None and long.stderr and short.stderr:
            error = math.hypot(long.stderr, short.stderr)
            spreads.append(((short.value - long.value) / error, short.value / long.value, cell))
    if not spreads:
        return Verdict(claim, NOT_ESTABLISHED, "no stationary SGD with two seeds or more", PAPER)
    curved = [item for item in spreads if item[0] > 3]
    pull, ratio, cell = max(spreads, key=lambda item: item[0])
    reason = (
        f"T_short > T_long by more than 3 s.e. in {len(curved)} of {len(spreads)} configurations; "
        f"at {cell.control.label}: {cell.found.summary()}"
    )
    status = CONTRADICTED if len(curved) > len(spreads) / 2 else NOT_ESTABLISHED
    return Verdict(claim, status, reason, PAPER, ratio, None, pull)


def persistent_ratios(
    cells: Sequence[TemperatureCell],
) -> list[tuple[TemperatureCell, Estimate]]:
    """Return T_sec of persistent SGD over SGD at the same b, eta and load."""
    found = stationary(cells)
    plain = {_partner(cell.control): cell for cell in found if cell.control.is_plain}
    return [
        (cell, ratio_estimate(cell, plain[_partner(cell.control)], "T_sec over that of SGD"))
        for cell in found
        if cell.control.persistence_gain > 1.0 + 1e-9 and _partner(cell.control) in plain
    ]


def _partner(control: Control) -> tuple[object, ...]:
    noise = (control.learning_rate, control.active_fraction, control.langevin_temperature)
    return (control.load, *noise, control.family)


def judge_persistent(cells: Sequence[TemperatureCell]) -> Verdict:
    """Judge whether persistent SGD is hotter than SGD at the same b and eta."""
    claim = "Persistent SGD is hotter than SGD at the same b and eta."
    ratios = persistent_ratios(cells)
    if not ratios:
        reason = "no persistent SGD beside SGD at the same b, eta and load, both stationary"
        return Verdict(claim, NOT_ESTABLISHED, reason, PAPER)
    listed = ", ".join(
        f"×{ratio} at eta = {cell.control.learning_rate:g}, tau = "
        f"{cell.control.persistence_time:g}"
        for cell, ratio in ratios[:6]
    )
    reason = f"T_sec(persistent)/T_sec(SGD): {listed}"
    pulls = [
        math.log(ratio.value) * ratio.value / ratio.stderr if ratio.stderr else math.nan
        for _, ratio in ratios
    ]
    least = float(np.min(pulls))
    values = (min(ratio.value for _, ratio in ratios), None, least)
    if least > 3:
        return Verdict(claim, ESTABLISHED, reason, PAPER, *values)
    status = CONTRADICTED if float(np.max(pulls)) < -3 else NOT_ESTABLISHED
    return Verdict(claim, status, reason, PAPER, *values)


def rate_law(cells: Sequence[TemperatureCell]) -> PowerLaw | None:
    """Return T_sec of persistent SGD against eta at fixed b and tau, with the most rates."""
    groups = defaultdict(list)
    for cell in stationary(cells):
        c = cell.control
        if c.persistence_time:
            key = (c.load, c.active_fraction, c.persistence_time, c.family)
            groups[key].append(cell)
    if not groups:
        return None
    key, members = max(groups.items(), key=lambda item: len(item[1]))
    if len(members) < 2:
        return None
    x = [cell.control.learning_rate for cell in members]
    return fit_log_law(
        x,
        secants(members),
        secants_left_out(members),
        definition="d ln T_sec / d ln eta of persistent SGD",
        fit_range=f"load {key[0]:g}, b = {key[1]:g}, tau = {key[2]:g}, "
        f"eta = {min(x):g}..{max(x):g}",
    )


def judge_rate(law: PowerLaw | None) -> Verdict:
    """Judge |d ln T_sec / d ln eta| < 0.2."""
    claim = "The temperature of persistent SGD hardly depends on eta."
    if law is None:
        reason = "no persistent SGD at two learning rates with the same b and persistence time"
        return Verdict(claim, NOT_ESTABLISHED, reason, PAPER)
    return _judge_slope(claim, law, 0.0, RATE_TOLERANCE)


def distance_law(
    cells: Sequence[TemperatureCell], replicas: Sequence[ReplicaCell]
) -> PowerLaw | None:
    """Return the replica distance below capacity against T_sec above it, matched by b and eta."""
    pairs = max(_matched(stationary(cells), replicas), key=len, default=[])
    if len(pairs) < 3:
        return None
    above, below = [a for a, _ in pairs], [b for _, b in pairs]
    x = secants(above)
    loads = f"load {below[0].control.load:g} against load {above[0].control.load:g}"
    return fit_log_law(
        x,
        distances(below),
        distances_left_out(below),
        definition="d ln D / d ln T_sec",
        fit_range=f"{loads}, T_sec = {min(x):.3g}..{max(x):.3g}",
    )


def _matched(
    cells: Sequence[TemperatureCell], replicas: Sequence[ReplicaCell]
) -> list[list[tuple[TemperatureCell, ReplicaCell]]]:
    """Return pairs of equal b and eta, apart for every two loads and duration."""
    groups = defaultdict(list)
    for cell in cells:
        c = cell.control
        for other in replicas:
            r = other.control
            same = (c.learning_rate, c.active_fraction) == (r.learning_rate, r.active_fraction)
            if same and c.is_plain and r.is_plain and other.columns["replica_distance"].mean() > 0:
                groups[c.load, c.family, r.load, r.duration, r.family].append((cell, other))
    return list(groups.values())


def judge_distance(law: PowerLaw | None) -> Verdict:
    """Judge D ~ T_sec over a decade or more."""
    claim = "The distance of replicas is proportional to the temperature."
    if law is None:
        reason = "fewer than three pairs of replicas and temperatures at the same b and eta"
        return Verdict(claim, NOT_ESTABLISHED, reason, PAPER)
    verdict = _judge_slope(claim, law, 1.0, DISTANCE_TOLERANCE)
    ratios = np.exp(law.log_values) / law.x
    reason = (
        f"{verdict.reason}; D/T_sec = {ratios.min():.3g}..{ratios.max():.3g} while T_sec spans "
        f"×{law.span:.3g}"
    )
    status = verdict.status
    if law.span < DECADE:
        status, reason = NOT_ESTABLISHED, f"{reason}; a factor {DECADE:g} is needed"
    return Verdict(claim, status, reason, PAPER, verdict.value, verdict.stderr, verdict.pull)


def judge_width(replicas: Sequence[ReplicaCell]) -> Verdict:
    """Judge whether noise widens the mean margin and not the hard one."""
    claim = "Noise widens the mean normalised margin, while the hard margin does not grow."
    groups = defaultdict(list)
    for cell in replicas:
        c = cell.control
        groups[c.load, c.learning_rate, c.duration, c.family].append(cell)
    members = max(groups.values(), key=lambda cells: max(distances(cells)), default=[])
    members = sorted(members, key=lambda cell: float(cell.columns["replica_distance"].mean()))
    if len(members) < 3 or len({cell.seeds for cell in members}) != 1:
        reason = "fewer than three noise strengths with the same seeds at one load"
        return Verdict(claim, NOT_ESTABLISHED, reason, PAPER)
    quiet, loud = members[0], members[-1]
    rank = float(
        stats.spearmanr(
            distances(members), [cell.columns["width_mean"].mean() for cell in members]
        ).statistic
    )
    mean, hard = (_excess(loud, quiet, name) for name in ("width_mean", "width_hard"))
    reason = (
        f"from {quiet.control.label} to {loud.control.label}, on the same data: mean width "
        f"{mean.value:+.4f} ± {mean.stderr or math.nan:.4f}, hard margin (5 % quantile) "
        f"{hard.value:+.4f} ± {hard.stderr or math.nan:.4f}; rank correlation of D and mean "
        f"width over {len(members)} configurations {rank:+.2f}"
    )
    if not mean.stderr or not hard.stderr:
        return Verdict(claim, NOT_ESTABLISHED, reason, PAPER, mean.value)
    pull = mean.value / mean.stderr
    grows, hard_grows = pull > 3 and rank > 0.8, hard.value > 2 * hard.stderr
    status = ESTABLISHED if grows and not hard_grows else NOT_ESTABLISHED
    if pull < -3 or (hard_grows and hard.value > 3 * hard.stderr):
        status = CONTRADICTED
    return Verdict(claim, status, reason, PAPER, mean.value, mean.stderr, pull)


def _excess(loud: ReplicaCell, quiet: ReplicaCell, name: str) -> Estimate:
    excess = {name: loud.columns[name] - quiet.columns[name]}
    return replace(loud, columns=excess).estimate(name)


def judge_bath(cells: Sequence[TemperatureCell]) -> Verdict:
    """Judge whether a Langevin bath is returned."""
    claim = "Full-batch Langevin dynamics has the temperature of its bath."
    baths = [
        cell
        for cell in stationary(cells)
        if cell.control.langevin_temperature > 0 and cell.control.active_fraction == 1.0
    ]
    if not baths:
        return Verdict(claim, NOT_ESTABLISHED, "no Langevin dynamics in the table", PAPER)
    cell = baths[0]
    bath, found = cell.control.langevin_temperature, cell.found.secant
    assert found is not None
    off = found.value / bath - 1.0
    raw = cell.found.uncorrected / bath - 1.0
    reason = (
        f"T_L = {bath:g}: {cell.found.summary()}, n = {len(cell.seeds)}; T_sec is off by "
        f"{off:+.1%}, without the midpoint by {raw:+.1%}"
    )
    pull = (found.value - bath) / found.stderr if found.stderr else None
    close = abs(off) < AGREEMENT or (pull is not None and abs(pull) < 3)
    status = ESTABLISHED if close else CONTRADICTED
    return Verdict(claim, status, reason, PAPER, found.value, found.stderr, pull)


def judge_theory(
    simulated: Sequence[TemperatureCell],
    predicted: Sequence[TemperatureCell],
    replicas: Sequence[ReplicaCell],
    predicted_replicas: Sequence[ReplicaCell],
) -> Verdict:
    """Judge whether simulation and mean-field theory agree within max(3 %, 3 s.e.)."""
    claim = "Dynamical mean-field theory describes the simulations."
    pairs: list[tuple[str, Estimate, Estimate]] = []
    theory = {cell.control: cell for cell in stationary(predicted)}
    for cell in stationary(simulated):
        other = theory.get(cell.control)
        if other is not None and cell.found.secant is not None and other.found.secant is not None:
            pairs.append((f"T_sec, {cell.control.label}", cell.found.secant, other.found.secant))
    distance = {cell.control: cell for cell in predicted_replicas}
    for item in replicas:
        partner = distance.get(item.control)
        if partner is not None and item.control.active_fraction < 1:
            name = "replica_distance"
            pairs.append((f"D, {item.control.label}", item.estimate(name), partner.estimate(name)))
    if not pairs:
        return Verdict(claim, NOT_ESTABLISHED, "no configuration was both simulated and solved")
    departures = [_departure(*pair) for pair in pairs]
    bad = [d for d in departures if abs(d[1]) > AGREEMENT and abs(d[2]) > 3]
    typical = float(np.median([_relative_error(one, two) for _, one, two in pairs]))
    name, off, pull = max(departures, key=lambda d: abs(d[1]))
    reason = (
        f"{len(pairs) - len(bad)} of {len(pairs)} within max(3 %, 3 s.e.); mean absolute "
        f"difference {np.mean([abs(d[1]) for d in departures]):.1%}, largest {off:+.1%} "
        f"({pull:+.1f} s.e.) for {name}"
    )
    if typical > RESOLUTION:
        reason += f"; but half of the errors exceed {typical:.0%}: more seeds or weights"
    status = NOT_ESTABLISHED if bad or typical > RESOLUTION else ESTABLISHED
    return Verdict(claim, status, reason, None, float(np.mean([abs(d[1]) for d in departures])))


def _relative_error(simulated: Estimate, predicted: Estimate) -> float:
    return math.hypot(simulated.stderr or 0.0, predicted.stderr or 0.0) / abs(simulated.value)


def _departure(name: str, simulated: Estimate, predicted: Estimate) -> tuple[str, float, float]:
    difference = predicted.value - simulated.value
    error = math.hypot(simulated.stderr or 0.0, predicted.stderr or 0.0)
    return name, difference / simulated.value, difference / error if error else math.inf
