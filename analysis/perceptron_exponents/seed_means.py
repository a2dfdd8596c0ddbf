"""Means of logarithms over seeds along one axis, and their resampling by whole seeds.

A seed fixes the training set (nested in P) along the whole axis, so runs of one seed are
correlated and are resampled together. Errors of the means use one variance pooled over the axis:
that of a few seeds alone is too uncertain to decide which point counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.arrays import BoolArray, FloatArray
from analysis.estimates import resampled_means, resampling_weights
from analysis.fits.form import Form
from analysis.fits.power_law import PowerLaw

STABLE = 0.8
"""Fraction of the runs that must have fitted for a mean to be used."""


@dataclass(frozen=True)
class SeedMeans:
    """Logarithms of an observable by position and seed."""

    positions: FloatArray
    """P, T or B in increasing order, shape (k,)."""
    logs: FloatArray = field(repr=False)
    """ln y, NaN where there is no fitted run, shape (k, S)."""
    unstable: tuple[float, ...] = ()
    """Positions left out because fewer than 80 % of their runs fitted."""

    @property
    def n_seeds(self) -> int:
        """Number of seeds S of which any run is in."""
        return int(np.isfinite(self.logs).any(axis=0).sum())

    @property
    def n(self) -> FloatArray:
        """Fitted runs behind each mean, shape (k,)."""
        return np.asarray(np.isfinite(self.logs).sum(axis=1), dtype=float)

    @property
    def mean(self) -> FloatArray:
        """Mean of ln y, shape (k,)."""
        return np.asarray(np.nanmean(self.logs, axis=1)) if self.logs.size else np.empty(0)

    @property
    def spread(self) -> float:
        """Standard deviation of ln y over seeds, pooled over the axis; NaN for single runs."""
        dof = float((self.n - 1).sum())
        if dof <= 0:
            return float("nan")
        return float(np.sqrt(np.nansum((self.logs - self.mean[:, None]) ** 2) / dof))

    @property
    def stderr(self) -> FloatArray:
        """Standard error of each mean from the pooled spread, shape (k,)."""
        return np.asarray(self.spread / np.sqrt(self.n))

    def resampled(self, n_bootstrap: int, seed: int) -> FloatArray:
        """Return the means of resampled seeds, shape (n_bootstrap, k)."""
        weights = resampling_weights(self.logs.shape[1], n_bootstrap, np.random.default_rng(seed))
        return resampled_means(self.logs, weights)

    def select(self, keep: BoolArray) -> SeedMeans:
        """Return the positions where `keep` is true."""
        return SeedMeans(self.positions[keep], self.logs[keep], self.unstable)


def seed_means(
    frame: pd.DataFrame, column: str, axis: str, divide_by: str | None = None
) -> SeedMeans:
    """Return ln of a column by the values of an axis and the seeds, fitted runs only.

    Parameters
    ----------
    divide_by
        Another column by which the observable is divided first.
    """
    fitted = (frame["stop_reason"] == "fitted").to_numpy()
    share = pd.Series(fitted, index=frame.index).groupby(frame[axis]).mean()
    stable = share.index[share >= STABLE]
    rows = frame[fitted & frame[axis].isin(stable).to_numpy()]
    values = rows[column].astype(float)
    if divide_by is not None:
        values = values / rows[divide_by].astype(float)
    seeds = rows["seed"] if "seed" in rows else rows.groupby(axis).cumcount()
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = pd.DataFrame({"x": rows[axis], "s": seeds, "y": np.log(values)})
    logs = logs[np.isfinite(logs["y"])]
    table = logs.pivot_table(index="x", columns="s", values="y").sort_index()
    return SeedMeans(
        table.index.to_numpy(dtype=float),
        table.to_numpy(dtype=float),
        tuple(float(x) for x in share.index[share < STABLE]),
    )


GROWTH = Form("C x^g", falling=False, axis="x", points="positions", needed=(2, 1.0))


@dataclass(frozen=True, kw_only=True)
class GrowthLaw(PowerLaw):
    """y = C x^g of the means over seeds."""

    means: SeedMeans = field(repr=False)
    """The data in the fit."""

    def subset(self, keep: BoolArray) -> PowerLaw:
        """Return the law of some points; their seeds alone stand behind its errors."""
        return replace(super().subset(keep), n_clusters=self.means.select(keep).n_seeds)


def fit_growth(
    means: SeedMeans, definition: str, fit_range: str, n_bootstrap: int, seed: int
) -> GrowthLaw | None:
    """Fit y = C x^g; None for fewer than two positions.

    Weights are the numbers of fitted runs, which is what one pooled variance implies.
    """
    if len(means.positions) < 2:
        return None
    return GrowthLaw(
        "y",
        means.positions,
        means.mean,
        1 / np.sqrt(means.n),
        means.resampled(n_bootstrap, seed),
        means.n_seeds,
        form=GROWTH,
        definition=definition,
        where=fit_range,
        means=means,
    )
