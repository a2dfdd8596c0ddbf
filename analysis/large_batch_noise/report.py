"""The report of large batches with injected noise: where it helps, where not, where it hurts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.estimates import format_value
from analysis.large_batch_noise.study import judge_arms, settings_of
from analysis.report.content import PlannedFigure, ReportContent, ReportContext, ReportTable
from analysis.report.methods import networks_of, paragraphs, seeds_of, shown
from analysis.report.style import GREY, MARKERS
from analysis.report.tables import claim_answer, claim_sections
from analysis.result import ClaimResult

_ORDER = ("large", "stopped", "small", "gaussian", "sign", "isotropic", "scaled_rate")


def large_batch_content(result: ClaimResult, context: ReportContext) -> ReportContent:
    """Return answers, figures and tables of the comparison."""
    table = result.tables["arms.csv"]
    letters = setting_letters(table)
    shown = replace(result, verdicts=judge_arms(table, result.frame, letters))
    n_seeds = result.frame["seed"].nunique()
    caption = (
        "Test error of every arm minus that of the plain large batch, paired by seed, in "
        f"percentage points; one panel per setting, bars are standard errors over {n_seeds} "
        "seeds. Dashed: the small batch, which matched noise should reproduce. Left of the line "
        f"an arm is better than the large batch. {_listed(letters)}."
    )
    return ReportContent(
        title="noise injected into large batches",
        citations=("meng2020state", "wu2020noisy"),
        numbers=result.to_dict(),
        answers=(
            claim_answer(
                shown,
                "Errors averaged over the last fifth of the steps; the learning rate is not tuned "
                "per arm. Settings A, B, ... are listed below; points are percentage points.",
            ),
        ),
        figures=(PlannedFigure("arms", partial(plot_arms, table), caption, table.copy),),
        tables=(
            ("Arms", (_setting_table(result.frame, letters), _arm_table(table, letters))),
            claim_sections(shown)[0],
        ),
        conventions=(
            "Matched noise: per-sample losses weighted by (1 + c (ξ_i - mean ξ))/B, "
            "c² = B(B - b)/(b(B - 1)), which gives a batch of B the gradient covariance of a "
            "batch of b; ξ Gaussian or ±1. Isotropic: the same norm, random direction.",
            "Arms of one seed share data, flipped labels and initial weights, with equal learning "
            "rate and steps. Stopped: the plain large batch at its smallest validation error, the "
            "validation labels flipped like the training labels.",
            "Errors are standard errors over seeds, with Student's interval.",
        ),
        files=result.tables,
        methods=large_batch_methods(result.frame, context),
    )


def setting_letters(table: pd.DataFrame) -> dict[str, str]:
    """Return a short name for every setting: A, B, ..., in the order of the table."""
    settings = dict.fromkeys(str(setting) for setting in table["setting"])
    return {setting: _letter(k) for k, setting in enumerate(settings)}


def _letter(k: int) -> str:
    return chr(ord("A") + k) if k < 26 else f"A{k}"


def _setting_table(frame: pd.DataFrame, letters: Mapping[str, str]) -> ReportTable:
    settings = {label: own or {label: ""} for label, own in settings_of(frame).items()}
    names = dict.fromkeys(name for own in settings.values() for name in own)
    rows = tuple(
        (letter, *(settings[label].get(name, "") for name in names))
        for label, letter in letters.items()
    )
    return ReportTable("Settings", ("setting", *names), rows)


def plot_arms(table: pd.DataFrame) -> Figure:
    """Paired differences to the large batch, one panel per setting."""
    letters = setting_letters(table)
    settings = list(letters)
    columns = min(3, len(settings))
    rows = -(-len(settings) // columns)
    figure = Figure(figsize=(2.7 * columns + 0.9, 2.2 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in panels[len(settings) :]:
        axes.set_visible(False)
    for axes, setting in zip(panels, settings, strict=False):
        _draw_setting(axes, table[table["setting"] == setting])
        axes.set_title(letters[setting], fontsize=9)
    for axes in panels[max(0, len(settings) - columns) : len(settings)]:
        axes.set_xlabel("minus large batch (points)")
    return figure


def _listed(letters: Mapping[str, str]) -> str:
    """Return what the letters of the settings stand for."""
    return "; ".join(
        f"{letter}: {setting.replace('_', ' ').replace('=', ' ').replace(',', ', ')}"
        for setting, letter in letters.items()
    )


def _draw_setting(axes: Axes, part: pd.DataFrame) -> None:
    names = [name for name in _ORDER if name != "large"]
    by_arm = {str(record["arm"]): record for record in part.to_dict("records")}
    for y, name in enumerate(names):
        if name not in by_arm or pd.isna(by_arm[name]["minus_large"]):
            continue
        value = 100 * by_arm[name]["minus_large"]
        error = by_arm[name]["minus_large_stderr"]
        bar = 0.0 if pd.isna(error) else 100 * error
        axes.errorbar(value, y, xerr=bar, fmt=MARKERS[y % len(MARKERS)], color=f"C{y}")
        if name == "small":
            axes.axvline(value, color=GREY, lw=0.8, ls="--")
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def _arm_table(table: pd.DataFrame, letters: Mapping[str, str]) -> ReportTable:
    def points(value: Any, error: Any) -> str:
        if pd.isna(value):
            return ""
        return format_value(100 * float(value), None if pd.isna(error) else 100 * float(error))

    rows = tuple(
        (
            letters[str(row["setting"])],
            str(row["arm"]),
            points(row["test_error"], row["stderr"]),
            points(row["minus_large"], row["minus_large_stderr"]),
            points(row["minus_small"], row["minus_small_stderr"]),
        )
        for _, row in table.iterrows()
    )
    columns = ("setting", "arm", "test error (%)", "minus large", "minus small")
    return ReportTable("Test errors and paired differences (points)", columns, rows)


def large_batch_methods(frame: pd.DataFrame, context: ReportContext) -> tuple[str, ...]:
    """Return how the arms were trained and compared."""
    trained = (
        f"{networks_of(frame)} were trained on P = {shown(frame, 'n_train')} points of "
        f"{shown(frame, 'data')} (share of flipped labels {shown(frame, 'label_noise')}) for "
        f"{shown(frame, 'n_steps')} steps with η = {shown(frame, 'learning_rate')}, schedule "
        f"{shown(frame, 'schedule')}. The large batch has B = {shown(frame, 'large')}, the "
        f"small one b = {shown(frame, 'small')}; the scaled rate is "
        f"{shown(frame, 'rate_factor')} times larger. Test errors were taken on "
        f"{shown(frame, 'n_test')} points, stopping on {shown(frame, 'n_validation')} others."
    )
    compared = (
        f"Arms of a seed share data, labels and initial weights; differences of test errors were "
        f"taken seed by seed, {seeds_of(frame)}. A difference counts beyond two standard errors."
    )
    return paragraphs(context, trained, compared)
