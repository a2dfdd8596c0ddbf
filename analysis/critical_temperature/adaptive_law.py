"""The law of an adaptive design: T_lazy at one threshold; everything else was not measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from analysis.critical_temperature.adaptive_location import locate_by_posterior
from analysis.critical_temperature.companion_laws import CompanionLaws
from analysis.critical_temperature.comparison.batches import BatchComparison
from analysis.critical_temperature.law import ADAPTIVE, ADAPTIVE_ONLY, ScalingLaw
from analysis.critical_temperature.noise_onset import NoiseOnset
from analysis.critical_temperature.test_error.onsets import DOWN, FRACTION, UP, ErrorOnsets
from analysis.curves import Curves
from analysis.locating.located import (
    NOT_MEASURED,
    CriticalTemperature,
    CriticalTemperatures,
    fit_power_law,
)


def analyse_adaptive_law(
    curves: Curves,
    threshold: float,
    batches: BatchComparison,
    *,
    settings: dict[str, Any],
    batch_size: int | None,
    tolerance: float,
    n_bootstrap: int,
    seed: int,
) -> ScalingLaw:
    """Measure what an adaptive design holds: T_lazy at one c, and its power law."""
    lazy = locate_by_posterior(
        curves, threshold, tolerance=tolerance, n_samples=n_bootstrap, seed=seed
    )
    none = [
        _unmeasured(curves, name, observable, n_bootstrap)
        for name, observable in (
            ("noise", lazy.observable),
            (UP, "test_error"),
            (DOWN, "test_error"),
        )
    ]
    fits = [replace(fit_power_law(each), shortage=ADAPTIVE_ONLY) for each in none]
    return ScalingLaw(
        settings=settings,
        batch_size=batch_size,
        curves=curves,
        thresholds=(threshold,),
        lazy={threshold: lazy},
        fits={threshold: fit_power_law(lazy)},
        noise=NoiseOnset(none[0], np.full((len(curves.sizes), 3), np.nan)),
        noise_fit=fits[0],
        companions=CompanionLaws(
            None, None, None, np.full(n_bootstrap, np.nan), None, ADAPTIVE_ONLY
        ),
        batches=batches,
        onsets=ErrorOnsets(none[1], none[2], None),
        onset_fits=dict(zip((UP, DOWN), fits[1:], strict=True)),
        error_law=None,
        collapse=None,
        design=ADAPTIVE,
    )


def _unmeasured(
    curves: Curves, name: str, observable: str, n_bootstrap: int
) -> CriticalTemperatures:
    points = tuple(
        CriticalTemperature(
            n_train=int(size),
            value=None,
            log_stderr=None,
            bracket=(None, None),
            n_replicas=0,
            n_temperatures=int((curves.n_runs[p] > 0).sum()),
            n_censored=int(curves.n_censored[p].sum()),
            n_diverged=int(curves.n_diverged[p].sum()),
            status=NOT_MEASURED,
            message="",
        )
        for p, size in enumerate(curves.sizes)
    )
    return CriticalTemperatures(
        name=name,
        observable=observable,
        threshold=FRACTION if name in (UP, DOWN) else None,
        definition=ADAPTIVE_ONLY,
        points=points,
        log_replicates=np.full((n_bootstrap, len(points)), np.nan),
        n_clusters=1,
    )
