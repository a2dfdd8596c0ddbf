"""What stands under each figure: what is plotted, what the error bars are, n, fit range, lines."""

from __future__ import annotations

from analysis.law import ScalingLaw

_ERRORS = "error bars are standard errors over {n} seeds, where larger than the symbol"


def weight_change_caption(law: ScalingLaw) -> str:
    """Caption of the raw curves."""
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
        f"T_lazy(c) against P for every threshold c, {_fixed(law)}; error bars are bootstrap "
        f"standard errors over {law.n_seeds} seeds. Lines: weighted fits of ln T_c = ln C - a ln "
        f"P (weights 1/s², s ≥ 0.02), shaded: 95 % of the fit, red: the headline c = "
        f"{law.headline:g}. Hollow with an arrow: one-sided bound, not in the fit. Below: the "
        f"exponent between neighbouring sizes; points of different c are displaced sideways."
    )


def stability_caption(law: ScalingLaw) -> str:
    """Caption of the forest plot."""
    return (
        f"The exponent a by threshold, without each size in turn, as predicted by γ/δ, and of "
        f"T_noise (own axis), {_fixed(law)}. Thick bars: standard error, thin: 95 % interval, "
        f"both from {law.n_seeds} resampled seeds with Student's t. Line and shade: the headline "
        f"exponent with its 95 % interval. γ/δ is the limit c → 0."
    )


def companion_caption(law: ScalingLaw) -> str:
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
        f"bars say. Hollow: fewer than 80 % of the runs fitted the data."
    )


def _errors(law: ScalingLaw) -> str:
    return _ERRORS.format(n=law.n_seeds)


def _fixed(law: ScalingLaw) -> str:
    parts = [law.label] if law.label else []
    if law.batch_size is not None and "batch_size" not in law.settings:
        parts.append(f"B = {law.batch_size}")
    return ", ".join(parts) or "all other settings fixed"
