"""The report of the (B, eta) plane: what the page says about a :class:`BatchResult`."""

from __future__ import annotations

import math
from functools import partial

from analysis.batch_regimes import checks, figures
from analysis.batch_regimes.checks import batch_diagnostics, batch_forests
from analysis.batch_regimes.claims import judge_plane
from analysis.batch_regimes.critical_batch import EXCESS
from analysis.batch_regimes.plane import BatchCell, BatchPlane
from analysis.batch_regimes.study import BatchResult, answer_of
from analysis.estimates import Estimate, format_value, interval_text
from analysis.frame import printed
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
from analysis.report.tables import estimate_text, quality_text, table_of


def batch_content(result: BatchResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of all planes of a result."""
    return joined_content(
        result,
        context,
        title="regimes in the plane (B, η)",
        names="planes",
        citations=("sclocchi2023dissecting", "sclocchi2024regimes"),
        answer=_answer,
        figures=_figures,
        shared=((), diagnostics_figures(batch_diagnostics(result))),
        sections=[
            (
                f"B* and its exponents{after_comma(plane.label)}",
                (_critical_table(plane), _exponent_table(plane), _cell_table(plane)),
            )
            for plane in result.planes
        ],
        conventions=(
            *TRAINING_CONVENTIONS,
            f"B*: the weight change first exceeds {EXCESS:g} times that at the smallest B of the "
            "same P and T, linear in (ln B, ln ratio) between neighbours. Only batch sizes with "
            "η = TB ≤ η_max/2 are used; the others are marked as beyond the stable step.",
            "Phases: gradient descent below T_noise = 2.1 T₁ with T₁ = 1/(αK); above it "
            "noise-dominated for B ≤ B*, first-step-dominated for B > B*.",
            "Ratios and differences are taken seed by seed, since a seed fixes images and initial "
            "weights at all B; a cell is used if at least 80 % of its runs fitted.",
            f"Errors of B* and of its exponent: {result.n_bootstrap} bootstrap samples of whole "
            "seeds; 95 % intervals with Student's t of S − 1 degrees of freedom.",
        ),
        methods=_methods(result),
    )


def _methods(result: BatchResult) -> tuple[str, ...]:
    return (
        f"At every P and T the ratio of weight changes at B and at the smallest B was taken seed "
        f"by seed; B* is where it first exceeds {EXCESS:g}, linear in (ln B, ln ratio) between "
        f"neighbouring batch sizes. Batch sizes with η > η_max/2 were left out. "
        f"ln B* = ln C + g ln P was fitted by weighted least squares at every temperature with "
        f"at least four sizes over a factor of eight.",
        bootstrap_sentence(result.n_bootstrap, "B* into the exponent"),
    )


def _answer(plane: BatchPlane) -> Answer:
    verdicts = judge_plane(plane)
    growth = verdicts[plane.key("B_star_grows_with_P")]
    law = plane.headline_law
    scale = "Gradient noise scale tr(Σ)/|G|²: not measured."
    if plane.noise_scale:
        listed = "; ".join(
            f"{one.estimate} at the {one.when} ({one.estimate.fit_range})"
            for one in plane.noise_scale
        )
        scale = f"Gradient noise scale tr(Σ)/|G|²: {listed}."
    located = ", ".join(f"{batch.estimate()} (P = {batch.n_train})" for batch in law.located)
    return Answer(
        status=growth.status,
        headline=answer_of(plane),
        paragraphs=(
            f"{growth.status.capitalize()}: {growth.reason}.",
            f"B* at T = {law.temperature:.3g}: {located or 'none'}.",
            scale,
        ),
        note=f"B* is where the weight change exceeds {EXCESS:g} times that at the smallest B at "
        "equal T; errors in parentheses are 68 %.",
        label=plane.label,
        beside=tuple(verdict for key, verdict in verdicts.items() if key.name == "only_T_matters"),
    )


def _figures(plane: BatchPlane) -> list[PlannedFigure]:
    suffix = suffix_of(plane.label)
    runs = plane.grid.n_runs[plane.grid.n_runs > 0]
    n = from_to(runs)
    at = after_comma(plane.label)
    hollow = "Hollow: η > η_max/2, beyond the stable step; in no fit"
    law = plane.headline_law
    cells = partial(checks.batch_plane_data, plane)
    return [
        PlannedFigure(
            f"batch-plane{suffix}",
            lambda: figures.plot_plane(plane),
            f"Every measured point of the (B, η) plane{at}, {n} seeds each, by its phase. "
            f"Diagonals: equal T = η/B. Dashed: η_max/2, above which batch sizes are not "
            f"compared. Diamonds: B* at each T with its bootstrap standard error.",
            cells,
        ),
        PlannedFigure(
            f"batch-ratios{suffix}",
            lambda: figures.plot_ratios(plane),
            f"Weight change at B over that at the smallest B at equal P and T{at}: ratio of "
            f"geometric means paired by seed, standard errors over {n} seeds. Shaded: departures "
            f"up to 10 %, whose upper end defines B*. {hollow}.",
            cells,
        ),
        PlannedFigure(
            f"critical-batch{suffix}",
            lambda: figures.plot_critical_batch(plane),
            f"B* against P{at} at every temperature, bootstrap standard errors over {n} seeds; "
            f"lines: weighted fits of ln B* = ln C + g ln P (weights 1/s², s ≥ 0.02), where at "
            f"least four sizes over a factor eight have a B*. Hollow with an arrow: lower bound. "
            f"{_noise_scale_sentence(plane)}",
            partial(printed, plane.located, checks.CRITICAL_BATCHES),
        ),
        PlannedFigure(
            f"time-and-error{suffix}",
            lambda: figures.plot_time_and_error(plane),
            f"Training time (left, logarithm of the ratio) and test error (right, difference) "
            f"relative to the smallest B at T = {law.temperature:.3g}{at}, paired by seed, "
            f"standard errors over {n} seeds; sizes are displaced sideways. {hollow}.",
            cells,
        ),
        *forest_figures(
            batch_forests(plane),
            f"Exponent of B* against P at every temperature{at}, without each P in turn and from "
            f"the larger P alone; errors from resampled seeds.",
            suffix,
        ),
    ]


def _noise_scale_sentence(plane: BatchPlane) -> str:
    if not plane.noise_scale:
        return "The gradient noise scale was not measured."
    return (
        "Dashed and dotted: gradient noise scale tr(Σ)/|G|² (McCandlish et al., "
        "arXiv:1812.06162), geometric mean over seeds."
    )


def _critical_table(plane: BatchPlane) -> ReportTable:
    columns = {
        "T": lambda row: f"{row.temperature:.4g}",
        "P": lambda row: str(row.n_train),
        "B*": lambda row: estimate_text(row.estimate, row.status),
        "95 % interval": lambda row: interval_text(row.estimate),
        "bracket": lambda row: f"{_end(row.bracket_low)} … {_end(row.bracket_high)}",
        "seeds": lambda row: str(row.n_seeds),
        "remark": lambda row: row.message,
    }
    rows = plane.located.itertuples()
    return table_of("B* by temperature and size", rows, columns, remarks=True)


def _end(batch_size: int | None) -> str:
    return "" if batch_size is None else str(batch_size)


def _exponent_table(plane: BatchPlane) -> ReportTable:
    columns = {
        "T": lambda law: f"{law.temperature:.4g}",
        "g (68 %)": lambda law: estimate_text(law.exponent, "not determined"),
        "95 % interval": lambda law: interval_text(law.exponent),
        "χ²/dof (p)": lambda law: "" if law.exponent is None else quality_text(law.fit),
        "fit range": lambda law: law.fit.fit_range,
        "remark": lambda law: law.fit.remarks[0] if law.fit.remarks else "",
    }
    return table_of("Exponent of B* = C P^g", plane.laws, columns, remarks=True)


def _cell_table(plane: BatchPlane) -> ReportTable:
    columns = {
        "P": lambda cell: str(cell.n_train),
        "T": lambda cell: f"{cell.temperature:.4g}",
        "B": lambda cell: str(cell.batch_size),
        "η": lambda cell: f"{cell.learning_rate:.4g}",
        "phase": lambda cell: cell.phase,
        "fitted": lambda cell: f"{cell.n_fitted}/{cell.n_runs}",
        "Δw ratio": lambda cell: _ratio(cell.weight_change),
        "t* ratio": lambda cell: _ratio(cell.training_time),
        "test error − B₀": lambda cell: estimate_text(cell.test_error),
    }
    return table_of("Every point against the smallest B", _sorted(plane.cells), columns)


def _sorted(cells: tuple[BatchCell, ...]) -> list[BatchCell]:
    return sorted(cells, key=lambda cell: (cell.n_train, cell.temperature, cell.batch_size))


def _ratio(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    ratio = math.exp(estimate.value)
    return format_value(ratio, None if estimate.stderr is None else ratio * estimate.stderr)
