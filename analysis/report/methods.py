"""Methods paragraphs that studies of trainings share, written from what was set and measured.

Every number comes from the table or the specification, so that the text cannot disagree with the
runs; a setting the table does not name is not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.report.content import ReportContext
from analysis.table import MeasurementTable, count_runs, plain, setting_text

TRAINING_CONVENTIONS = (
    "T = η/B. A run is fitted when no training point violates its margin; it is censored when it "
    "used up its budget and diverged when its output was no longer finite or its weights ran "
    "away.",
    "Relative weight change: ‖w − w₀‖/‖w₀‖ over all parameters. Training time t* = η × index of "
    "the last step that changed the weights; t*/T counts sample presentations.",
)

_LOSSES = {
    "hinge": "the hinge loss",
    "quadratic_hinge": "the quadratic hinge loss",
    "logistic": "the logistic loss",
}


def training_methods(
    table: MeasurementTable, context: ReportContext, own: Sequence[str], seeds: str = ""
) -> tuple[str, ...]:
    """Return the methods as paragraphs, ready for a paper.

    Parameters
    ----------
    own
        What the study adds: how its numbers were located, fitted and given errors.
    seeds
        How many seeds there are, in words; counted per configuration if empty.
    """
    settings = {name: plain(value) for name, value in table.fixed_settings().items()}
    paragraphs = (
        _networks(settings, context),
        _runs(table, context, seeds or _seeds(table.frame)),
        *own,
        provenance_sentence(context),
    )
    return tuple(paragraph for paragraph in paragraphs if paragraph)


def _seeds(frame: pd.DataFrame) -> str:
    names = ("alpha", "temperature", "batch_size", "n_train", "chi", "input_dim")
    keys = [name for name in names if name in frame]
    counts = frame.groupby(keys)["seed"].nunique()
    low, high = int(counts.min()), int(counts.max())
    return f"{from_to((low, high))} seeds{'' if low == high else ' per point'}"


def from_to(numbers: Iterable[int]) -> str:
    """Return a range of whole numbers in words.

    >>> from_to([8, 32, 16]), from_to([8, 8])
    ('8 to 32', '8')
    """
    known = list(numbers)
    low, high = min(known), max(known)
    return f"{low}" if low == high else f"{low} to {high}"


def bootstrap_sentence(n_bootstrap: int, into: str) -> str:
    """Return the sentence on errors from resampled seeds."""
    return (
        f"Errors come from {n_bootstrap} bootstrap samples of whole seeds, carried through "
        f"{into}; 95 % intervals use Student's t with one degree of freedom less than seeds."
    )


def provenance_sentence(context: ReportContext) -> str:
    """Return the sentence on specification and commit; empty without a specification."""
    if not context.spec_hash:
        return ""
    text = f"The specification has the hash {context.spec_hash}"
    return f"{text}; the code was at commit {context.commit}." if context.commit else f"{text}."


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
    return f"The models are {', '.join(parts)}." if any(parts) else ""


def _model(settings: Mapping[str, Any]) -> str:
    if settings.get("model") == "perceptron":
        return "perceptrons f = w·x/√d that start from w = 0"
    if settings.get("model") != "mlp":
        return f"models of kind {settings['model']}" if "model" in settings else ""
    text = "multilayer perceptrons"
    if "depth" in settings and "width" in settings:
        text += f" of {settings['depth']} hidden layers of width {settings['width']}"
    if "activation" in settings:
        text += f" with {settings['activation']} units"
    return f"{text} in neural-tangent parametrization"


def _runs(table: MeasurementTable, context: ReportContext, seeds: str) -> str:
    frame = table.frame
    sizes = ", ".join(str(size) for size in sorted(frame["n_train"].unique()))
    temperatures = sorted(frame["temperature"].unique())
    text = f"Stochastic gradient descent learned P = {sizes} points"
    if "batch_size" in frame:
        text += f" with batches of B = {', '.join(map(str, sorted(frame['batch_size'].unique())))}"
    if "alpha" in frame and frame["alpha"].nunique() > 1:
        text += (
            f" at α = {', '.join(f'{setting_text(a)}' for a in sorted(frame['alpha'].unique()))}"
        )
    if "chi" in frame:
        text += f" and χ = {', '.join(f'{x:g}' for x in sorted(frame['chi'].unique()))}"
    text += (
        f" at {len(temperatures)} temperatures T = η/B from {temperatures[0]:.3g} to "
        f"{temperatures[-1]:.3g}, {seeds}"
    )
    planned = context.counts_planned
    counts = count_runs(frame)
    text += f": {len(frame)} runs" + (f" of {planned} planned. " if planned is not None else ". ")
    return (
        text
        + (
            f"{counts['fitted']} ended because every training point lay beyond its margin, "
            f"{counts['censored']} used up their budget and {counts['diverged']} diverged."
        )
        + _repeated(table.n_repeated)
    )


def _repeated(n: int) -> str:
    return f" {n} of these runs had been made with a smaller budget before." if n else ""


def networks_of(frame: pd.DataFrame) -> str:
    depth = shown(frame, "depth")
    return (
        f"Networks with {depth} hidden layer{'' if depth == '1' else 's'} of width "
        f"{shown(frame, 'width')}, {shown(frame, 'activation')} units, α = "
        f"{shown(frame, 'alpha')} and the {shown(frame, 'loss')} loss"
    )


def shown(frame: pd.DataFrame, name: str) -> str:
    """Return the values of a column in words, ``unknown`` without it."""
    if name not in frame:
        return "unknown"
    values: Sequence[object] = sorted(frame[name].dropna().unique())
    texts = [f"{v:g}" if isinstance(v, int | float) else str(v).replace("_", " ") for v in values]
    return ", ".join(texts) or "unknown"


def seeds_of(frame: pd.DataFrame, word: str = "seeds") -> str:
    if "point" not in frame:
        return f"{frame['seed'].nunique()} {word}"
    counts = frame.groupby("point")["seed"].nunique()
    low, high = int(counts.min()), int(counts.max())
    return f"{from_to((low, high))} {word}{'' if low == high else ' per configuration'}"


def paragraphs(context: ReportContext, *texts: str) -> tuple[str, ...]:
    return tuple(text for text in (*texts, provenance_sentence(context)) if text)
