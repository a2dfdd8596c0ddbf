"""The forests of the scaling study: a by c, without each size, over parts, by other routes."""

from __future__ import annotations

import math

import pandas as pd

from analysis.critical_temperature.figures import fixed
from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw
from analysis.estimates import Estimate
from analysis.fits.forest import Forest, ForestRow, rows_of_subsets
from analysis.report.diagnostics import (
    Diagnostics,
    ends_of_runs,
    joined,
    precision_pairs,
    pulls_of_law,
    spread_of,
    step_size_pairs,
)
from analysis.table import MeasurementTable


def scaling_forests(law: ScalingLaw) -> tuple[Forest, ...]:
    """Return the choices of T_lazy and, apart, the exponents of the other temperatures."""
    main = Forest(r"exponent  $a$", _lazy_rows(law), systematic=law.systematic)
    onsets = _onset_rows(law) if isinstance(law, GridLaw) else ()
    return (main, Forest(r"exponent  $a$", onsets, theory=0.0)) if onsets else (main,)


def _lazy_rows(law: ScalingLaw) -> tuple[ForestRow, ...]:
    c = f"c = {law.headline:g}"
    rows = []
    for threshold in sorted(law.thresholds):
        exponent = law.fits[threshold].quoted
        if exponent is not None:
            name = rf"$T_\mathrm{{lazy}}({threshold:g})$"
            rows.append(ForestRow(name, exponent, threshold == law.headline))
    rows += rows_of_subsets("P", law.fit, f"{c} ", fewest=3)
    return (*rows, *(_other_routes(law) if isinstance(law, GridLaw) else ()))


def _onset_rows(law: GridLaw) -> tuple[ForestRow, ...]:
    """Exponents of the other temperatures, which need not share that of T_lazy."""
    fits = {
        r"$T_\mathrm{noise}$": law.noise_fit,
        r"$T_\mathrm{test}$ up": law.onset_fits[law.onsets.up.name],
        r"$T_\mathrm{test}$ down": law.onset_fits[law.onsets.down.name],
    }
    rows = [ForestRow(name, fit.quoted) for name, fit in fits.items() if fit.quoted is not None]
    rows += [
        ForestRow(
            rf"$T_\mathrm{{test}}$ down, reference ${check.label.replace('..', '$–$')}$",
            check.fit.quoted,
        )
        for check in law.edge_checks
        if check.fit.quoted is not None
    ]
    if law.error_law is not None and law.error_law.identifiable:
        rows.append(ForestRow(r"$a_\mathrm{test}$ ($q$ free)", law.error_law.a))
    return tuple(rows)


def _other_routes(law: GridLaw) -> tuple[ForestRow, ...]:
    predicted = law.companions.predicted_exponent
    rows = [] if predicted is None else [ForestRow(r"$\gamma/\delta$  ($c \to 0$)", predicted)]
    fit = law.collapse
    if fit is None or fit.a is None or not fit.determined:
        return tuple(rows)
    rows.append(ForestRow("data collapse", fit.a))
    if fit.opinion is not None:
        where = fit.a.fit_range
        distance = Estimate(fit.opinion.a, fit.opinion.width, None, fit.a.n, "least P_b", where)
        rows.append(ForestRow("Bhattacharjee-Seno", distance))
    return tuple(rows)


def scaling_diagnostics(law: ScalingLaw, table: MeasurementTable) -> Diagnostics:
    """Diagnose the runs of one law, with its runs at other batch sizes and precisions."""
    rows = law.curves.frame
    settings = {k: v for k, v in law.settings.items() if k not in ("batch_size", "dtype")}
    beside = table.frame
    for name, value in settings.items():
        beside = beside[beside[name] == value]
    precisions = beside
    if "batch_size" in beside:
        precisions = beside[beside["batch_size"] == law.batch_size]
    if "dtype" in law.settings:
        beside = beside[beside["dtype"] == law.settings["dtype"]]
    pulls = [
        pulls_of_law(f"c = {c:g}", fit) for c, fit in sorted(law.fits.items()) if len(fit.x) > 1
    ]
    shared = law.curves.shared_seeds
    return Diagnostics(
        pulls=joined(pulls),
        spread=pd.DataFrame() if law.is_adaptive else spread_of(rows, "relative_weight_change"),
        ends=ends_of_runs(rows),
        steps=step_size_pairs(beside) if shared else pd.DataFrame(),
        precision=precision_pairs(precisions) if shared else pd.DataFrame(),
    )


def stability_caption(law: ScalingLaw) -> str:
    """Caption of the forest plot."""
    if law.is_adaptive:
        return (
            f"The exponent a of T_lazy({law.headline:g}), without each size in turn and from the "
            f"larger sizes alone, {fixed(law)}. Thick bars: standard error, thin: 95 % interval, "
            f"from the posteriors' errors. Line and shade: the headline exponent with its 95 % "
            f"interval."
        )
    return (
        f"The exponent a by threshold, without each size in turn, from the larger sizes alone, "
        f"as predicted by γ/δ, from the data collapse, and of T_noise and T_test (own axis), "
        f"{fixed(law)}. "
        f"Thick bars: standard error, thin: 95 % interval, both from {law.n_seeds} resampled "
        f"seeds with Student's t (Bhattacharjee-Seno: width of the minimum of the mean distance, "
        f"no standard error). Line and red shade: the headline exponent with its 95 % interval; "
        f"grey shade: its systematic, half the spread over c. γ/δ is the limit c → 0."
    )


def stability_data(law: ScalingLaw) -> pd.DataFrame:
    """Every exponent of T_c: by definition, as predicted, and without each size in turn."""
    found = law.estimates()
    rows = [
        _exponent_row(key, estimate)
        for key, estimate in found.items()
        if key.name in ("a", "gamma/delta")
    ]
    lazy = law.lazy[law.headline]
    rows += [
        _exponent_row(law.key_of("a", lazy, **{"without P": size}), estimate)
        for size, estimate in law.fit.leave_one_out.items()
    ]
    return pd.DataFrame(rows)


def _exponent_row(key: str, estimate: Estimate) -> dict[str, object]:
    low, high = estimate.interval95 or (math.nan, math.nan)
    return {
        "exponent": key,
        "value": estimate.value,
        "stderr": estimate.stderr,
        "low95": low,
        "high95": high,
        "n": estimate.n,
        "fit_range": estimate.fit_range,
    }
