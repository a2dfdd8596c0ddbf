"""The forests of the scaling study: a by c, without each size, over parts, by other routes."""

from __future__ import annotations

from analysis.critical_temperature.law import ScalingLaw
from analysis.estimates import Estimate
from analysis.fits.forest import Forest, ForestRow


def scaling_forests(law: ScalingLaw) -> tuple[Forest, ...]:
    """Return the choices of T_lazy and, apart, the exponents of the other temperatures."""
    main = Forest(r"exponent  $a$", _lazy_rows(law), systematic=law.systematic)
    onsets = _onset_rows(law)
    return (main, Forest(r"exponent  $a$", onsets, theory=0.0)) if onsets else (main,)


def _lazy_rows(law: ScalingLaw) -> tuple[ForestRow, ...]:
    c = f"c = {law.headline:g}"
    rows = []
    for threshold in sorted(law.thresholds):
        exponent = law.fits[threshold].exponent
        if law.fits[threshold].determined and exponent is not None:
            name = rf"$T_\mathrm{{lazy}}({threshold:g})$"
            rows.append(ForestRow(name, exponent, threshold == law.headline))
    for size, estimate in law.fit.leave_one_out.items():
        rows.append(ForestRow(f"{c} without $P = {size}$", estimate))
    # All sizes and all but the smallest are among the rows above.
    for size, estimate in list(law.fit.from_size.items())[2:]:
        rows.append(ForestRow(rf"{c}, $P \geq {size}$", estimate))
    if law.companions.predicted_exponent is not None:
        rows.append(ForestRow(r"$\gamma/\delta$  ($c \to 0$)", law.companions.predicted_exponent))
    return (*rows, *_collapse_rows(law))


def _onset_rows(law: ScalingLaw) -> tuple[ForestRow, ...]:
    """Exponents of the other temperatures, which need not share that of T_lazy."""
    fits = {
        r"$T_\mathrm{noise}$": law.noise_fit,
        r"$T_\mathrm{test}$ up": law.onset_fits[law.onsets.up.name],
        r"$T_\mathrm{test}$ down": law.onset_fits[law.onsets.down.name],
    }
    rows = [
        ForestRow(name, fit.exponent)
        for name, fit in fits.items()
        if fit.determined and fit.exponent is not None
    ]
    rows += [
        ForestRow(
            rf"$T_\mathrm{{test}}$ down, reference ${check.label.replace('..', '$–$')}$",
            check.fit.exponent,
        )
        for check in law.edge_checks
        if check.fit.determined and check.fit.exponent is not None
    ]
    if law.error_law is not None and law.error_law.identifiable:
        rows.append(ForestRow(r"$a_\mathrm{test}$ ($q$ free)", law.error_law.a))
    return tuple(rows)


def _collapse_rows(law: ScalingLaw) -> tuple[ForestRow, ...]:
    fit = law.collapse
    if fit is None or fit.a is None or not fit.determined:
        return ()
    rows = [ForestRow("data collapse", fit.a)]
    if fit.opinion is not None:
        where = fit.a.fit_range
        distance = Estimate(fit.opinion.a, fit.opinion.width, None, fit.a.n, "least P_b", where)
        rows.append(ForestRow("Bhattacharjee-Seno", distance))
    return tuple(rows)
