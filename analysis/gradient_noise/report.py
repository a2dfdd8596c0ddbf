"""The report of gradient noise: index by batch size and checkpoint, heaviness, persistence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.arrays import FloatArray
from analysis.gradient_noise.study import numbers
from analysis.report.content import PlannedFigure, ReportContent, ReportContext, ReportTable
from analysis.report.methods import networks_of, paragraphs, seeds_of, shown
from analysis.report.style import GREY, MARKERS, size_colours
from analysis.report.tables import claim_answer, claim_sections
from analysis.result import ClaimResult, cells

_LARGEST_TABLE = 60


def gradient_noise_content(result: ClaimResult, context: ReportContext) -> ReportContent:
    """Return answer, figures and tables of a study of gradient noise."""
    frame = result.frame
    return ReportContent(
        title="gradient noise",
        citations=("simsekli2019tail", "battash2024noise"),
        numbers=result.to_dict(),
        answers=(
            claim_answer(
                result,
                "Heavy: AIC of the Gaussian minus AIC of the stable law above 4, per parameter. "
                "Parameters are never pooled. Heavy does not mean infinite variance.",
            ),
        ),
        figures=tuple(_figures(frame)),
        tables=(
            *claim_sections(result),
            ("Layers", (_layer_table(frame), _excluded_table(frame))),
        ),
        conventions=(
            "Symmetric stable law with characteristic function exp(-|s k|^a); index a = 2 is a "
            "Gaussian of variance 2 s². Index and scale by regression on the empirical "
            "characteristic function, per parameter.",
            "Noise: minibatch gradient minus the exact full gradient at fixed weights; "
            "independent minibatches drawn without replacement; the same parameters at all "
            "checkpoints.",
            "Parameters that are constant, or where one value makes 5 % or more of the sample, "
            "are excluded and counted; estimates are clipped to [0.5, 2].",
            "Errors are standard errors over seeds (networks), with Student's interval.",
        ),
        files=result.tables,
        methods=gradient_noise_methods(result.frame, context),
    )


def _figures(frame: pd.DataFrame) -> list[PlannedFigure]:
    caption = (
        "Tail index against the batch size B, one panel per layer, one colour per checkpoint: "
        "median over parameters, bars from the 10 % to the 90 % quantile, mean over seeds. A "
        "stable law would be flat; noise of finite variance rises to 2. Grey, dashed: median "
        "index of Gaussian noise of the same variances. No point: all parameters are excluded "
        "(dead, or an atom of 5 % or more)."
    )
    heavy = (
        "Share of parameters whose noise is heavier than Gaussian (AIC advantage above 4) "
        "against B, mean over layers; bars are standard errors over seeds; colours as before, "
        "displaced sideways. Grey: the same for Gaussian surrogates; dotted: 2 %."
    )
    keys = ["loss", "seed", "layer", "epoch", "batch_size"]
    keys = [name for name in keys if name in frame]
    indices = ["median_tail_index", "tail_index_low", "tail_index_high", "surrogate_tail_index"]
    shares = ["fraction_heavy", "surrogate_heavy"]
    planned = [
        PlannedFigure(
            "tail-index", lambda: plot_tail_index(frame), caption, lambda: frame[[*keys, *indices]]
        ),
        PlannedFigure(
            "heavy-share", lambda: plot_heavy_share(frame), heavy, lambda: frame[[*keys, *shares]]
        ),
    ]
    if frame["epoch"].nunique() > 1:
        text = (
            "Tail index of every parameter at the last checkpoint against the one before, first "
            "seed, one colour per batch size; on the diagonal nothing changed. Indices end at "
            "0.5, the lowest that is estimated."
        )
        planned.append(
            PlannedFigure(
                "persistence",
                lambda: plot_persistence(frame),
                text,
                lambda: persistence_data(frame),
            )
        )
    return planned


def plot_tail_index(frame: pd.DataFrame) -> Figure:
    """Median index with its spread over parameters against B, a panel per layer."""
    part = _first_loss(frame)
    layers = sorted(part["layer"].unique())
    figure = Figure(figsize=(2.4 * len(layers) + 0.8, 3.1), layout="constrained")
    panels = figure.subplots(1, len(layers), sharey=True, squeeze=False)[0]
    for axes, layer in zip(panels, layers, strict=True):
        rows = part[part["layer"] == layer]
        for k, ((epoch,), cell) in enumerate(cells(rows, "epoch")):
            mean = cell.groupby("batch_size")[
                ["median_tail_index", "tail_index_low", "tail_index_high"]
            ].mean()
            y = mean["median_tail_index"]
            bars = np.array([y - mean["tail_index_low"], mean["tail_index_high"] - y])
            axes.errorbar(
                mean.index * 1.04**k, y, yerr=np.maximum(np.nan_to_num(bars), 0),
                fmt=MARKERS[k % len(MARKERS)], ls="-", lw=0.8, color=f"C{k}",
                label=f"epoch {epoch:g}",
            )  # fmt: skip
        control = rows.groupby("batch_size")["surrogate_tail_index"].median()
        axes.plot(control.index, control, color=GREY, ls="--", lw=1.0)
        axes.set(xscale="log", xlabel="batch size  $B$", title=f"layer {layer}")
        _label_batches(axes, part)
    panels[0].set_ylabel("tail index")
    panels[-1].legend(loc="best")
    return figure


def plot_heavy_share(frame: pd.DataFrame) -> Figure:
    """Share of heavy parameters against B, by checkpoint."""
    part = _first_loss(frame)
    figure = Figure(figsize=(4.6, 3.1), layout="constrained")
    axes = figure.subplots()
    for k, ((epoch,), cell) in enumerate(cells(part, "epoch")):
        # Layers of one seed are one network: their mean is the seed's number.
        seeds = cell.groupby(["batch_size", "seed"])["fraction_heavy"].mean().unstack("seed")
        axes.errorbar(
            seeds.index * 1.04**k, seeds.mean(axis=1), yerr=seeds.sem(axis=1).fillna(0),
            fmt=MARKERS[k % len(MARKERS)], ls="-", color=f"C{k}", lw=0.8,
            label=f"epoch {epoch:g}",
        )  # fmt: skip
    control = part.groupby("batch_size")["surrogate_heavy"].mean()
    axes.plot(control.index, control, color=GREY, ls="--", label="Gaussian control")
    axes.axhline(0.02, color=GREY, lw=0.7, ls=":")
    axes.set(xscale="log", xlabel="batch size  $B$", ylabel="share of heavy parameters")
    axes.set_ylim(-0.03, 1.03)
    _label_batches(axes, part)
    axes.legend(loc="best")
    return figure


def plot_persistence(frame: pd.DataFrame) -> Figure:
    """Index at the last checkpoint against the one before, parameter by parameter."""
    part = _first_loss(frame)
    part = part[part["seed"] == part["seed"].min()]
    epochs = sorted(part["epoch"].unique())[-2:]
    figure = Figure(figsize=(3.9, 3.5), layout="constrained")
    axes = figure.subplots()
    colours = size_colours(sorted(part["batch_size"].unique()))
    for (size,), cell in cells(part, "batch_size"):
        before, after = (_indices(cell[cell["epoch"] == epoch]) for epoch in epochs)
        if before.size and before.size == after.size:
            label = f"B = {size}"
            axes.plot(before, after, ".", ms=3, color=colours[size], label=label)
    axes.plot([0.5, 2], [0.5, 2], color=GREY, lw=0.8)
    labels = [f"tail index at epoch {epoch:g}" for epoch in epochs]
    axes.set(xlabel=labels[0], ylabel=labels[1])
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")
    return figure


def persistence_data(frame: pd.DataFrame) -> pd.DataFrame:
    """Index of every parameter of the first seed at the last two checkpoints."""
    part = _first_loss(frame)
    part = part[part["seed"] == part["seed"].min()]
    epochs = sorted(part["epoch"].unique())[-2:]
    parts = []
    for (size,), cell in cells(part, "batch_size"):
        before, after = (_indices(cell[cell["epoch"] == epoch]) for epoch in epochs)
        if before.size == after.size:
            names = [f"tail_index_epoch_{epoch:g}" for epoch in epochs]
            columns = dict(zip(names, (before, after), strict=True))
            parts.append(pd.DataFrame({"batch_size": size, **columns}))
    return pd.concat(parts, ignore_index=True)


def _indices(rows: pd.DataFrame) -> FloatArray:
    texts = rows.sort_values("layer")["tail_indices"]
    return np.concatenate([numbers(text) for text in texts]) if len(texts) else np.empty(0)


def _first_loss(frame: pd.DataFrame) -> pd.DataFrame:
    if "loss" not in frame:
        return frame
    part: pd.DataFrame = frame.loc[frame["loss"] == frame["loss"].iloc[0]]
    return part


def _label_batches(axes: Any, frame: pd.DataFrame) -> None:
    sizes = sorted(frame["batch_size"].unique())
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)


_SHOWN = {
    "median_tail_index": "median index",
    "tail_index_low": "10 %",
    "tail_index_high": "90 %",
    "fraction_heavy": "heavy",
    "surrogate_heavy": "heavy, control",
    "median_ks_stable": "KS stable",
    "median_ks_gaussian": "KS Gaussian",
    "stability_gap": "stability gap",
    "fraction_student": "Student > stable",
    "median_student_dof": "Student dof",
    "split_half": "split half",
    "pooled_tail_index": "pooled (artefact)",
}


def _layer_table(frame: pd.DataFrame) -> ReportTable:
    keys = [name for name in ("loss", "epoch", "batch_size", "layer") if name in frame]
    mean = frame.groupby(keys)[[name for name in _SHOWN if name in frame]].mean()
    rows = tuple(
        (*(_text(k) for k in index), *("–" if pd.isna(v) else f"{v:.3f}" for v in values))
        for index, values in zip(mean.index, mean.to_numpy(), strict=True)
    )
    remark = f"; first {_LARGEST_TABLE} rows" if len(rows) > _LARGEST_TABLE else ""
    columns = (*keys, *(_SHOWN[name] for name in mean.columns))
    title = f"Means over {frame['seed'].nunique()} seeds{remark}; seed by seed in layers.csv"
    return ReportTable(title, columns, rows[:_LARGEST_TABLE])


def _excluded_table(frame: pd.DataFrame) -> ReportTable:
    names = ("n_sampled", "n_used", "n_dead", "n_atoms", "n_not_finite")
    keys = [name for name in ("loss", "epoch", "batch_size") if name in frame]
    total = frame.groupby(keys)[list(names)].sum()
    rows = tuple(
        (*(_text(k) for k in index), *(str(int(v)) for v in values))
        for index, values in zip(total.index, total.to_numpy(), strict=True)
    )
    heads = ("sampled", "used", "dead", "atom of 5 % or more", "not finite")
    return ReportTable("Parameters used and excluded", (*keys, *heads), rows)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def gradient_noise_methods(frame: pd.DataFrame, context: ReportContext) -> tuple[str, ...]:
    """Return how gradient noise was sampled and compared with laws."""
    trained = (
        f"{networks_of(frame)} were trained on P = {shown(frame, 'n_train')} points of "
        f"{shown(frame, 'data')} with η = {shown(frame, 'learning_rate')} and batches of "
        f"{shown(frame, 'train_batch_size')}. At epochs {shown(frame, 'epoch')} the weights "
        f"were frozen and {shown(frame, 'n_batches')} minibatches of "
        f"B = {shown(frame, 'batch_size')} drawn; the noise is the minibatch gradient minus "
        f"the full gradient, at up to {shown(frame, 'per_layer')} parameters of each layer, "
        f"{seeds_of(frame)}."
    )
    fitted = (
        "A symmetric stable law was fitted to every parameter by regression on the empirical "
        "characteristic function, a Gaussian and a Student law by maximum likelihood, and "
        "compared by AIC. Gaussian noise of the same variances went through the same analysis. "
        "Values are means over layers and networks; errors are standard errors over networks."
    )
    return paragraphs(context, trained, fitted)
