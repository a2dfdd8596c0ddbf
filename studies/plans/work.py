"""What a study has still to train, by whichever rule it chooses its trainings."""

from __future__ import annotations

from optuna.distributions import BaseDistribution

from studies.ledger.base import Ledger
from studies.plans.adaptive import AdaptiveWork, adaptive_distributions
from studies.plans.queue import PackQueue
from studies.plans.samplers import AskedWork, planned_distributions
from studies.specs.spec import StudySpec
from studies.units import Work


def missing_work(spec: StudySpec, ledger: Ledger, backend: str) -> Work:
    """Return what the ledger lacks of a grid, of a sampler's trials, or of adaptive curves."""
    if spec.is_adaptive:
        return AdaptiveWork(spec, ledger)
    if not spec.is_planned:
        return AskedWork(spec, ledger)
    done = ledger.done()
    missing = (
        (point, [seed for seed in seeds if seed not in done.get(point.identity, ())])
        for point, seeds in spec.planned()
    )
    # Drivers that share a study begin at different places.
    start = "" if ledger.claims is None else ledger.claims.number
    return PackQueue(missing, spec.experiment.together(backend), start)


def work_distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """Return the distributions that hold all points; of a sampler's, each trial has its own."""
    if spec.is_adaptive:
        return adaptive_distributions(spec)
    return planned_distributions(spec.points()) if spec.is_planned else {}
