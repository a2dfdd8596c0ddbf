"""What samples of gradient noise say about its law: per layer, through training, by batch size.

A row of the table is one layer of one network at one checkpoint and batch size; the parameters
sampled are the same at every checkpoint, and their tail indices stand in the row as text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.claims import Verdict
from analysis.distributions.controls import rank_correlation
from analysis.estimates import Estimate
from analysis.key import Key
from analysis.result import (
    ClaimResult,
    cells,
    claim_result,
    finite,
    judge,
    mean_over_seeds,
    require_columns,
)
from analysis.table import settings_label

Settings = dict[str, str]

LAYER = ["seed", "layer"]
LARGEST_FALSE_POSITIVE = 0.02
_COLUMNS = ("seed", "epoch", "batch_size", "layer", "fraction_heavy", "tail_indices")
_SIMSEKLI = "Simsekli, Sagun, Gurbuzbalaban 2019"
_PER_PARAMETER = "Battash, Wolf and Lindenbaum 2024"


def analyse_gradient_noise(frame: pd.DataFrame) -> ClaimResult:
    """Return the tail indices and the verdicts on the claims about them.

    Raises
    ------
    AnalyseTableError
        If the table lacks a column or has no rows.
    """
    require_columns(frame, _COLUMNS, "gradient-noise")
    frame = frame.sort_values(["epoch", "batch_size", "seed", "layer"], ignore_index=True)
    estimates: dict[Key, Estimate] = {}
    verdicts: dict[Key, Verdict] = {}
    for settings, part in _laws(frame):
        found = _estimates(part, settings)
        estimates |= found
        verdicts |= _verdicts(part, settings, found)
    tables = {"parameters.csv": parameter_frame(frame), "layers.csv": _layers(frame)}
    return claim_result(_headline(frame, verdicts), frame, estimates, verdicts, tables)


def _laws(frame: pd.DataFrame) -> list[tuple[Settings, pd.DataFrame]]:
    """Return the parts of the table by what varies beside checkpoint, batch and layer."""
    known = ("loss", "width", "depth", "alpha", "learning_rate", "train_batch_size", "data")
    varying = [name for name in known if name in frame and frame[name].nunique() > 1]
    if not varying:
        return [({}, frame)]
    return [
        ({n: str(v) for n, v in zip(varying, values, strict=True)}, part)
        for values, part in cells(frame, *varying)
    ]


def numbers(text: Any) -> FloatArray:
    """Return the numbers of a cell that holds one per parameter."""
    return np.array([float(word) for word in str(text).split()])


def parameter_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per parameter, checkpoint and batch size; excluded ones have no index."""
    lists = ("parameters", "tail_indices", "scales", "delta_aics", "kurtoses", "low", "high")
    present = [name for name in lists if name in frame]
    settings = ["loss", "epoch", "batch_size", "layer", "seed"]
    parts = []
    for _, row in frame.iterrows():
        columns = {name: numbers(row[name]) for name in present}
        part = pd.DataFrame(columns)
        for position, name in enumerate(name for name in settings if name in frame):
            part.insert(position, name, row[name])
        parts.append(part)
    singular = {"parameters": "parameter", "tail_indices": "tail_index", "scales": "scale"}
    singular |= {"delta_aics": "delta_aic", "kurtoses": "excess_kurtosis"}
    return pd.concat(parts, ignore_index=True).rename(columns=singular)


def _layers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table without the lists."""
    lists = ("parameters", "tail_indices", "scales", "delta_aics", "kurtoses", "low", "high")
    return frame.drop(columns=[name for name in lists if name in frame])


def _estimates(frame: pd.DataFrame, settings: Settings) -> dict[Key, Estimate]:
    found: dict[Key, Estimate | None] = {}
    names = {
        "median_tail_index": "median over parameters of the tail index, mean over layers",
        "fraction_heavy": "share of parameters with AIC_G - AIC_S > 4, mean over layers",
        "surrogate_heavy": "the same for Gaussian noise of the same variances",
        "excluded": "share of parameters dead or with an atom of 5 % or more",
    }
    frame = frame.assign(excluded=1 - frame["n_used"] / frame["n_sampled"])
    for (epoch, size), cell in cells(frame, "epoch", "batch_size"):
        for name, definition in names.items():
            by_seed = cell.groupby("seed")[name].mean()
            key = Key(name, **settings, epoch=f"{epoch:g}", B=size)
            found[key] = mean_over_seeds(
                by_seed,
                definition=definition,
                fit_range=f"epoch {epoch:g}, B = {size}",
                bounds=(0.0, 2.0 if name == "median_tail_index" else 1.0),
            )
    for (epoch,), cell in cells(frame, "epoch"):
        found[Key("tail_index_slope", **settings, epoch=f"{epoch:g}")] = mean_over_seeds(
            _by_seed(cell, _slope),
            definition="median over parameters of d tail_index / d ln B, zero for stable noise",
            fit_range=f"epoch {epoch:g}",
        )
    for (size,), cell in cells(frame, "batch_size"):
        found[Key("persistence", **settings, B=size)] = mean_over_seeds(
            _by_seed(cell, _persistence),
            definition="Spearman correlation of the index between the last two checkpoints",
            fit_range=f"B = {size}",
            bounds=(-1.0, 1.0),
        )
        found[Key("split_half", **settings, B=size)] = mean_over_seeds(
            _late(cell).groupby("seed")["split_half"].mean(),
            definition="Spearman correlation of the index from two halves of the minibatches",
            fit_range=f"last checkpoint, B = {size}",
            bounds=(-1.0, 1.0),
        )
    return finite(found)


def _by_seed(cell: pd.DataFrame, measure: Any) -> FloatArray:
    """Return the mean over layers of `measure` for every seed."""
    values = cell.groupby(LAYER)[["epoch", "batch_size", "tail_indices"]].apply(measure)
    mean: FloatArray = values.groupby(level="seed").mean().to_numpy(dtype=float)
    return mean


def _slope(rows: pd.DataFrame) -> float:
    """Return the median over parameters of the slope of the index against ln B."""
    if len(rows) < 2:
        return np.nan
    index = np.array([numbers(text) for text in rows["tail_indices"]])
    used = np.isfinite(index).all(axis=0)
    if not used.any():
        return np.nan
    return float(np.median(np.polyfit(np.log(rows["batch_size"]), index[:, used], 1)[0]))


def _persistence(rows: pd.DataFrame) -> float:
    ordered = rows.sort_values("epoch")["tail_indices"].map(numbers).to_list()
    return rank_correlation(ordered[-2], ordered[-1]) if len(ordered) > 1 else np.nan


def _late(frame: pd.DataFrame) -> pd.DataFrame:
    late: pd.DataFrame = frame.loc[frame["epoch"] == frame["epoch"].max()]
    return late


def _shares(frame: pd.DataFrame, column: str) -> dict[tuple[float, int], float]:
    """Return the mean of a column by checkpoint and batch size, where there is one."""
    means = {key: float(part[column].mean()) for key, part in cells(frame, "epoch", "batch_size")}
    return {(key[0], key[1]): mean for key, mean in means.items() if np.isfinite(mean)}


def _listed(shares: dict[tuple[float, int], float]) -> str:
    return "; ".join(f"{s:.0%} at epoch {e:g}, B = {b}" for (e, b), s in shares.items())


def _verdicts(
    frame: pd.DataFrame, settings: Settings, estimates: dict[Key, Estimate]
) -> dict[Key, Verdict]:
    where = f" ({settings_label(settings)})" if settings else ""
    judged = {
        "heavier_than_gaussian": _judge_heavy(frame, where),
        "literally_stable": _judge_stable(frame, where, estimates),
        "distinct_tail_indices": _judge_distinct(frame, where),
        "persistent_tail_indices": _judge_persistent(frame, where, estimates),
        "stable_beats_student": _judge_student(frame, where),
        "gaussian_control": _judge_control(frame, where),
    }
    return {Key(name, **settings): verdict for name, verdict in judged.items()}


def _of(name: str, estimates: dict[Key, Estimate]) -> dict[Key, Estimate]:
    return {key: estimate for key, estimate in estimates.items() if key.name == name}


def _judge_heavy(frame: pd.DataFrame, where: str) -> Verdict:
    claim = f"Gradient noise of single parameters is heavier than Gaussian{where}."
    shares = _shares(frame, "fraction_heavy")
    if not shares:
        return judge(claim, None, "no parameter could be analysed", literature=_PER_PARAMETER)
    heavy = [share > 0.5 for share in shares.values()]
    holds = True if all(heavy) else None if any(heavy) else False
    reason = f"share of parameters with AIC_G - AIC_S > 4: {_listed(shares)}"
    return judge(claim, holds, reason, literature=_PER_PARAMETER)


def _judge_stable(frame: pd.DataFrame, where: str, estimates: dict[Key, Estimate]) -> Verdict:
    claim = f"The noise is a stable law: its index does not depend on the batch size{where}."
    epoch = frame["epoch"].max()
    slopes = _of("tail_index_slope", estimates).items()
    slope = next((e for key, e in slopes if key.get("epoch") == f"{epoch:g}"), None)
    if slope is None:
        reason = "needs parameters that can be analysed at two batch sizes or more"
        return judge(claim, None, reason, literature=_SIMSEKLI)
    late = _late(frame)
    medians = _shares(late, "median_tail_index")
    listed = ", ".join(f"{index:.2f} at B = {b}" for (_, b), index in medians.items())
    reason = f"at epoch {epoch:g} the median index is {listed}; d index / d ln B = {slope}"
    holds: bool | None = None
    if slope.value > 0.05 and (slope.interval95 is None or slope.interval95[0] > 0):
        holds = False
        reason += ": it rises as for noise of finite variance"
    elif slope.interval95 is not None and abs(slope.value) <= 0.02:
        holds = True
    return judge(
        claim, holds, reason, literature=_SIMSEKLI, value=slope.value, stderr=slope.stderr
    )


def _judge_distinct(frame: pd.DataFrame, where: str) -> Verdict:
    claim = f"Parameters have distinct tail indices{where}."
    ratio = (frame["spread"] / frame["estimation_error"]).replace(np.inf, np.nan)
    late = _late(frame)
    half = late["split_half"].dropna()
    if ratio.dropna().empty or half.empty:
        return judge(claim, None, "too few parameters per layer", literature=_PER_PARAMETER)
    reason = (
        f"the spread over parameters is {ratio.median():.1f} times the error of one index "
        f"(median over cells); Spearman correlation of two halves {half.min():.2f} to "
        f"{half.max():.2f} at the last checkpoint; correlation with the excess kurtosis "
        f"{frame['kurtosis_correlation'].median():+.2f}"
    )
    holds = True if ratio.median() > 3 and half.median() > 0.5 else None
    return judge(claim, holds, reason, literature=_PER_PARAMETER)


def _judge_persistent(frame: pd.DataFrame, where: str, estimates: dict[Key, Estimate]) -> Verdict:
    claim = f"The ordering of the tail indices persists through training{where}."
    found = _of("persistence", estimates)
    if not found:
        return judge(claim, None, "needs two checkpoints", literature=_PER_PARAMETER)
    listed = ", ".join(f"{e} ({e.fit_range})" for e in found.values())
    epochs = sorted(frame["epoch"].unique())[-2:]
    reason = f"Spearman correlation between epochs {epochs[0]:g} and {epochs[-1]:g}: {listed}"
    values = np.array([e.value for e in found.values()])
    holds = True if (values > 0.3).all() else None if (values > 0.1).any() else False
    return judge(claim, holds, reason, literature=_PER_PARAMETER)


def _judge_student(frame: pd.DataFrame, where: str) -> Verdict:
    claim = f"A stable law describes the noise better than a Student law{where}."
    shares = _shares(frame, "fraction_student")
    if not shares:
        return judge(claim, None, "no parameter could be analysed", literature=_SIMSEKLI)
    neither = frame["fraction_neither"].mean()
    student = [share > 0.5 for share in shares.values()]
    holds = False if all(student) else None if any(student) else True
    reason = (
        f"share of parameters where Student t has the larger likelihood (the stable law is "
        f"plugged in, not maximized): {_listed(shares)}; the stable law is rejected by its "
        f"distance for {neither:.0%} of the parameters"
    )
    return judge(claim, holds, reason, literature=_SIMSEKLI)


def _judge_control(frame: pd.DataFrame, where: str) -> Verdict:
    claim = f"Gaussian noise of the same variances is called Gaussian{where}."
    counts = frame["n_used"] * frame["surrogate_heavy"]
    n, heavy = int(frame["n_used"].sum()), float(counts.sum())
    if n == 0:
        return judge(claim, None, "no parameter could be analysed")
    share = heavy / n
    pooled = frame["pooled_surrogate_tail_index"].dropna()
    reason = (
        f"{heavy:.0f} of {n} surrogate parameters are called heavy ({share:.2%}); pooling the "
        f"same Gaussians would give a tail index of {pooled.median():.2f}, an artefact of "
        "unequal scales"
    )
    return judge(claim, share <= LARGEST_FALSE_POSITIVE, reason, value=share)


def _headline(frame: pd.DataFrame, verdicts: dict[Key, Verdict]) -> str:
    shares = _shares(frame, "fraction_heavy")
    if not shares:
        return "gradient noise: no parameter could be analysed"
    ((e0, b0), low), *_, ((e1, b1), high) = sorted(
        [*shares.items(), *shares.items()], key=lambda item: item[1]
    )
    stable = next(v for key, v in verdicts.items() if key.name == "literally_stable")
    return (
        f"heavy-tailed parameters: {low:.0%} (epoch {e0:g}, B = {b0}) to {high:.0%} (epoch "
        f"{e1:g}, B = {b1}); stability under the batch size: {stable.status}"
    )
