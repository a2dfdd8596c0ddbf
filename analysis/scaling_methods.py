"""The methods paragraphs of the scaling report, written from what was set and measured.

Every number comes from the table or the specification, so that the text cannot disagree with the
runs; a setting the table does not name is not mentioned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.law import ScalingLaw
from analysis.report import ReportContext
from analysis.scaling import ScalingResult
from analysis.table import plain

CITED = ("sclocchi2023dissecting", "sclocchi2024regimes", "chizat2019lazy", "jacot2018ntk")
"""Papers that every scaling report rests on."""

_LOSSES = {
    "hinge": "the hinge loss",
    "quadratic_hinge": "the quadratic hinge loss",
    "logistic": "the logistic loss",
}


def scaling_methods(result: ScalingResult, context: ReportContext) -> tuple[str, ...]:
    """Return the methods as paragraphs, ready for a paper."""
    settings = {name: plain(value) for name, value in result.table.fixed_settings().items()}
    law = result.laws[0]
    return tuple(
        paragraph
        for paragraph in (
            _networks(settings, context),
            _runs(result, context),
            _temperatures(law),
            _errors(result, law),
            _provenance(context),
        )
        if paragraph
    )


def _networks(settings: Mapping[str, Any], context: ReportContext) -> str:
    parts = [_model(settings)]
    if settings.get("loss") in _LOSSES:
        parts.append(f"the predictor F = α (f − f₀) and {_LOSSES[settings['loss']]} with margin 1")
    if "alpha" in settings:
        parts.append(f"α = {settings['alpha']:g}")
    if "data" in settings:
        parts.append(f"the data set {settings['data']} ({context.data_sentence})")
    if "dtype" in settings:
        parts.append(f"{settings['dtype']} arithmetic")
    return f"Trained were: {', '.join(parts)}." if any(parts) else ""


def _model(settings: Mapping[str, Any]) -> str:
    if settings.get("model") != "mlp":
        return f"models of kind {settings['model']}" if "model" in settings else ""
    text = "multilayer perceptrons"
    if "depth" in settings and "width" in settings:
        text += f" of {settings['depth']} hidden layers of width {settings['width']}"
    if "activation" in settings:
        text += f" with {settings['activation']} units"
    return f"{text} in neural-tangent parametrization"


def _runs(result: ScalingResult, context: ReportContext) -> str:
    frame = result.table.frame
    sizes = ", ".join(str(size) for size in sorted(frame["n_train"].unique()))
    temperatures = sorted(frame["temperature"].unique())
    text = f"Stochastic gradient descent learned P = {sizes} points"
    if "batch_size" in frame:
        text += f" with batches of B = {', '.join(map(str, sorted(frame['batch_size'].unique())))}"
    text += (
        f" at {len(temperatures)} temperatures T = η/B from {temperatures[0]:.3g} to "
        f"{temperatures[-1]:.3g}"
    )
    text += f", {result.laws[0].replicas}"
    planned = context.counts_planned
    counts = result.to_dict()["counts"]
    text += f": {len(frame)} runs" + (f" of {planned} planned. " if planned is not None else ". ")
    return text + (
        f"{counts['fitted']} ended because every training point lay beyond its margin, "
        f"{counts['censored']} used up their budget and {counts['diverged']} diverged."
    )


def _temperatures(law: ScalingLaw) -> str:
    determined = law.exponents_over_thresholds()
    others = ", ".join(f"{c:g}" for c in law.thresholds[1:] if c in determined)
    if law.is_adaptive:
        return (
            f"{law.fit.symbol} is the {law.lazy[law.headline].definition}. Every size chose its "
            f"temperatures from its own finished trainings; its value and error are mean and "
            f"standard deviation of a posterior. ln T_c = ln C − a ln P was fitted by weighted "
            f"least squares."
        )
    text = (
        f"{law.fit.symbol} is the {law.lazy[law.headline].definition}, interpolated in "
        f"(ln T, ln Δw) between neighbouring temperatures and never extrapolated. "
        f"ln T_c = ln C − a ln P was fitted by weighted least squares"
    )
    return f"{text}; the same with c = {others} gives the systematic." if others else f"{text}."


def _errors(result: ScalingResult, law: ScalingLaw) -> str:
    if law.is_adaptive:
        return "The error of the exponent is that of the fit, as if sizes were independent."
    return (
        f"Errors come from {result.n_bootstrap} bootstrap samples of whole seeds, carried through "
        f"T_c into the exponent; 95 % intervals use Student's t with {law.n_seeds - 1} degrees "
        f"of freedom."
    )


def _provenance(context: ReportContext) -> str:
    if not context.spec_hash:
        return ""
    text = f"The specification has the hash {context.spec_hash}"
    return f"{text}; the code was at commit {context.commit}." if context.commit else f"{text}."
