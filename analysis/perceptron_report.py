"""The report of the perceptron study: theory beside measurement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis import perceptron_figures as figures
from analysis.estimates import Estimate, format_value
from analysis.perceptron_laws import PerceptronLaws
from analysis.perceptron_scaling import PerceptronResult
from analysis.perceptron_verdicts import judge, lights, windows
from analysis.report import ReportContext
from analysis.report_content import Answer, PlannedFigure, ReportContent, ReportTable
from analysis.report_tables import counts_table, interval_text, verdict_table
from analysis.seed_means import GrowthLaw
from analysis.verdicts import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED


def perceptron_content(result: PerceptronResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of all laws of a result."""
    counts = counts_table(
        result.table,
        context.planned_by_size,
        context.failed_by_size,
        totals=(context.counts_planned, context.counts_failed),
    )
    return ReportContent(
        title="perceptron exponents",
        numbers=result.to_dict(),
        answers=tuple(_answer(law) for law in result.laws),
        figures=_figures(result.laws),
        tables=(
            ("Theory and measurement", (_theory_table(result.laws),)),
            ("Means", tuple(_means_table(law) for law in result.laws if law.sizes is not None)),
            ("Every number", (_estimate_table(result.estimates),)),
            ("Verdicts and runs", (verdict_table(result.verdicts), counts)),
        ),
        conventions=_conventions(result.n_bootstrap),
        fixed=result.table.fixed_settings(),
        files={"exponents.csv": exponent_frame(result)},
    )


def exponent_frame(result: PerceptronResult) -> pd.DataFrame:
    """Return theory, window and measurement of every tested number as a table for scripts."""
    rows = []
    for law in result.laws:
        for name, (theory, (low, high), estimate) in windows(law).items():
            if estimate is not None:
                row = {"law": law.label, "quantity": name, "theory": theory, "low": low}
                row |= {"high": high, "value": estimate.value, "stderr": estimate.stderr}
                rows.append(row | {"n": estimate.n, "fit_range": estimate.fit_range})
    columns = ["law", "quantity", "theory", "low", "high", "value", "stderr", "n", "fit_range"]
    return pd.DataFrame(rows, columns=columns)


def _answer(law: PerceptronLaws) -> Answer:
    verdicts = judge(law)
    statuses = {verdict.status for verdict in verdicts.values()}
    status = NOT_ESTABLISHED
    if CONTRADICTED in statuses:
        status = CONTRADICTED
    elif statuses == {ESTABLISHED}:
        status = ESTABLISHED
    agreed = [v for v in verdicts.values() if v.status == ESTABLISHED]
    paragraphs = [f"{len(agreed)} of {len(verdicts)} claims of theory established."]
    if law.sizes is not None and law.sizes.left_out:
        listed = ", ".join(str(size) for size in law.sizes.left_out)
        paragraphs.append(f"Not in the fits: P = {listed} (P < 4 d, or too few fitted runs).")
    return Answer(
        status=status,
        headline=_headline(law),
        paragraphs=tuple(paragraphs),
        note="Lights tell whether a number lies in the window that theory and its known finite-"
        "size deficits allow; errors in parentheses are 68 %.",
        label=f"{law.label}, d = {law.input_dim}",
        lights=lights(law),
        beside=tuple(verdicts.values()),
    )


def _headline(law: PerceptronLaws) -> str:
    theory = law.theory
    parts = []
    if law.sizes is not None:
        parts.append(f"γ = {law.sizes.signal_to_noise.exponent} (theory {theory.gamma:.3g})")
        parts.append(f"b = {law.sizes.training_time.exponent} ({theory.b:.3g})")
    if law.delta is not None:
        parts.append(f"δ = {law.delta} (1)")
    if law.batches is not None and law.batches.crossover is not None:
        parts.append(f"B* ~ P^{law.batches.crossover.exponent} ({theory.gamma:.3g})")
    return ", ".join(parts) or "nothing determined: fewer than four sizes P ≥ 4 d at one T ≥ 30 κ"


def _figures(laws: Sequence[PerceptronLaws]) -> tuple[PlannedFigure, ...]:
    sized = [law for law in laws if law.sizes is not None]
    heated = [law for law in laws if law.temperatures and len(law.temperatures[0].means.n) > 3]
    batched = [law for law in laws if law.batches is not None]
    moving = [law for law in laws if law.trajectory is not None and law.sizes is not None]
    planned = []
    errors = "bars are standard errors over seeds with the spread pooled over the axis"
    if sized:
        caption = (
            "Geometric means at the end of training against P, at "
            f"T = {_temperatures(sized)}, B = 1; {errors}. Solid: weighted fit; dotted: the "
            "exponent of theory, through the largest P. w₁/w⊥ follows it, ‖w‖ and t* stay below."
        )
        planned.append(PlannedFigure("size-laws", lambda: figures.plot_size_laws(sized), caption))
    if heated:
        caption = (
            f"Geometric mean of ‖w‖/T against T/κ, B = 1; {errors}. Lines: ‖w‖ = c₀κ + c₁T; they "
            "bend at T_noise/κ = c₀/c₁, at the same temperature for all P."
        )
        planned.append(
            PlannedFigure("temperatures", lambda: figures.plot_temperature_laws(heated), caption)
        )
    if batched:
        caption = (
            f"Geometric mean of ‖w‖/T against B at fixed T; {errors}. Dotted grey: the first step "
            "alone, E[a]B/√d. Right: B*, where both meet, with its fit (solid) and the exponent "
            "of theory (dotted)."
        )
        planned.append(
            PlannedFigure("batch-sizes", lambda: figures.plot_batch_laws(batched), caption)
        )
    if moving:
        caption = (
            "Signal during training after 2^k updates, means of logarithms at the largest P; "
            "markers on the left are in the fit. Right: slope between neighbours; dotted: "
            "1/(3 + χ)."
        )
        planned.append(
            PlannedFigure("trajectories", lambda: figures.plot_trajectories(moving), caption)
        )
    return tuple(planned)


def _temperatures(laws: Sequence[PerceptronLaws]) -> str:
    return ", ".join(
        sorted({f"{law.sizes.temperature:g}" for law in laws if law.sizes is not None})
    )


def _theory_table(laws: Sequence[PerceptronLaws]) -> ReportTable:
    rows = []
    for law in laws:
        for name, (theory, (low, high), estimate) in windows(law).items():
            if estimate is not None:
                inside = "yes" if low <= estimate.value <= high else "no"
                pull = (estimate.value - theory) / estimate.stderr if estimate.stderr else None
                rows.append(
                    (
                        law.label,
                        name,
                        f"{theory:.4g}",
                        str(estimate),
                        interval_text(estimate),
                        "" if pull is None else f"{pull:+.1f}",
                        f"{low:.3g} … {high:.3g}",
                        inside,
                        estimate.fit_range,
                    )
                )
    columns = ("law", "quantity", "theory", "measured", "95 % interval", "pull (s.e.)", "window",
               "inside", "fit range")  # fmt: skip
    return ReportTable("Exponents of theory and of the data", columns, tuple(rows))


def _means_table(law: PerceptronLaws) -> ReportTable:
    sizes = law.sizes
    assert sizes is not None
    columns: list[tuple[str, GrowthLaw]] = [
        ("w₁/w⊥", sizes.signal_to_noise),
        ("‖w‖/T", sizes.weight_norm),
        ("w⊥/T", sizes.noise),
        ("t*/T", sizes.training_time),
        ("updates", sizes.updates),
    ]
    positions = sizes.signal_to_noise.means.positions
    rows = tuple(
        (
            f"{positions[k]:.0f}",
            f"{sizes.signal_to_noise.means.n[k]:.0f}",
            *(_cell(fit, k) for _, fit in columns),
        )
        for k in range(len(positions))
    )
    title = f"Geometric means at T = {sizes.temperature:g}, {law.label}"
    return ReportTable(title, ("P", "seeds", *(name for name, _ in columns)), rows)


def _cell(fit: GrowthLaw, k: int) -> str:
    mean = math.exp(fit.means.mean[k])
    return format_value(mean, mean * float(fit.means.stderr[k]))


def _estimate_table(estimates: dict[str, Estimate]) -> ReportTable:
    rows = tuple(
        (
            key,
            str(estimate),
            interval_text(estimate),
            str(estimate.n),
            estimate.fit_range,
            estimate.definition,
        )
        for key, estimate in estimates.items()
    )
    columns = ("quantity", "value (68 %)", "95 % interval", "n", "fit range", "definition")
    return ReportTable("Estimates", columns, rows)


def _conventions(n_bootstrap: int) -> tuple[str, ...]:
    return (
        "f = w·x/√d from w = 0, hinge loss with margin κ = 1/α on f, T = η/B. Data: |x₁| has the "
        "density |x₁|^χ exp(−x₁²/2), the other components are N(0, 1), the label is the sign of "
        "x₁. w₁ is the signal, w⊥ the norm of all other components.",
        "A run is fitted when no training point has a margin below κ; t* = η × index of the last "
        "step that changed w. Only fitted runs enter means, which are means of logarithms; a size "
        "counts if at least 80 % of its runs fitted and P ≥ 4 d.",
        f"Errors: {n_bootstrap} bootstrap samples of whole seeds, whose data are nested in P, "
        "times √(S/(S−1)); 95 % intervals with Student's t of S − 1 degrees of freedom. Weights "
        "are numbers of runs: one spread, pooled over the axis.",
    )
