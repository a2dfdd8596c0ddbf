"""Claims about Levy-driven escapes: rates, trapping, exit coordinates, schedules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.claims import Verdict
from analysis.distributions.levy_escape import RELIABLE_WIDTH, levy_escape, noise_scale_for
from analysis.estimates import Estimate
from analysis.key import Key
from analysis.result import Found, cells, comparison_row, finite, judge, mean_over_seeds

_SOURCE = "Battash, Wolf and Lindenbaum 2024; Simsekli et al. 2019"


def levy_claims(part: pd.DataFrame) -> Found:
    """Compare exit times and trapping in one dimension."""
    rows, found = [], {}
    for (a, expected), cell in cells(part, "tail_index", "mean_time"):
        law = levy_escape(a, noise_scale_for(a, expected), 1.0)
        key = Key("exit_time", tail_index=f"{a:g}", law=f"{expected:g}")
        # Total time over total exits: blocks are of one size.
        value = mean_over_seeds(
            cell["simulated_time"], definition="mean exit time from |w| < 1 at curvature 1",
            fit_range=f"width over stationary scale {law.relative_width[0]:.1f}",
        )  # fmt: skip
        found[key] = value
        shape = float(cell["distance_to_exponential"].mean())
        rows.append(
            comparison_row(key, value, expected, law.reliable, dynamics="levy", tail_index=a,
                 relative_width=float(law.relative_width[0]), shape=shape,
                 overshoot=float(cell["median_overshoot"].mean()))
        )  # fmt: skip
    return (
        finite(found),
        {Key("levy_rate"): _judge_rate(rows), Key("levy_trapping"): _judge_shape(rows)},
        rows,
    )


def _judge_rate(rows: list[dict[str, Any]]) -> Verdict:
    claim = "The mean exit time is a width^a / (2 C eps^a), whatever barrier and curvature."
    inside = [row["simulated"] / row["theory"] for row in rows if row["inside"]]
    outside = [row["simulated"] / row["theory"] for row in rows if not row["inside"]]
    if not inside:
        reason = f"no cell has a width of {RELIABLE_WIDTH:g} stationary scales"
        return judge(claim, None, reason, literature=_SOURCE)
    reason = (
        f"simulated over predicted {min(inside):.2f} to {max(inside):.2f} in {len(inside)} cells "
        f"with a width of {RELIABLE_WIDTH:g} stationary scales or more"
    )
    if outside:
        reason += f"; below that the law fails: {min(outside):.2f} to {max(outside):.2f}"
    return judge(claim, min(inside) > 0.85 and max(inside) < 1.15, reason, literature=_SOURCE)


def _judge_shape(rows: list[dict[str, Any]]) -> Verdict:
    claim = "Trapping is exponential: P(no exit until t) = exp(-t / mean)."
    inside = [row["shape"] for row in rows if row["inside"]]
    outside = [row["shape"] for row in rows if not row["inside"]]
    if not inside:
        return judge(claim, None, "no cell in the range of the law", literature=_SOURCE)
    reason = f"largest distance to the exponential law of the same mean: {max(inside):.3f}"
    if outside:
        reason += f" in the range of the rate, {max(outside):.3f} outside"
    reason += "; blocks of a few hundred exits have 0.05 by chance"
    return judge(claim, max(inside) < 0.08, reason, literature=_SOURCE)


def box_claims(part: pd.DataFrame) -> Found:
    """Compare exit coordinates of boxes."""
    rows, found, departures = [], {}, []
    for (name,), cell in cells(part, "box"):
        first = cell.iloc[0]
        index, scale, width = (
            _numbers(first[column]) for column in ("tail_indices", "noise_scales", "widths")
        )
        law = levy_escape(index, scale, width)
        left = np.array([_numbers(text) for text in cell["exits_by_coordinate"]])
        shares = left / left.sum(axis=1, keepdims=True)
        for j, predicted in enumerate(law.exit_probability):
            key = Key("exit_share", name, str(j))
            value = mean_over_seeds(
                shares[:, j], definition="share of exits through this coordinate",
                fit_range=f"tail index {index[j]:g}, scale {scale[j]:g}, width {width[j]:g}",
            )  # fmt: skip
            found[key] = value
            rows.append(comparison_row(key, value, float(predicted), law.reliable, dynamics="box"))
            departures.append(abs(float(shares[:, j].mean()) - float(predicted)))
    reason = (
        f"largest departure of a share from r_j / sum r: {max(departures):.3f}, over "
        f"{len(departures)} coordinates; smaller scales and wider boxes offset a smaller index"
    )
    claim = "Exits prefer the coordinate with the largest rate r_j, not the smallest index alone."
    verdict = judge(claim, max(departures) < 0.06, reason, literature=_SOURCE)
    return finite(found), {Key("exit_coordinate"): verdict}, rows


def schedule_claims(part: pd.DataFrame) -> Found:
    """Compare survival under decaying steps and decaying noise."""
    rows, found = [], {}
    for (a, name), cell in cells(part, "tail_index", "schedule"):
        key = Key("survival", name, tail_index=f"{a:g}")
        value = mean_over_seeds(
            cell["survival"], definition="share of paths that never left",
            fit_range="|w| < 1, eta 0.1, factors 1, 0.5, 0.1",
        )  # fmt: skip
        found[key] = value
        predicted = float(cell["predicted_survival"].iloc[0])
        rows.append(
            comparison_row(key, value, predicted, name != "compensated", dynamics="schedule",
                 tail_index=a, schedule=name, late_median=float(cell["late_median"].mean()))
        )  # fmt: skip
    return finite(found), {Key("rate_decay_is_noise_decay"): _judge_decay(found)}, rows


def _judge_decay(found: dict[Key, Estimate | None]) -> Verdict:
    claim = "Decaying the learning rate traps because it decays the noise per step, eta sigma."
    pulls, texts = [], []
    by_index: dict[str | None, dict[str, Estimate]] = {}
    for key, survival in finite(found).items():
        by_index.setdefault(key.get("tail_index"), {})[key.pairs[0][0]] = survival
    for index, survivals in by_index.items():
        step, noise = survivals.get("step_decays"), survivals.get("noise_decays")
        if step is None or noise is None:
            continue
        error = float(np.hypot(step.stderr or np.nan, noise.stderr or np.nan))
        difference = step.value - noise.value
        pulls.append(difference / error)
        texts.append(f"{step} with decaying step and {noise} with decaying noise at index {index}")
    if not pulls or not np.isfinite(pulls).all():
        return judge(claim, None, "needs both schedules and two seeds", literature=_SOURCE)
    worst = max(pulls, key=abs)
    reason = f"survival {'; '.join(texts)}; largest difference {worst:+.1f} standard errors"
    holds = True if abs(worst) <= 3 else None
    return judge(claim, holds, reason, literature=_SOURCE, pull=float(worst))


def _numbers(text: Any) -> FloatArray:
    return np.array([float(word) for word in f"{text!s}".split()])
