"""The report of the perceptron study: theory beside measurement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from analysis.claims import CONTRADICTED, ESTABLISHED, NOT_ESTABLISHED
from analysis.estimates import format_value, interval_text
from analysis.perceptron_exponents import checks, figures
from analysis.perceptron_exponents.checks import perceptron_diagnostics, perceptron_forests
from analysis.perceptron_exponents.claims import judge, lights, windows
from analysis.perceptron_exponents.laws import PerceptronLaws
from analysis.perceptron_exponents.seed_means import GrowthLaw
from analysis.perceptron_exponents.study import PerceptronResult
from analysis.report.checks import diagnostics_figures, forest_figures
from analysis.report.content import (
    Answer,
    PlannedFigure,
    ReportContent,
    ReportContext,
    ReportTable,
)
from analysis.report.joined import joined_content
from analysis.report.methods import bootstrap_sentence
from analysis.report.tables import estimate_table


def perceptron_content(result: PerceptronResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of all laws of a result."""
    return joined_content(
        result,
        context,
        title="perceptron exponents",
        names="laws",
        citations=("sclocchi2023dissecting", "sclocchi2024regimes"),
        answer=_answer,
        figures=_forest,
        shared=(_figures(result.laws), diagnostics_figures(perceptron_diagnostics(result))),
        most_drawn=len(result.laws),
        sections=[
            ("Theory and measurement", (_theory_table(result.laws),)),
            ("Means", tuple(_means_table(law) for law in result.laws if law.sizes is not None)),
            ("Every number", (estimate_table(result.estimates),)),
        ],
        conventions=_conventions(result.n_bootstrap),
        methods=_methods(result),
    )


def _methods(result: PerceptronResult) -> tuple[str, ...]:
    return (
        "Exponents of P were fitted to geometric means at the highest temperature T ≥ 30 κ over "
        "sizes P ≥ 4 d of which at least 80 % of the runs fitted, by least squares weighted with "
        "the numbers of runs. Steps without a violated margin were drawn, not taken, unless the "
        "specification asks for the plain loop; both have the same law.",
        bootstrap_sentence(result.n_bootstrap, "the means into the exponents"),
    )


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
        label=f"{law.label}" if "input_dim" in law.label else f"{law.label}, d = {law.input_dim}",
        lights=lights(law),
        beside=tuple(verdicts.values()),
    )


def _headline(law: PerceptronLaws) -> str:
    theory = law.theory
    parts = []
    if law.sizes is not None:
        parts.append(f"γ = {law.sizes.signal_to_noise.slope} (theory {theory.gamma:.3g})")
        parts.append(f"b = {law.sizes.training_time.slope} ({theory.b:.3g})")
    if law.delta is not None:
        parts.append(f"δ = {law.delta} (1)")
    if law.batches is not None and law.batches.crossover is not None:
        n = len(law.batches.crossovers)
        exponent = law.batches.crossover.slope
        parts.append(f"B* ~ P^{exponent} ({theory.gamma:.3g}; {n} sizes)")
    return ", ".join(parts) or "nothing determined: fewer than four sizes P ≥ 4 d at one T ≥ 30 κ"


def _figures(laws: Sequence[PerceptronLaws]) -> tuple[PlannedFigure, ...]:
    sized = [law for law in laws if law.sizes is not None]
    heated = [law for law in laws if law.temperatures and len(law.temperatures[0].means.n) > 3]
    batched = [law for law in laws if law.batches is not None]
    moving = [law for law in sized if law.trajectory is not None]
    planned = (
        ("size-laws", sized, figures.plot_size_laws, _SIZE_CAPTION, checks.size_law_data),
        (
            "temperatures",
            heated,
            figures.plot_temperature_laws,
            _TEMPERATURE_CAPTION,
            checks.temperature_law_data,
        ),
        (
            "batch-sizes",
            batched,
            figures.plot_batch_laws,
            _batch_caption(batched),
            checks.batch_law_data,
        ),
        (
            "trajectories",
            moving,
            figures.plot_trajectories,
            _TRAJECTORY_CAPTION,
            checks.trajectory_data,
        ),
    )
    return tuple(
        PlannedFigure(name, partial(plot, shown), caption, partial(numbers, shown))
        for name, shown, plot, caption, numbers in planned
        if shown
    )


_ERRORS = "bars are standard errors over seeds with the spread pooled over the axis"
_SIZE_CAPTION = (
    f"Geometric means at the end of training against P, at T ≥ 30 κ and B = 1; {_ERRORS}. Solid: "
    "weighted fit; dotted: the exponent of theory, through the largest P."
)
_TEMPERATURE_CAPTION = (
    f"Geometric mean of ‖w‖/T against T/κ, B = 1; {_ERRORS}. Lines: ‖w‖ = c₀κ + c₁T, fitted "
    "at every P; they bend at T_noise/κ = c₀/c₁."
)


def _batch_caption(laws: Sequence[PerceptronLaws]) -> str:
    counts = {
        figures.law_name(law.label): len(law.batches.crossovers)
        for law in laws
        if law.batches is not None
    }
    sizes = ", ".join(f"{n} at {name}" for name, n in counts.items())
    return (
        f"Geometric mean of ‖w‖/T against B at fixed T; {_ERRORS}. Dotted grey: the first step "
        f"alone, E[a]B/√d. Right: B* = (‖w‖/T at small B) √d/E[a], where both meet, at every P "
        f"that has one (number of sizes: {sizes}); its bars too are over seeds at one P. Solid: "
        f"fit over these sizes; dotted: the exponent of theory."
    )


_TRAJECTORY_CAPTION = (
    "Signal during training after 2^k updates, means of logarithms at the largest P; markers on "
    "the left are in the fit. Right: slope between neighbours; dotted: 1/(3 + χ)."
)


def _forest(law: PerceptronLaws) -> tuple[PlannedFigure, ...]:
    sentence = (
        f"Exponents γ and b at {figures.law_name(law.label)}, without each P in turn, from the "
        f"larger P alone, and γ by other quantities; errors from resampled seeds."
    )
    return forest_figures(perceptron_forests(law), sentence, f"-{law.label}")


def _theory_table(laws: Sequence[PerceptronLaws]) -> ReportTable:
    rows: list[tuple[str, ...]] = []
    for law in laws:
        found = windows(law)
        if found:
            rows.append((law.label,))
        rows += [
            (
                name,
                f"{window.theory:.4g}",
                str(window.estimate),
                interval_text(window.estimate),
                "" if window.pull is None else f"{window.pull:+.1f}",
                f"{window.low:.3g} … {window.high:.3g}",
                "yes" if window.holds else "no",
                window.estimate.fit_range,
            )
            for name, window in found.items()
        ]
    columns = ("exponent", "theory", "measured", "95 % interval", "pull (s.e.)", "window",
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
