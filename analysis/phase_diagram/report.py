"""The report of the (alpha, T) plane: what the page says about a :class:`PhaseResult`."""

from __future__ import annotations

from functools import partial

from analysis.phase_diagram import checks, figures
from analysis.phase_diagram.checks import phase_diagnostics, phase_forests
from analysis.phase_diagram.claims import judge_diagram
from analysis.phase_diagram.diagram import PhaseDiagram
from analysis.phase_diagram.study import PhaseResult
from analysis.report.checks import diagnostics_figures, forest_figures
from analysis.report.content import (
    Answer,
    PlannedFigure,
    ReportContent,
    ReportContext,
    ReportTable,
)
from analysis.report.joined import after_comma, joined_content, suffix_of
from analysis.report.methods import TRAINING_CONVENTIONS, bootstrap_sentence, from_to
from analysis.report.tables import estimate_table, estimate_text, table_of
from analysis.table import setting_text


def phase_content(result: PhaseResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of all diagrams of a result."""
    return joined_content(
        result,
        context,
        title="phase diagram (alpha, T)",
        names="diagrams",
        citations=("sclocchi2023dissecting", "sclocchi2024regimes"),
        answer=_answer,
        figures=_figures,
        shared=((), diagnostics_figures(phase_diagnostics(result))),
        sections=[
            (
                f"Located temperatures{after_comma(diagram.label)}",
                (_temperatures(diagram), _stability(diagram)),
            )
            for diagram in result.diagrams
        ],
        estimates=(estimate_table(result.estimates),),
        conventions=(
            *TRAINING_CONVENTIONS,
            "T_noise: the geometric mean of the weight change is twice that at the lowest "
            "temperature. T_lazy(c): it reaches c; where it exceeds c already on the plateau the "
            "point belongs to the feature regime and T_lazy does not exist. T_opt: minimum of a "
            "cubic in ln T through the test error, paired by seed, reported only if its 68 % "
            "interval stays inside the window. T_edge: half of the runs do not fit.",
            "Groups of the test error, fixed in advance by T₁ = 1/(αK) and η_max: cold T ≤ T₁, "
            "noisy 6 to 35 times 2.1 T₁, hot η_max/3 to η_max.",
            f"Errors: {result.n_bootstrap} bootstrap samples of whole seeds, the same for all "
            "alphas; 95 % intervals with Student's t of S − 1 degrees of freedom.",
        ),
        methods=_methods(result),
    )


def _methods(result: PhaseResult) -> tuple[str, ...]:
    return (
        f"At every α the temperatures T_noise, T_lazy({result.diagrams[0].threshold:g}), T_opt "
        f"and T_edge were located as defined above, by interpolation between neighbouring "
        f"temperatures and never beyond them. ln T_noise = ln A + k ln α was fitted by weighted "
        f"least squares, separately for α ≥ 10 and for α ≤ 0.1.",
        bootstrap_sentence(result.n_bootstrap, "the located temperatures into the slopes"),
    )


def _answer(diagram: PhaseDiagram) -> Answer:
    verdicts = judge_diagram(diagram)
    slopes = [verdicts[diagram.key(f"T_noise_slope_{side}")] for side in ("lazy", "feature")]
    lazy, feature = (
        "not determined" if law.exponent is None else f"α^{law.exponent}"
        for law in (diagram.lazy_law, diagram.feature_law)
    )
    kinds = [scan.is_feature_regime for scan in diagram.scans]
    regimes = [
        f"{name}: α = {', '.join(f'{setting_text(a)}' for a in alphas)}"
        for name, alphas in (
            ("feature regime", [s.alpha for s, k in zip(diagram.scans, kinds, strict=True) if k]),
            (
                "lazy at low T",
                [s.alpha for s, k in zip(diagram.scans, kinds, strict=True) if not k],
            ),
        )
        if alphas
    ]
    return Answer(
        status=slopes[0].status,
        headline=f"T_noise ~ {lazy} (α ≥ 10), {feature} (α ≤ 0.1)",
        paragraphs=(
            *(f"{v.status.capitalize()}: {v.reason}." for v in slopes),
            f"P = {diagram.n_train}; {'; '.join(regimes)}.",
        ),
        note="T_noise is where the weight change has doubled; errors in parentheses are 68 %.",
        label=diagram.label,
        beside=tuple(verdicts[diagram.step_key(step)] for step in diagram.steps),
    )


def _figures(diagram: PhaseDiagram) -> list[PlannedFigure]:
    suffix = suffix_of(diagram.label)
    n = from_to(scan.curves.n_clusters for scan in diagram.scans)
    at = f"P = {diagram.n_train}{after_comma(diagram.label)}"
    planned = [
        PlannedFigure(
            f"phase-diagram{suffix}",
            lambda: figures.plot_phase_diagram(diagram),
            f"Relative weight change (left, geometric mean) and test error (right, mean) over "
            f"the plane of initialization scale α and temperature T, {at}, {n} seeds per point. "
            f"Every coloured tile is one measured point (dot); nothing is interpolated. Crosses: "
            f"fewer than 80 % of the runs fitted. Lines join located temperatures: T_noise "
            f"(weight change doubled), T_lazy({diagram.threshold:g}) (weight change reaches "
            f"{diagram.threshold:g}; left of its end it does so at every T), T_opt (least test "
            f"error, where resolved), T_edge (half of the runs do not fit). Error bars: bootstrap "
            f"standard errors over seeds, for T_edge its bracket over √12.",
            partial(checks.phase_data, diagram),
        )
    ]
    if diagram.steps:
        planned.append(
            PlannedFigure(
                f"test-error-steps{suffix}",
                lambda: figures.plot_error_steps(diagram),
                f"Mean test error against T on the lazy side, {at}; error bars are standard "
                f"errors over {n} seeds. Shaded: groups of temperatures fixed in advance; titles: "
                f"differences between their means, paired by seed, which are better known than "
                f"the bars say. Dotted: T_noise.",
                partial(checks.phase_data, diagram),
            )
        )
    planned.append(
        PlannedFigure(
            f"stability{suffix}",
            lambda: figures.plot_stability(diagram),
            f"Fraction of {n} runs per point that diverged or used up their budget, {at}. Dashed: "
            f"one half, the definition of T_edge.",
            partial(checks.phase_data, diagram),
        )
    )
    sentence = (
        f"Exponent of T_noise against α on both sides, without each α in turn, {at}; errors from "
        f"resampled seeds."
    )
    return [*planned, *forest_figures(phase_forests(diagram), sentence, suffix)]


def _temperatures(diagram: PhaseDiagram) -> ReportTable:
    columns = {
        "α": lambda row: setting_text(row.alpha),
        "seeds": lambda row: str(row.n_seeds),
        "plateau Δw": lambda row: f"{row.plateau:.3g}",
        "T_noise": lambda row: estimate_text(row.noise, row.noise_status),
        f"T_lazy({diagram.threshold:g})": lambda row: row.lazy,
        "T_opt": lambda row: estimate_text(row.optimum, row.optimal_status),
        "T_edge": lambda row: estimate_text(row.edge, _above(row.last_whole_temperature)),
        "remarks": lambda row: row.remark,
    }
    title = f"Temperatures by α, P = {diagram.n_train}"
    return table_of(title, diagram.located.itertuples(), columns, remarks=True)


def _above(temperature: float | None) -> str:
    return f"> {temperature:.3g}" if temperature else "None"


def _stability(diagram: PhaseDiagram) -> ReportTable:
    rows = []
    for scan in diagram.scans:
        edge = scan.edge
        for k, t in enumerate(edge.temperatures):
            if edge.n_diverged[k] + edge.n_censored[k] > 0:
                rows.append(
                    (
                        setting_text(scan.alpha),
                        f"{t:.4g}",
                        str(edge.n_runs[k]),
                        str(edge.n_diverged[k]),
                        str(edge.n_censored[k]),
                        f"{edge.fraction_lost[k]:.2f}",
                    )
                )
    columns = ("α", "T", "runs", "diverged", "censored", "fraction lost")
    return ReportTable("Where runs did not fit", columns, tuple(rows))
