"""Averages over the replicas of one configuration.

Weight change and training time are multiplicative and heavy-tailed over seeds: their mean is
geometric. Errors are standard errors over replicas. Only fitted replicas enter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

GEOMETRIC = ("relative_weight_change", "training_time", "weight_norm", "signal_to_noise")
ARITHMETIC = ("test_error", "n_updates", "n_presentations")


def average_replicas(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return mean and standard error of the observables of one configuration, and counts.

    Parameters
    ----------
    rows
        One mapping per replica with ``stop_reason`` and any of the observables.

    Returns
    -------
    dict
        ``<observable>`` and ``<observable>_stderr`` over the fitted replicas (absent if there is
        none, the error absent for one), ``n_seeds`` and ``fitted_fraction``.

    >>> rows = [{"stop_reason": "fitted", "relative_weight_change": w} for w in (0.1, 0.4)]
    >>> round(average_replicas(rows)["relative_weight_change"], 12)
    0.2
    """
    fitted = [row for row in rows if row["stop_reason"] == "fitted"]
    averages: dict[str, float] = {}
    for name in (*ARITHMETIC, *GEOMETRIC):
        # A missing value becomes nan.
        values = np.array([row.get(name) for row in fitted], float)
        values = values[np.isfinite(values)]
        if name in GEOMETRIC:
            values = np.log(values[values > 0])
        if values.size == 0:
            continue
        mean = float(values.mean())
        stderr = float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else None
        if name in GEOMETRIC:
            mean = math.exp(mean)
            stderr = None if stderr is None else mean * stderr
        averages[name] = mean
        if stderr is not None:
            averages[f"{name}_stderr"] = stderr
    averages["fitted_fraction"] = len(fitted) / max(1, len(rows))
    averages["n_seeds"] = float(len(rows))
    return averages
