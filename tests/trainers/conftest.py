"""Small random problems on which the brute-force loop is affordable."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from search_spaces import Point
from trainers.models.replica import Replica, initial_parameters


def make_replica(
    *, n_train=8, n_test=5, input_dim=4, data_seed=0, batch_seed=None, x=None, y=None, **settings
) -> Replica:
    """Gaussian inputs with random labels, unless `x` and `y` are given."""
    rng = np.random.default_rng(data_seed)
    drawn = rng.standard_normal((n_train + n_test, input_dim))
    labels = rng.choice([-1.0, 1.0], n_train + n_test)
    if x is not None:
        drawn[:n_train], labels[:n_train] = x, y
    values = {"temperature": 0.1, "batch_size": 1, "alpha": 1.0, "dtype": "float64"}
    values |= {"width": 6, "depth": 2, "max_presentations": 400}
    point = Point.create(n_train=n_train, n_test=n_test, **(values | settings))
    shape = (input_dim, point.width, point.depth)
    weights, biases = initial_parameters(*shape, data_seed, point.bias)
    return Replica(
        point,
        drawn[:n_train],
        labels[:n_train],
        drawn[n_train:],
        labels[n_train:],
        weights,
        batch_seed=data_seed if batch_seed is None else batch_seed,
        biases=biases,
    )


@pytest.fixture(name="make_replica", scope="session")
def _make_replica():
    return make_replica


@pytest.fixture(autouse=True, scope="session")
def one_blas_thread():
    with threadpool_limits(1, user_api="blas"):
        yield
