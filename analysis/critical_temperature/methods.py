"""The methods paragraphs of the scaling report: how T_c and its exponent were found."""

from __future__ import annotations

from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.study import ScalingResult
from analysis.report.methods import training_methods
from analysis.report.page import ReportContext

CITED = ("sclocchi2023dissecting", "sclocchi2024regimes", "chizat2019lazy", "jacot2018ntk")
"""Papers that every scaling report rests on."""


def scaling_methods(result: ScalingResult, context: ReportContext) -> tuple[str, ...]:
    """Return the methods as paragraphs, ready for a paper."""
    law = result.laws[0]
    own = (_temperatures(law), _errors(result, law))
    return training_methods(result.table, context, own, law.replicas)


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
