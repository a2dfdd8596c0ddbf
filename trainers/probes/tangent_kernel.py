"""Mean diagonal K of the neural tangent kernel at initialization: K(x) = |grad f(w0, x)|^2.

K sets all scales of temperature and learning rate (:mod:`search_spaces.windows`). For a
perceptron with inputs of norm sqrt(d) it is L + 1 up to 1/h; for a convolutional network with
an average over positions it depends on the images, and has to be measured.
"""

from __future__ import annotations

import torch

from search_spaces import Point, Seeds
from trainers.models.batched import network_of
from trainers.models.replica import Replica, prepare_replica

_N_SEEDS, _N_POINTS = 8, 64
_ROWS = 16


def measure_kernel_diagonal(point: Point, n_seeds: int = _N_SEEDS) -> float:
    """Return K, averaged over 64 training points of each of the seeds 0, 1, ...

    A function of data, model, width and depth alone: seeds and number of points are fixed.

    Raises
    ------
    InvalidSettingError
        If the data set has fewer than 64 points besides n_test.
    """
    few = {"n_train": _N_POINTS, "batch_size": 1, "sampling": "without_replacement"}
    point = Point.from_dict({**point.to_dict(), **few})
    replicas = [prepare_replica(point, Seeds.shared(seed)) for seed in range(n_seeds)]
    return sum(float(kernel_diagonal(replica).mean()) for replica in replicas) / n_seeds


@torch.no_grad()
def kernel_diagonal(replica: Replica) -> torch.Tensor:
    """Return |grad f|^2 with respect to all weights at w0, for every training point (P,).

    Points take the place of replicas, so that the gradients are those of single points.
    """
    network, total = network_of(replica), []
    scales = network.scales()
    weights = [torch.from_numpy(s * w) for s, w in zip(scales, replica.weights, strict=True)]
    x = torch.from_numpy(network.arrange(replica.x_train)).double()
    for rows in x.split(_ROWS):
        many = [w.expand(len(rows), *w.shape) for w in weights]
        _, tape = network.forward(many, rows[:, None])
        gradients = network.gradients(many, tape, rows.new_ones(len(rows), 1))
        squares = [
            s**2 * g.square().flatten(1).sum(1) for s, g in zip(scales, gradients, strict=True)
        ]
        total.append(torch.stack(squares).sum(0))
    return torch.cat(total)
