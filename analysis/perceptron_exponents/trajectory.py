"""The signal during training: w_1 ~ t^(1/(3 + chi)), the cleanest test of the theory.

The end of a training is a first passage and carries logarithmic corrections; the way there does
not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.estimates import Estimate, estimate_from_replicates
from analysis.perceptron_exponents.seed_means import SeedMeans

_START = 16.0
# (w_1/w_perp)^2 from which a trajectory follows its law.
_END = 5.0
# It leaves the law at about a fifth of its updates.
_MINIMUM_RECORDS = 4


@dataclass(frozen=True)
class Trajectory:
    """The signal during training, after 2^k updates."""

    n_train: int
    """P."""
    updates: FloatArray
    """Numbers of updates at which it was recorded, shape (k,)."""
    log_time: FloatArray = field(repr=False)
    """Mean of ln t/T, shape (k,)."""
    log_signal: FloatArray = field(repr=False)
    """Mean of ln w_1/T, shape (k,)."""
    window: tuple[int, int]
    """First and last number of updates in the fit."""
    exponent: Estimate | None
    """d ln w_1/d ln t in the window; None if it holds fewer than four records."""

    @property
    def local(self) -> FloatArray:
        """d ln w_1/d ln t between neighbouring records."""
        return np.asarray(np.diff(self.log_signal) / np.diff(self.log_time))


def fit_trajectory(
    hot: pd.DataFrame,
    *,
    n_bootstrap: int,
    seed: int,
    window: tuple[int, int] | None = None,
) -> Trajectory | None:
    """Fit w_1 ~ t^y at the largest size and the highest temperature.

    Parameters
    ----------
    hot
        Rows with T >> kappa at one batch size.
    window
        Numbers of updates between which to fit; by default from w_1/w_perp = 4 to a fifth of the
        updates.
    """
    if "trajectory" not in hot or hot.empty:
        return None
    size = int(hot["n_train"].max())
    rows = hot[hot["n_train"] == size]
    rows = rows[rows["temperature"] == rows["temperature"].max()]
    records = [_read_trajectory(str(text)) for text in rows["trajectory"]]
    length = min(len(record) for record in records)
    if length < 2:
        return None
    logs: FloatArray = np.log(np.stack([record[:length] for record in records]))
    logs[:, :, 1] -= math.log(float(rows["temperature"].iloc[0]))
    updates: FloatArray = 2.0 ** np.arange(length, dtype=float)
    chosen = window or _trajectory_window(rows)
    inside = (updates >= chosen[0]) & (updates <= chosen[1])
    means = SeedMeans(updates, logs[:, :, 1].T)
    times = SeedMeans(updates, logs[:, :, 0].T)
    exponent = None
    if inside.sum() >= _MINIMUM_RECORDS:
        x = np.vstack([times.mean, times.resampled(n_bootstrap, seed)])[:, inside]
        y = np.vstack([means.mean, means.resampled(n_bootstrap, seed)])[:, inside]
        x = x - x.mean(axis=1, keepdims=True)
        slopes = (x * y).sum(axis=1) / (x * x).sum(axis=1)
        where = f"P = {size}, {chosen[0]}..{chosen[1]} updates"
        definition = "y of w_1 ~ t^y during training, on means of logarithms after 2^k updates"
        exponent = estimate_from_replicates(
            float(slopes[0]), slopes[1:], len(records), definition=definition, fit_range=where
        )
    return Trajectory(size, updates, times.mean, means.mean, chosen, exponent)


def _trajectory_window(rows: pd.DataFrame) -> tuple[int, int]:
    """First and last power of two of updates at which the law during training holds.

    It begins where w_1/w_perp is about 4, told by n_updates ~ (w_1/w_perp)^2, and ends at about
    a fifth of the updates, before the last violators are picked one by one.
    """
    updates = np.log(rows["n_updates"].astype(float))
    start = updates.mean() - 2 * np.log(rows["signal_to_noise"].astype(float)).mean()
    first, last = start + math.log(_START), updates.mean() - math.log(_END)
    return 2 ** max(0, round(first / math.log(2))), 2 ** max(0, round(last / math.log(2)))


def _read_trajectory(text: str) -> FloatArray:
    """Return step and w_1 after 1, 2, 4, ... updates, shape (k, 2), from ``step:w_1 ...``."""
    pairs = [record.split(":") for record in text.split()]
    return np.array([[float(step), float(signal)] for step, signal in pairs]).reshape(-1, 2)
