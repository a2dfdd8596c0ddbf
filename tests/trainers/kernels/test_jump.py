"""The scheme jump: another training of each seed, the same law."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from search_spaces import InvalidSettingError, Point
from trainers import resolve_backend
from trainers.kernels.backend import train_replica
from trainers.stopping import StopReason

CASES = [
    {"batch_size": 1},
    {"batch_size": 4},
    {"batch_size": 3, "sampling": "with_replacement"},
    {"batch_size": 3, "loss": "quadratic_hinge", "temperature": 0.005},
]
N_REPLICAS = 250


def sample(make_replica, seeds, **settings):
    results = []
    for seed in seeds:
        replica = make_replica(
            n_train=6, width=24, alpha=10.0, max_presentations=2000, data_seed=5, batch_seed=seed,
            **settings,
        )  # fmt: skip
        results.append(train_replica(replica))
    return results


@pytest.mark.parametrize("settings", CASES)
def test_law_of_times_and_weights_is_that_of_all_steps(make_replica, settings):
    """Two samples over batches alone, Kolmogorov-Smirnov."""
    settings = {"temperature": 0.1} | settings
    jumps = sample(make_replica, range(N_REPLICAS), scheme="jump", **settings)
    steps = sample(make_replica, range(10**6, 10**6 + N_REPLICAS), **settings)
    for name in ("n_steps", "relative_weight_change", "n_updates", "n_violators_used"):
        values = [[getattr(m, name) for m in group] for group in (jumps, steps)]
        assert ks_2samp(*values).pvalue > 1e-3, name
    fitted = [m.stop_reason == StopReason.FITTED for m in jumps + steps]
    # The quadratic hinge approaches the margin for ever.
    assert np.mean(fitted) > 0.5 or settings.get("loss") == "quadratic_hinge"


def test_a_full_batch_is_the_same_training_either_way(make_replica):
    settings = {"n_train": 9, "batch_size": 9, "sampling": "full_batch", "alpha": 5.0}
    jumped = train_replica(make_replica(scheme="jump", **settings))
    assert repr(jumped) == repr(train_replica(make_replica(**settings)))


def test_idle_time_counts_for_the_budget(make_replica):
    x = np.ones((2, 4))
    replica = make_replica(
        n_train=2, x=x, y=[1.0, -1.0], scheme="jump", max_presentations=200, batch_size=1
    )
    result = train_replica(replica)
    assert result.stop_reason == StopReason.STEP_BUDGET
    assert result.n_steps <= 200


def test_a_loss_that_never_vanishes_is_refused():
    point = Point.create(
        n_train=32, temperature=0.1, batch_size=1, loss="logistic", scheme="jump",
        max_presentations=100,
    )  # fmt: skip
    with pytest.raises(InvalidSettingError, match="scheme=jump skips steps that change nothing"):
        resolve_backend(point)
