"""How many trainings a study asks for, as far as its ledger tells."""

from __future__ import annotations

from collections import Counter

from studies.ledger.base import Ledger
from studies.plans.adaptive import AdaptiveWork
from studies.specs.extension_entries import repeated_by_size
from studies.specs.spec import StudySpec


def trainings_asked_for(spec: StudySpec, ledger: Ledger) -> int:
    """Return the trainings of the plan, of a sampler's valid trials, or of adaptive curves.

    Adaptive curves ask as results come: those of finished and running generations count.
    """
    if spec.is_adaptive:
        return AdaptiveWork(spec, ledger).n_asked
    return spec.n_trainings() - len(ledger.invalid()) * int(spec.space.n_seeds)


def trainings_by_size(spec: StudySpec, ledger: Ledger) -> dict[int, int]:
    """Return the same by P; empty for a sampler, which chooses P as it goes.

    A training that is repeated with a larger budget counts once.
    """
    if spec.is_adaptive:
        return AdaptiveWork(spec, ledger).n_asked_by_size()
    planned: Counter[int] = Counter()
    if spec.is_planned:
        for point, seeds in spec.planned():
            size = point.columns().get("n_train")
            if size is not None:
                planned[size] += len(seeds)
        planned.subtract(repeated_by_size(spec.extension or (), spec.space.n_seeds))
    return dict(planned)
