"""What stands under each figure: what is plotted, what the error bars are, n, fit range, lines."""

from __future__ import annotations

from analysis.critical_temperature.grid_law import GridLaw
from analysis.critical_temperature.law import ScalingLaw

_ERRORS = "error bars are standard errors over {n} seeds, where larger than the symbol"


def weight_change_caption(law: ScalingLaw) -> str:
    """Caption of the raw curves."""
    if law.is_adaptive:
        return (
            f"Relative weight change of every training against T = η/B, {_fixed(law)}; colour is "
            f"P, each point has a seed of its own. Horizontal line: threshold c = "
            f"{law.headline:g}; ticks on it: T_lazy({law.headline:g}) from the posterior, bars: "
            f"the nearest trainings on both sides. Open triangles: trainings that did not fit."
        )
    return (
        f"Geometric mean of the relative weight change over fitted runs against T = η/B, "
        f"{_fixed(law)}; one curve per P, thin lines join neighbours; {_errors(law)}. Horizontal "
        f"line: threshold c = {law.headline:g}; ticks on it: T_lazy({law.headline:g}) by linear "
        f"interpolation in (ln T, ln Δw), bars: its bracket. Dotted: T_noise, geometric mean over "
        f"P. Hollow: fewer than 80 % of the runs fitted the data; such points enter no fit."
    )


def critical_temperature_caption(law: ScalingLaw) -> str:
    """Caption of T_c against P."""
    return (
        f"T_lazy(c) against P for every threshold c, {_fixed(law)}; error bars are "
        f"{_temperature_errors(law)}. Lines: weighted fits of ln T_c = ln C - a ln "
        f"P (weights 1/s², s ≥ 0.02), shaded: 95 % of the fit, red: the headline c = "
        f"{law.headline:g}. Hollow with an arrow: one-sided bound, not in the fit. Below: the "
        f"exponent between neighbouring sizes; points of different c are displaced sideways."
    )


def collapse_caption(law: GridLaw) -> str:
    """Caption of the data collapse."""
    fit = law.collapse
    where = fit.a.fit_range if fit is not None and fit.a is not None else ""
    remarks = "" if fit is None or not fit.remarks else f" {'; '.join(fit.remarks)}."
    return (
        f"Relative weight change against T P^a for T ≥ 20 T_noise, {_fixed(law)}, {where}; bars "
        f"are standard errors with 0.01 for interpolation. Right: the same unscaled, and the "
        f"quality S(a) (mean squared distance from the other curves in units of the errors; 1 if "
        f"they agree, above 3 no collapse), shaded S ≤ S_min + 1, red: bootstrap over seeds."
        f"{remarks}"
    )


def stability_caption(law: ScalingLaw) -> str:
    """Caption of the forest plot."""
    if law.is_adaptive:
        return (
            f"The exponent a of T_lazy({law.headline:g}), without each size in turn and from the "
            f"larger sizes alone, {_fixed(law)}. Thick bars: standard error, thin: 95 % interval, "
            f"from the posteriors' errors. Line and shade: the headline exponent with its 95 % "
            f"interval."
        )
    return (
        f"The exponent a by threshold, without each size in turn, from the larger sizes alone, "
        f"as predicted by γ/δ, from the data collapse, and of T_noise and T_test (own axis), "
        f"{_fixed(law)}. "
        f"Thick bars: standard error, thin: 95 % interval, both from {law.n_seeds} resampled "
        f"seeds with Student's t (Bhattacharjee-Seno: width of the minimum of the mean distance, "
        f"no standard error). Line and red shade: the headline exponent with its 95 % interval; "
        f"grey shade: its systematic, half the spread over c. γ/δ is the limit c → 0."
    )


def companion_caption(law: GridLaw) -> str:
    """Caption of the companion laws."""
    fit = law.companions.weight_change
    where = fit.size_exponent.fit_range if fit is not None else ""
    return (
        f"Companion laws, {_fixed(law)}. Left: weight change divided by P^γ; filled markers are "
        f"in the fit Δw ~ T^δ P^γ (line), shaded: its temperatures, 6 to 60 T_noise. Right: "
        f"geometric mean of the sample presentations t*/T against P, one marker per temperature "
        f"of the fit (displaced sideways), with t*/T ~ T^x P^b (line); x = 0 if t* ~ T P^b. Least "
        f"squares on mean logarithms over {where}; {_errors(law)}."
    )


def batch_caption(law: ScalingLaw) -> str:
    """Caption of the comparison of batch sizes."""
    paired = "paired by seed" if law.curves.shared_seeds else "of independent runs"
    return (
        f"Weight change at batch size B over that at the smallest batch size, at equal P and T, "
        f"ratio of geometric means {paired}; error bars are standard errors. Points of different "
        f"P are displaced sideways. Shaded: departures up to 10 %, within which only T = η/B "
        f"matters."
    )


def test_error_caption(law: ScalingLaw) -> str:
    """Caption of the test error."""
    return (
        f"Mean test error of fitted runs against T, {_fixed(law)}; {_errors(law)}. Seeds share "
        f"their test points at all T, so differences along a curve are better known than the "
        f"bars say. Hollow: fewer than 80 % of the runs fitted the data. Large open triangles: "
        f"T_test,up (upward), where the error paired by seed has risen by 10 % above the two "
        f"lowest T, and T_test,down (downward), where it has fallen by 10 % below T = 6..35 "
        f"T_noise."
    )


def _temperature_errors(law: ScalingLaw) -> str:
    if law.is_adaptive:
        return "standard deviations of the posteriors"
    return f"bootstrap standard errors over {law.n_seeds} seeds"


def _errors(law: ScalingLaw) -> str:
    return _ERRORS.format(n=law.n_seeds)


def _fixed(law: ScalingLaw) -> str:
    parts = [law.label] if law.label else []
    if law.batch_size is not None and "batch_size" not in law.settings:
        parts.append(f"B = {law.batch_size}")
    return ", ".join(parts) or "all other settings fixed"
