"""Sobol points as an Optuna sampler, planned in advance."""

from __future__ import annotations

import math
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial
from scipy.stats import qmc

from search_spaces.axes import AXES
from studies.plans.independent import IndependentSampler


class SobolSampler(IndependentSampler):
    """Scrambled Sobol points; point i is a function of the seed and the trial's number alone.

    Optuna's own quasi-Monte Carlo sampler needs a completed trial before its first Sobol point,
    so it cannot plan many trials at once.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return coordinate j of Sobol point i for the j-th parameter of trial i."""
        coordinate = len(trial.params)
        engine = qmc.Sobol(d=len(AXES), scramble=True, rng=self._seed)
        if trial.number > 0:
            engine.fast_forward(trial.number)
        return _at_fraction(param_distribution, float(engine.random(1)[0, coordinate]))


def _at_fraction(distribution: BaseDistribution, fraction: float) -> Any:
    """Return the value below which a `fraction` of the distribution lies."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(fraction * len(distribution.choices))]
    if isinstance(distribution, IntDistribution):
        span = math.log((distribution.high + 1) / distribution.low)
        value = int(distribution.low * math.exp(fraction * span))
        return min(max(value, distribution.low), distribution.high)
    assert isinstance(distribution, FloatDistribution)
    return distribution.low * (distribution.high / distribution.low) ** fraction
