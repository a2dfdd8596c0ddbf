"""||w||/T against B: flat up to B*, then dominated by the first step, w_1 = s B T.

B* is where both meet. It grows like P^gamma, because the plateau does (Sclocchi and Wyart,
arXiv:2309.10688).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, estimate_from_replicates
from analysis.fits.form import size_range
from analysis.perceptron_exponents.seed_means import GrowthLaw, SeedMeans, fit_growth, seed_means

PLATEAU = 0.25
"""Batches up to this fraction of B* count as small."""
FIRST_STEP = 4.0
"""Batches from this multiple of B* on are dominated by the first step."""


@dataclass(frozen=True)
class BatchLaw:
    """||w||/T against B at one temperature, by size."""

    temperature: float
    """T."""
    means: dict[int, SeedMeans] = field(repr=False)
    """ln ||w||/T by B, for each P."""
    crossover: GrowthLaw | None
    """B* against P."""
    crossovers: dict[int, Estimate]
    """B* of each P."""
    slope: Estimate | None
    """Mean of w_1/(T B) over B >= 4 B*, in units of s = E[a]/sqrt(d)."""


def fit_batch_law(
    frame: pd.DataFrame, slope: float, *, n_bootstrap: int, seed: int
) -> BatchLaw | None:
    """Fit B* and the slope of the first step at the temperature with most batch sizes.

    Parameters
    ----------
    slope
        s = E[a]/sqrt(d) of theory.
    """
    counts = frame.groupby("temperature")["batch_size"].nunique()
    if counts.empty or counts.max() < 3:
        return None
    temperature = float(counts.index.to_numpy()[counts.to_numpy().argmax()])
    rows = frame[frame["temperature"] == temperature]
    scanned = rows.groupby("n_train")["batch_size"].nunique() >= 3
    rows = rows[rows["n_train"].isin(scanned.index[scanned]).to_numpy()]
    means = {
        int(str(size)): seed_means(part, "weight_norm", "batch_size", "temperature")
        for size, part in rows.groupby("n_train", sort=True)
    }
    means = {size: mean for size, mean in means.items() if len(mean.positions)}
    rough = {size: math.exp(mean.mean[0]) / slope for size, mean in means.items()}
    crossover = rows["n_train"].map(rough)
    plateau = seed_means(
        rows[rows["batch_size"] <= PLATEAU * crossover], "weight_norm", "n_train", "temperature"
    )
    plateau = SeedMeans(plateau.positions, plateau.logs - math.log(slope), plateau.unstable)
    definition = "exponent of B* = (||w||/T at small B)/s against P"
    sizes = size_range(plateau.positions.astype(np.int64))
    where = f"{sizes} ({len(plateau.positions)} sizes), T = {temperature:g}"
    steps = rows[rows["batch_size"] >= FIRST_STEP * crossover]
    first = seed_means(steps, "signal", "n_train", "learning_rate") if len(steps) else None
    return BatchLaw(
        temperature=temperature,
        means=means,
        crossover=fit_growth(plateau, definition, where, n_bootstrap, seed),
        crossovers=_crossovers(plateau, temperature, n_bootstrap, seed),
        slope=None if first is None else _first_step(first, steps, slope, n_bootstrap, seed),
    )


def _crossovers(
    plateau: SeedMeans, temperature: float, n_bootstrap: int, seed: int
) -> dict[int, Estimate]:
    replicates = plateau.resampled(n_bootstrap, seed)
    return {
        int(size): estimate_from_replicates(
            math.exp(plateau.mean[k]),
            replicates[:, k],
            plateau.n_seeds,
            definition="B* = (||w||/T at small B)/s, s = E[a]/sqrt(d)",
            fit_range=f"P = {int(size)}, T = {temperature:g}",
            logarithmic=True,
        )
        for k, size in enumerate(plateau.positions)
    }


def _first_step(
    first: SeedMeans, steps: pd.DataFrame, slope: float, n_bootstrap: int, seed: int
) -> Estimate:
    low, high = (int(b) for b in (steps["batch_size"].min(), steps["batch_size"].max()))
    return estimate_from_replicates(
        math.exp(float(first.mean.mean())) / slope,
        first.resampled(n_bootstrap, seed).mean(axis=1),
        first.n_seeds,
        definition="mean of w_1/(T B) over B >= 4 B*, in units of E[a]/sqrt(d)",
        fit_range=f"{size_range(first.positions.astype(np.int64))}, B = {low}..{high}",
        logarithmic=True,
    )
