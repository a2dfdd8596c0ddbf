"""The laws of one kind of perceptron data: sizes, temperatures, batch sizes, and during training.

Which rows belong to which law is read off the table: the size law needs T >= 30 kappa at the
smallest batch size, the temperature law several such T, the batch law several B. Sizes P < 4 d
are left out: there the points are separable by w_perp alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, estimate_from_replicates
from analysis.fits.form import MINIMUM_SIZES, size_range
from analysis.key import Key
from analysis.perceptron_exponents.batches import BatchLaw, fit_batch_law
from analysis.perceptron_exponents.seed_means import GrowthLaw, fit_growth, seed_means
from analysis.perceptron_exponents.temperatures import (
    NOISE_DOMINATED,
    TemperatureLaw,
    fit_temperature_laws,
)
from analysis.perceptron_exponents.theory import PerceptronTheory
from analysis.perceptron_exponents.trajectory import Trajectory, fit_trajectory
from analysis.table import TableGroup, plain, settings_label

SMALLEST_LOAD = 4
"""Smallest P/d in a fit."""


@dataclass(frozen=True)
class SizeLaws:
    """What grows with P at one temperature T >> kappa."""

    temperature: float
    """T."""
    left_out: tuple[int, ...]
    """Sizes below 4 d, and unstable ones."""
    signal_to_noise: GrowthLaw
    """w_1/w_perp: exponent gamma."""
    weight_norm: GrowthLaw
    """||w||/T: exponent gamma."""
    noise: GrowthLaw
    """w_perp/T, which a theory of typical fluctuations takes for constant."""
    training_time: GrowthLaw
    """t*/T: exponent b."""
    updates: GrowthLaw
    """Number of updates: exponent 2 gamma."""


@dataclass(frozen=True)
class PerceptronLaws:
    """Everything measured at one chi and d."""

    settings: dict[str, Any]
    """Settings that tell these laws from others."""
    chi: float
    input_dim: int
    kappa: float
    """Margin 1/alpha."""
    sizes: SizeLaws | None
    temperatures: tuple[TemperatureLaw, ...]
    batches: BatchLaw | None
    trajectory: Trajectory | None

    @property
    def theory(self) -> PerceptronTheory:
        """What is predicted."""
        return PerceptronTheory(self.chi)

    @property
    def label(self) -> str:
        """``chi=1``."""
        return settings_label({"chi": self.chi, **self.settings})

    def key(self, name: str, /, *words: str, **settings: Any) -> Key:
        """Return ``name[words,settings,chi=1]``."""
        return Key(name, *words, **settings, chi=self.chi, **self.settings)

    @property
    def delta(self) -> Estimate | None:
        """delta, the mean over sizes."""
        laws = self.temperatures
        if not laws:
            return None
        exponents, hot = [law.delta.slope for law in laws], laws[0].delta.means.positions
        return estimate_from_replicates(
            float(np.mean([e.value for e in exponents])),
            np.mean([law.delta.replicates for law in laws], axis=0),
            exponents[0].n,
            definition="delta of ||w|| ~ T^delta, mean over P",
            fit_range=f"{size_range(np.array([law.n_train for law in laws]))}, "
            f"T = {hot[0]:.4g}..{hot[-1]:.4g}",
        )

    def estimates(self) -> dict[Key, Estimate]:
        """Return every number by its key."""
        result: dict[Key, Estimate] = {}
        if self.sizes is not None:
            result[self.key("gamma", "snr")] = self.sizes.signal_to_noise.slope
            result[self.key("gamma", "norm")] = self.sizes.weight_norm.slope
            result[self.key("gamma", "noise")] = self.sizes.noise.slope
            result[self.key("b")] = self.sizes.training_time.slope
            result[self.key("updates")] = self.sizes.updates.slope
        if self.trajectory is not None and self.trajectory.exponent is not None:
            result[self.key("y")] = self.trajectory.exponent
        if self.delta is not None:
            result[self.key("delta")] = self.delta
        for law in self.temperatures:
            result[self.key("delta", n_train=law.n_train)] = law.delta.slope
            if law.noise_temperature is not None:
                key = self.key("T_noise", n_train=law.n_train)
                result[key] = law.noise_temperature
        if self.batches is not None:
            if self.batches.slope is not None:
                result[self.key("first_step")] = self.batches.slope
            if self.batches.crossover is not None:
                result[self.key("gamma", "B*")] = self.batches.crossover.slope
            for size, estimate in self.batches.crossovers.items():
                result[self.key("B*", n_train=size)] = estimate
        return result


def fit_laws(group: TableGroup, *, n_bootstrap: int, seed: int) -> PerceptronLaws:
    """Measure everything that the rows at one chi and d hold."""
    frame = group.frame
    chi, dimension = float(frame["chi"].iloc[0]), int(frame["input_dim"].iloc[0])
    kappa = 1 / float(frame["alpha"].iloc[0]) if "alpha" in frame else 1.0
    slope = PerceptronTheory(chi).first_step(dimension)
    noise = frame["signal"] / frame["signal_to_noise"]
    frame = frame.assign(noise_norm=noise)
    large = frame[frame["n_train"] >= SMALLEST_LOAD * dimension]
    base = large[large["batch_size"] == large["batch_size"].min()]
    hot = base[base["temperature"] >= NOISE_DOMINATED * kappa]
    small = sorted(set(frame["n_train"]) - set(large["n_train"]))
    return PerceptronLaws(
        settings={k: plain(v) for k, v in group.settings.items() if k != "chi"},
        chi=chi,
        input_dim=dimension,
        kappa=kappa,
        sizes=_fit_sizes(hot, small, n_bootstrap, seed),
        temperatures=fit_temperature_laws(base, kappa, n_bootstrap=n_bootstrap, seed=seed),
        batches=fit_batch_law(large, slope, n_bootstrap=n_bootstrap, seed=seed),
        trajectory=fit_trajectory(hot, n_bootstrap=n_bootstrap, seed=seed),
    )


def _fit_sizes(
    hot: pd.DataFrame, small: list[int], n_bootstrap: int, seed: int
) -> SizeLaws | None:
    counts = hot.groupby("temperature")["n_train"].nunique()
    if counts.empty or counts.max() < MINIMUM_SIZES:
        return None
    temperature = float(counts.index.to_numpy()[counts.to_numpy().argmax()])
    rows = hot[hot["temperature"] == temperature]

    def law(column: str, divide_by: str | None, definition: str) -> GrowthLaw | None:
        means = seed_means(rows, column, "n_train", divide_by)
        where = f"{size_range(means.positions.astype(np.int64))}, T = {temperature:g}"
        return fit_growth(means, definition, where, n_bootstrap, seed)

    ratio = law("signal_to_noise", None, "gamma of w_1/w_perp ~ P^gamma at the end of training")
    if ratio is None or len(ratio.means.positions) < MINIMUM_SIZES:
        return None
    norm = law("weight_norm", "temperature", "gamma of ||w|| ~ T P^gamma at the end of training")
    noise = law("noise_norm", "temperature", "exponent of w_perp/T at the end of training")
    time = law("n_presentations", None, "b of t* ~ T P^b")
    updates = law("n_updates", None, "exponent of the number of updates, 2 gamma in theory")
    if norm is None or noise is None or time is None or updates is None:
        return None
    unstable = [int(p) for p in ratio.means.unstable]
    left_out = tuple(sorted({*small, *unstable}))
    return SizeLaws(temperature, left_out, ratio, norm, noise, time, updates)
