"""The law of an adaptive design: T_lazy at one threshold; everything else was not measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.critical_temperature.adaptive_location import locate_by_posterior
from analysis.critical_temperature.comparison.batches import BatchComparison
from analysis.critical_temperature.law import ScalingLaw
from analysis.critical_temperature.test_error.onsets import DOWN, FRACTION, UP
from analysis.curves import Curves
from analysis.fits.power_law import PowerLaw
from analysis.key import Key
from analysis.locating.located import (
    NOT_MEASURED,
    CriticalTemperature,
    CriticalTemperatures,
    fit_power_law,
)

ADAPTIVE = "adaptive"
ADAPTIVE_ONLY = f"{NOT_MEASURED}: the adaptive design measures T_lazy(c) only"


@dataclass(frozen=True)
class AdaptiveLaw(ScalingLaw):
    """T_lazy at the headline c from trainings with temperatures and seeds of their own.

    Its `n_seeds` are the trainings close to the crossings.
    """

    is_adaptive = True

    @property
    def replicas(self) -> str:
        """``58 trainings``, each with its own seed."""
        return f"{len(self.curves.frame)} trainings"

    def unmeasured(self) -> dict[Key, str]:
        """Return that the companion laws, a_test and the collapse were not measured."""
        keys = [self.key(name) for name in ("gamma", "delta", "b")]
        keys += [self.key("a", name) for name in ("test", "collapse")]
        return dict.fromkeys(keys, ADAPTIVE_ONLY)

    def other_laws(self) -> list[tuple[CriticalTemperatures, PowerLaw]]:
        """Return that T_noise and T_test were not measured, size by size."""
        observable = self.lazy[self.headline].observable
        names = (("noise", observable), (UP, "test_error"), (DOWN, "test_error"))
        none = [self._unmeasured(*each) for each in names]
        return [(each, replace(fit_power_law(each), shortage=ADAPTIVE_ONLY)) for each in none]

    def _unmeasured(self, name: str, observable: str) -> CriticalTemperatures:
        points = tuple(
            CriticalTemperature.refuse(
                self.curves, p, NOT_MEASURED, (None, None), "", n_replicas=0
            )
            for p in range(len(self.curves.sizes))
        )
        return CriticalTemperatures(
            name=name,
            observable=observable,
            threshold=FRACTION if name in (UP, DOWN) else None,
            definition=ADAPTIVE_ONLY,
            points=points,
            log_replicates=np.empty((0, len(points))),
            n_clusters=1,
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
) -> AdaptiveLaw:
    """Measure what an adaptive design holds: T_lazy at one c, and its power law."""
    lazy = locate_by_posterior(
        curves, threshold, tolerance=tolerance, n_samples=n_bootstrap, seed=seed
    )
    return AdaptiveLaw(
        settings=settings,
        batch_size=batch_size,
        curves=curves,
        thresholds=(threshold,),
        lazy={threshold: lazy},
        fits={threshold: fit_power_law(lazy)},
        batches=batches,
    )
