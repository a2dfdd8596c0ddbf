"""What the report says about a :class:`analysis.effective_temperature.study.TemperatureResult`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from analysis.effective_temperature import checks, figures
from analysis.effective_temperature.checks import temperature_diagnostics, temperature_forests
from analysis.effective_temperature.study import METHODS, NO_SINGLE_TEMPERATURE, TemperatureResult
from analysis.effective_temperature.table import ReplicaCell
from analysis.key import Key
from analysis.report.checks import diagnostics_figures, forest_figures
from analysis.report.content import (
    Answer,
    PlannedFigure,
    ReportContent,
    ReportContext,
    ReportTable,
)
from analysis.report.methods import paragraphs, seeds_of, shown
from analysis.report.tables import estimate_text, table_of, verdict_table

CONVENTIONS = (
    "The objective is the sum of the losses over samples plus ridge |w|²/2; every temperature is "
    "in its units. Gradients of active samples are weighted by 1/b.",
    "B(k) = |w(t+k) − w(t)|²/2N; χ(k) is the response to a constant field from twins under "
    "random-sign fields that see the same samples. B is the midpoint average "
    "[B(k) + B(k+1) − B(1)]/2, without which every temperature is off by about η k/2.",
    "T_long is the slope over χ in [0.5, 0.95] χ(L), T_sec = B(L)/χ(L), T_short = B(1)/χ(1).",
    "A temperature is given only where train loss, |w|², B(L) and χ(L) do not drift and at most "
    "20 % of B(L) and χ(L) come in the second half of the window.",
    "Persistent SGD: P(1→0) = η/τ per step, P(0→1) = b/(1−b) η/τ; τ is the mean time active.",
    "The normalised margin h/√(|w|²/N) is the distance of a training point to the boundary; "
    "in contact means |h − κ| < 0.05; the hard margin is its 5 % quantile.",
    "Replicas rest when their train loss is below 1e-4; the table says where it is not, since D "
    "and widths still change there.",
    "Errors of simulations: jackknife over seeds (data, start, selections); of the theory: over "
    "solver seeds, that is over Monte Carlo copies of the effective sample.",
)


def temperature_content(result: TemperatureResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables."""
    return ReportContent(
        title="effective temperature",
        numbers=result.to_dict(),
        citations=("mignacco2022effective",),
        answers=(_answer(result),),
        figures=_figures(result),
        tables=(
            ("Temperatures", tuple(_temperature_table(result, m) for m in METHODS)),
            ("Replicas and widths", tuple(_replica_table(result, m) for m in METHODS)),
            ("Verdicts", (verdict_table(result.verdicts),)),
        ),
        conventions=CONVENTIONS,
        files=result.tables,
        methods=temperature_methods(result.table, context),
        conditional=(
            "they hold the spread over seeds (data, start, selections), at the stated number of "
            "weights; the theory is that of infinitely many"
        ),
    )


def _answer(result: TemperatureResult) -> Answer:
    main = result.verdicts[Key("noise_law")]
    left_out = result.counts["not_stationary"]
    paragraphs = [f"{main.status.capitalize()}: {main.reason}."]
    if left_out:
        paragraphs.append(
            f"{left_out} of {result.counts['temperatures']} configurations are not stationary and "
            "have no temperature; the table says why."
        )
    return Answer(
        status=main.status,
        headline=result.headline(),
        paragraphs=tuple(paragraphs),
        note=NO_SINGLE_TEMPERATURE,
        beside=tuple(v for key, v in result.verdicts.items() if key != "noise_law"),
    )


def _figures(result: TemperatureResult) -> tuple[PlannedFigure, ...]:
    planned = []
    if any(result.temperatures.values()):
        planned.append(
            PlannedFigure(
                "fluctuation-response",
                lambda: figures.plot_fluctuation_response(result),
                "Displacement against response, in units of their last values; a straight line "
                "would be one temperature. Points: simulation, means over seeds; lines: "
                "mean-field theory; dashed: the diagonal. B(k): displacement after k steps, χ(k): "
                "response, L: the length of the window.",
                lambda: checks.fluctuation_data(result),
            )
        )
        planned.append(
            PlannedFigure(
                "temperatures",
                lambda: figures.plot_temperatures(result),
                "Left: the three slopes of SGD against η(1−b)/b (hollow: T_sec of persistent "
                "SGD); dotted: the fitted power law of T_sec. Right: distance of replicas below "
                "capacity. Error bars: jackknife over seeds, where larger than the symbol; lines: "
                "mean-field theory.",
                lambda: checks.temperature_data(result),
            )
        )
    if any(figures.has_widths(cells) for cells in result.replicas.values()):
        planned.append(
            PlannedFigure(
                "width",
                lambda: figures.plot_width(result),
                "Four widths of the boundary against the distance of replicas, a measure of the "
                "noise; one colour per η. Points: simulation, standard errors over seeds, "
                "most of which is common to all points, since they share their data; black lines: "
                "mean-field theory. Normalised margin: h/√(|w|²/N).",
                lambda: checks.width_data(result),
            )
        )
    sentence = (
        "Slopes of the laws without each point in turn and from the larger ones alone; errors: "
        "jackknife over seeds."
    )
    return (
        *planned,
        *forest_figures(temperature_forests(result), sentence),
        *diagnostics_figures(temperature_diagnostics(result), pulls=_PULLS),
    )


_PULLS = (
    "Pulls: T_sec of the simulation minus that of mean-field theory in their common error; all "
    "points of one size share their data, so that they move together."
)


_CONTROLS: dict[str, Callable[[Any], str]] = {
    "load": lambda c: f"{c.load:g}",
    "η": lambda c: f"{c.learning_rate:g}",
    "b": lambda c: f"{c.active_fraction:g}",
    "τ": lambda c: f"{c.persistence_time:g}" if c.persistence_time else "–",
}


def _temperature_table(result: TemperatureResult, method: str) -> ReportTable:
    columns = {
        **_CONTROLS,
        "T_L": lambda row: f"{row.langevin_temperature:g}",
        "T_0": lambda row: f"{row.temperature_bare:.4g}",
        "T_short": lambda row: estimate_text(row.short, "–"),
        "T_sec": lambda row: estimate_text(row.secant, "–"),
        "T_long": lambda row: estimate_text(row.long, "–"),
        "remark": lambda row: row.remark,
    }
    rows = (row for row in result.located.itertuples() if row.method == method)
    return table_of(_TITLES[method], rows, columns, remarks=True)


_TITLES = {"simulation": "Simulation", "mean_field": "Dynamical mean-field theory"}


def _replica_table(result: TemperatureResult, method: str) -> ReportTable:
    names = {
        "D": "replica_distance",
        "1 − q": "replica_angle",
        "disagreement": "replica_disagreement",
        "mean margin": "width_mean",
        "5 % of margin": "width_hard",
        "contact": "width_contact",
        "spread of margin": "width_spread",
        "train loss": "train_loss",
    }
    columns: dict[str, Callable[[Any], str]] = {
        head: partial(_of_control, cell) for head, cell in _CONTROLS.items()
    }
    columns |= {head: partial(_mean, name) for head, name in names.items()}
    columns["remark"] = lambda cell: cell.unrest
    return table_of(_TITLES[method], result.replicas[method], columns, remarks=True)


def _of_control(text: Callable[[Any], str], cell: ReplicaCell) -> str:
    return text(cell.control)


def _mean(name: str, cell: ReplicaCell) -> str:
    """Return a text in which what is left by rounding is zero."""
    estimate = cell.estimate(name)
    return "0" if abs(estimate.value) < _ROUNDING else str(estimate)


_ROUNDING = 1e-8


def temperature_methods(frame: pd.DataFrame, context: ReportContext) -> tuple[str, ...]:
    """Return how displacement and response were measured, in simulation and theory."""
    simulated = frame[frame["method"] == "simulation"]
    solved = frame[frame["method"] == "mean_field"]
    texts = []
    if len(simulated):
        texts.append(
            f"Perceptrons of {shown(simulated, 'n_weights')} weights were simulated with loss "
            f"{shown(simulated, 'loss')}, margin κ = {shown(simulated, 'target_margin')}, "
            f"load P/d = {shown(simulated, 'load')}, η = "
            f"{shown(simulated, 'learning_rate')}, active fraction b = "
            f"{shown(simulated, 'active_fraction')}, {seeds_of(simulated)}. After a time "
            f"{shown(simulated, 'burn_in_time')}, displacement and response were averaged over "
            f"{shown(simulated, 'n_windows')} windows of "
            f"{shown(simulated, 'window_time')}; the field of the twins was "
            f"{shown(simulated, 'field_strength')}."
        )
    if len(solved):
        texts.append(
            f"The dynamical mean-field theory was solved for "
            f"{shown(solved, 'n_copies')} copies of the effective sample, {seeds_of(solved)}."
        )
    return paragraphs(context, *texts)
