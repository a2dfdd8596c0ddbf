"""Optuna samplers that choose each parameter by itself, when it is asked for."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial


class IndependentSampler(optuna.samplers.BaseSampler):
    """A sampler of one objective whose work is all done by :meth:`sample_independent`."""

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: no parameters are chosen together."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing, see :meth:`infer_relative_search_space`."""
        self._raise_error_if_multi_objective(study)
        return {}
