"""Several studies beside each other: do they have the same exponents?

Studies may differ in model, data or initialization scale. Their estimates are compared as if
independent; where they share images or seeds their errors are positively correlated, a difference
is then better known than stated, and the pull is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from scipy import special

from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED, Verdict
from analysis.critical_temperature.claims import ACCEPTABLE_P_VALUE
from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.study import ScalingResult
from analysis.estimates import Estimate, format_value, json_number, student_factor
from analysis.key import Key
from analysis.result import Result

EQUIVALENT = 0.05
"""Exponents count as equal if they differ by less than this with 95 % confidence."""


class CompareStudiesError(ValueError):
    """Studies that cannot be compared; the message is one sentence meant for the user."""


@dataclass(frozen=True)
class ComparedLaw:
    """One law of one study."""

    label: str
    """Name of the study, with what tells the law from others of the same study."""
    law: ScalingLaw

    def estimates(self) -> dict[str, Estimate]:
        """Return every number that is not the temperature of one size, by its bare key."""
        return {
            key.without(*self.law.settings): estimate
            for key, estimate in self.law.estimates().items()
            if not key.has("n_train")
        }


@dataclass(frozen=True)
class Departure:
    """One quantity of one law against the same quantity of the first law that has it."""

    quantity: str
    label: str
    estimate: Estimate
    reference: str
    """Label of the law it is compared with; its own for that law."""
    difference: float | None
    stderr: float | None
    """Standard error of the difference for independent errors."""

    @property
    def pull(self) -> float | None:
        """Difference in standard errors."""
        if self.difference is None or not self.stderr:
            return None
        return self.difference / self.stderr


@dataclass(frozen=True, kw_only=True)
class ScalingComparison(Result):
    """Laws of several studies and what tells them apart."""

    laws: tuple[ComparedLaw, ...] = field(repr=False)
    departures: tuple[Departure, ...]
    chi2: float | None
    """Of the headline exponents about their weighted mean; None with fewer than two."""
    dof: int
    mean: Estimate | None
    """Weighted mean of the headline exponents."""

    @property
    def p_value(self) -> float | None:
        """Probability of a larger chi2 if all headline exponents are equal."""
        return _p_value(self.chi2, self.dof)

    def exponents(self) -> dict[str, Estimate]:
        """Return the headline exponent a of every law that has one."""
        return _exponents(self.laws)

    def verdict(self) -> tuple[str, str]:
        """Return whether all laws have the same exponent a, and the numbers behind it."""
        verdict = self.verdicts[_EQUAL]
        return verdict.status, verdict.reason

    def frame(self) -> pd.DataFrame:
        """Return one row per quantity and law."""
        return self.tables["exponents.csv"]

    def critical_temperatures(self) -> pd.DataFrame:
        """Return T_lazy(c) of every law at every size."""
        return self.tables["t_c.csv"]


_EQUAL = Key("equal_exponents")


def _p_value(chi2: float | None, dof: int) -> float | None:
    return None if chi2 is None else float(special.chdtrc(dof, chi2))


def _exponents(laws: Sequence[ComparedLaw]) -> dict[str, Estimate]:
    return {each.label: each.law.fit.quoted for each in laws if each.law.fit.quoted is not None}


def _judge(
    exponents: Sequence[Estimate], chi2: float | None, dof: int, mean: Estimate | None
) -> Verdict:
    claim = "All studies have the same exponent a."
    p_value = _p_value(chi2, dof)
    if chi2 is None or mean is None or p_value is None:
        reason = "fewer than two laws have an exponent with an error"
        return Verdict(claim, NOT_ESTABLISHED, reason)
    test = f"χ² = {chi2:.1f} about the mean {mean}, dof {dof}, p = {p_value:.2g}"
    numbers = (None, mean.value, mean.stderr)
    if p_value < ACCEPTABLE_P_VALUE:
        return Verdict(claim, CONTRADICTED, f"the exponents differ: {test}", *numbers)
    largest = max(
        abs(a.value - b.value)
        + student_factor(max(min(a.n, b.n), 2)) * math.hypot(a.stderr or 0.0, b.stderr or 0.0)
        for a in exponents
        for b in exponents
    )
    if largest <= EQUIVALENT:
        reason = f"all exponents agree within {EQUIVALENT:g} (95 %): {test}"
        return Verdict(claim, ESTABLISHED, reason, *numbers)
    reason = (
        f"no difference is seen, but one up to {largest:.2f} is not excluded: {test}; more "
        "seeds would settle it"
    )
    return Verdict(claim, NOT_ESTABLISHED, reason, *numbers)


def _frame(departures: Sequence[Departure]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "quantity": each.quantity,
            "study": each.label,
            "value": each.estimate.value,
            "stderr": each.estimate.stderr,
            "reference": each.reference,
            "difference": each.difference,
            "pull": each.pull,
        }
        for each in departures
    )


def compare_scalings(results: Mapping[str, ScalingResult]) -> ScalingComparison:
    """Compare the laws of several studies, the first as the reference.

    Raises
    ------
    CompareStudiesError
        With fewer than two laws.
    """
    laws = tuple(
        ComparedLaw(f"{name} ({law.label})" if law.label else name, law)
        for name, result in results.items()
        for law in result.laws
    )
    if len(laws) < 2:
        raise CompareStudiesError(
            f"{len(laws)} law in {len(results)} study; a comparison needs two"
        )
    exponents = _exponents(laws)
    chi2, dof, mean = _common_value([e for e in exponents.values() if e.stderr])
    departures = _departures(laws)
    named = {Key(f"{each.quantity} of {each.label}"): each for each in departures}
    temperatures = [
        each.law.lazy[c].frame().assign(study=each.label)
        for each in laws
        for c in each.law.thresholds
    ]
    answer = "; ".join(f"{each.label}: a = {exponents.get(each.label, 'none')}" for each in laws)
    return ScalingComparison(
        answer=answer,
        estimates={key: each.estimate for key, each in named.items()},
        verdicts={_EQUAL: _judge(list(exponents.values()), chi2, dof, mean)},
        counts={"runs": sum(len(each.law.curves.frame) for each in laws)},
        # One sentence, where other results list one line per law.
        numbers={
            "headline": answer,
            "pulls": {key: json_number(each.pull) for key, each in named.items()},
        },
        tables={
            "t_c.csv": pd.concat(temperatures, ignore_index=True),
            "exponents.csv": _frame(departures),
        },
        laws=laws,
        departures=departures,
        chi2=chi2,
        dof=dof,
        mean=mean,
    )


def _departures(laws: tuple[ComparedLaw, ...]) -> tuple[Departure, ...]:
    by_law = {each.label: each.estimates() for each in laws}
    quantities = dict.fromkeys(key for found in by_law.values() for key in found)
    rows = []
    for quantity in quantities:
        holders = [label for label, found in by_law.items() if quantity in found]
        base = by_law[holders[0]][quantity]
        for label in holders:
            own = by_law[label][quantity]
            difference = error = None
            if label != holders[0]:
                difference = own.value - base.value
                if own.stderr and base.stderr:
                    error = math.hypot(own.stderr, base.stderr)
            rows.append(Departure(quantity, label, own, holders[0], difference, error))
    return tuple(rows)


def _common_value(estimates: list[Estimate]) -> tuple[float | None, int, Estimate | None]:
    """Return chi2 about the weighted mean, its degrees of freedom and the mean."""
    if len(estimates) < 2:
        return None, 0, None
    weights = [1 / (e.stderr or 1.0) ** 2 for e in estimates]
    value = sum(w * e.value for w, e in zip(weights, estimates, strict=True)) / sum(weights)
    chi2 = sum(w * (e.value - value) ** 2 for w, e in zip(weights, estimates, strict=True))
    error = math.sqrt(1 / sum(weights))
    n = min(e.n for e in estimates)
    mean = Estimate(value, error, None, n, "weighted mean of the exponents a", "all studies")
    return chi2, len(estimates) - 1, mean


def pull_text(departure: Departure) -> str:
    """Return ``-0.052(9), -6.2 s.e.`` or why there is no difference.

    >>> a = Estimate(0.4, 0.03, None, 8, "", "")
    >>> pull_text(Departure("a", "B", a, "A", 0.1, 0.05))
    '0.10(5), +2.0 s.e.'
    """
    if departure.difference is None:
        return "reference"
    text = format_value(departure.difference, departure.stderr)
    return text if departure.pull is None else f"{text}, {departure.pull:+.1f} s.e."
