"""The laws of the synthetic vectors."""

import math

import numpy as np
import pytest
from scipy import stats

from trainers.batches.streams import Purpose
from trainers.data import load_dataset, signed_inputs

N, D = 40_000, 8
FLOAT = np.dtype(np.float64)


def draw(name, **settings):
    return load_dataset(name, input_dim=D, **settings).draw(N, 5, Purpose.TRAINSET, FLOAT)


@pytest.mark.parametrize(
    ("chi", "mean"), [(-0.5, None), (0.0, 0.79788), (1.0, 1.25331), (3.0, 1.87997)]
)
def test_perceptron_amplitudes_follow_their_law(chi, mean):
    x, y = draw("perceptron", chi=chi)
    amplitude = x[:, 0] * y
    assert amplitude.min() > 0
    assert stats.kstest(amplitude**2, stats.gamma(0.5 * (1 + chi), scale=2).cdf).pvalue > 0.01
    if mean is not None:
        assert amplitude.mean() == pytest.approx(mean, abs=4 * amplitude.std() / math.sqrt(N))


@pytest.mark.parametrize("chi", [0.0, 1.0])
def test_density_at_the_boundary_has_the_exponent_chi(chi):
    x, _ = draw("perceptron", chi=chi)
    near = [np.count_nonzero(np.abs(x[:, 0]) < edge) for edge in (0.1, 0.2)]
    error = 1 / math.sqrt(near[0]) / math.log(2)
    assert math.log2(near[1] / near[0]) == pytest.approx(1 + chi, abs=4 * error)


def test_other_coordinates_are_normal_and_do_not_know_the_label():
    x, y = draw("perceptron", chi=1.0)
    others = x[:, 1:]
    assert stats.kstest(others.ravel(), "norm").pvalue > 0.01
    assert np.abs(others.T @ y / N).max() < 4 / math.sqrt(N)
    correlations = np.corrcoef(x.T) - np.eye(D)
    assert np.abs(correlations).max() < 4.5 / math.sqrt(N)


@pytest.mark.parametrize("name", ["perceptron", "mixture", "teacher"])
def test_labels_are_balanced(name):
    _, y = draw(name)
    assert set(np.unique(y)) == {-1.0, 1.0}
    assert abs(y.mean()) < 4 / math.sqrt(N)


def test_clusters_lie_at_rho_along_the_diagonal():
    rho = 1.5
    x, y = draw("mixture", cluster_distance=rho)
    along = x @ np.full(D, 1 / math.sqrt(D)) * y
    assert along.mean() == pytest.approx(rho, abs=4 / math.sqrt(N))
    assert along.std() == pytest.approx(1, abs=4 / math.sqrt(2 * N))
    residuals = x - rho / math.sqrt(D) * y[:, None]
    assert stats.kstest(residuals.ravel(), "norm").pvalue > 0.01
    # Wrong side of the plane between the clusters: the best error, Phi(-rho).
    assert np.mean(along < 0) == pytest.approx(stats.norm.cdf(-rho), abs=4 * 0.25 / math.sqrt(N))


def test_teacher_separates_its_points_with_a_half_normal_field():
    x, y = draw("teacher")
    field = x.sum(axis=1) * y / math.sqrt(D)
    assert field.min() > 0
    assert stats.kstest(field, stats.halfnorm.cdf).pvalue > 0.01
    assert stats.kstest(x.ravel(), "norm").pvalue > 0.01


def test_signed_inputs_have_positive_first_coordinates():
    x, y = draw("perceptron", chi=1.0)
    z = signed_inputs(x, y)
    assert np.allclose(z * math.sqrt(D) * y[:, None], x)
    assert z[:, 0].min() > 0
