"""How much the exponents of the test error's fall depend on the edge of its reference.

The fall is measured against noisy kernel training, T = 6..35 T_noise. Where it begins close to
the upper end, or the rise still goes on at the lower one, the choice of the range decides; so
both exponents are found again with either end moved by one temperature, and half the spread is
their systematic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.critical_temperature.noise_windows import Window
from analysis.critical_temperature.test_error.logistic import (
    NOT_IDENTIFIABLE,
    WIDEST,
    LogisticLaw,
    fit_error_law,
)
from analysis.critical_temperature.test_error.onsets import ErrorOnsets
from analysis.curves import Curves
from analysis.fits.power_law import PowerLaw
from analysis.locating.located import fit_power_law


@dataclass(frozen=True)
class EdgeCheck:
    """Both exponents of the fall with an end of its reference moved."""

    window: Window
    """Lowest and highest temperature of the reference."""
    fit: PowerLaw
    """Power law of T_test,down."""
    law: LogisticLaw | None
    """The logistic law, without error bars."""

    @property
    def label(self) -> str:
        """``T = 0.0316..0.1``."""
        return f"T = {self.window[0]:.3g}..{self.window[1]:.3g}"


def check_edges(
    curves: Curves, onsets: ErrorOnsets, noise_temperature: float | None
) -> tuple[EdgeCheck, ...]:
    """Return both exponents for every moved reference; empty where there is none."""
    return tuple(
        EdgeCheck(
            moved.window,
            fit_power_law(moved.down),
            fit_error_law(curves, moved.ratios, noise_temperature, n_samples=0),
        )
        for moved in onsets.moved
    )


def fall_systematic(fit: PowerLaw, checks: Sequence[EdgeCheck]) -> float | None:
    """Return half the spread of a of T_test,down; None unless two references determine it."""
    found = [each.quoted for each in (fit, *(check.fit for check in checks))]
    values = [each.value for each in found if each is not None]
    return (max(values) - min(values)) / 2 if fit.determined and len(values) > 1 else None


def with_edge_remark(fit: PowerLaw, checks: Sequence[EdgeCheck]) -> PowerLaw:
    """Return the fit of T_test,down with a sentence on what the edge of its reference does."""
    systematic = fall_systematic(fit, checks)
    if systematic is None:
        return fit
    listed = ", ".join(_exponent_text(check) for check in checks)
    remark = f"systematic ±{systematic:.3f} from the edge of its reference ({listed})"
    return replace(fit, more_remarks=(remark,))


def _exponent_text(check: EdgeCheck) -> str:
    a = check.fit.quoted
    value = "not determined" if a is None else f"a = {a}"
    return f"{value} with {check.label}"


def with_edges(law: LogisticLaw | None, checks: Sequence[EdgeCheck]) -> LogisticLaw | None:
    """Return the logistic law with its systematic; not identifiable if that is too large."""
    values = [check.law.a.value for check in checks if check.law is not None]
    if law is None or not values:
        return law
    values.append(law.a.value)
    systematic = (max(values) - min(values)) / 2
    interval = law.a.interval95
    reason = f"{law.reason}; systematic ±{systematic:.2f} from the edge of the reference"
    if law.identifiable and interval is not None:
        half = (interval[1] - interval[0]) / 2
        if half + systematic > WIDEST:
            reason = (
                f"{NOT_IDENTIFIABLE}: {reason}, with the half width of the 95 % interval, "
                f"{half:.2f}, more than {WIDEST:g}"
            )
            return replace(law, systematic=systematic, identifiable=False, reason=reason)
    return replace(law, systematic=systematic, reason=reason)
