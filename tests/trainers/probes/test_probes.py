"""What is measured on request, against dense matrices of small networks."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from search_spaces import Point, Seeds
from trainers import train
from trainers.kernels.backend import train_replica
from trainers.models.functions import output
from trainers.probes.curvature import Curvature
from trainers.probes.measure import measure_probes, tangent_kernel, top_eigenvalue
from trainers.reference.loop import train_reference

OBSERVABLES = (
    "feature_change",
    "gradient_noise",
    "hessian",
    "kernel_change",
    "kernel_spectrum",
    "noise_alignment",
)
LOSSES = {
    "hinge": lambda m: torch.relu(1 - m),
    "quadratic_hinge": lambda m: torch.relu(1 - m) ** 2 / 2,
    "logistic": lambda m: torch.log(1 + torch.exp(-m)),
}


def parameters(replica, shift=0.0):
    rng = np.random.default_rng(1)
    arrays = (*replica.weights, *replica.biases)
    return [torch.tensor(w + shift * rng.standard_normal(w.shape)) for w in arrays]


def dense(replica, start, weights):
    """Return per-sample gradients (P, N), the gradient and the Hessian of the loss."""
    point = replica.point
    x, y = torch.tensor(replica.x_train), torch.tensor(replica.y_train)
    shapes = [w.shape for w in weights]
    f0 = output(start, x, point.activation)

    def losses(flat):
        pieces = torch.split(flat, [shape.numel() for shape in shapes])
        parts = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
        margins = y * point.alpha * (output(parts, x, point.activation) - f0)
        return LOSSES[point.loss](margins) / point.alpha

    flat = torch.cat([w.reshape(-1) for w in weights])
    gradients = torch.autograd.functional.jacobian(losses, flat)
    hessian = torch.autograd.functional.hessian(lambda w: losses(w).mean(), flat)
    return gradients, gradients.mean(dim=0), hessian


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_curvature_equals_dense_matrices(make_replica, loss, activation):
    replica = make_replica(
        n_train=7, width=5, depth=2, loss=loss, activation=activation, alpha=2.0,
        bias=activation == "tanh",
    )  # fmt: skip
    start, weights = parameters(replica), parameters(replica, shift=0.3)
    gradients, mean, hessian = dense(replica, start, weights)
    x, y = torch.tensor(replica.x_train), torch.tensor(replica.y_train)
    curvature = Curvature(replica.point, start, weights, x, y)
    assert torch.allclose(curvature.gradient, mean)
    assert torch.allclose(curvature.sample_gradients(slice(0, 7)), gradients)
    assert curvature.mean_square_gradient() == pytest.approx(float((gradients**2).sum() / 7))
    vector = torch.linspace(-1, 1, len(mean), dtype=torch.float64)
    assert torch.allclose(curvature.hessian_product(vector), hessian @ vector)
    top = float(torch.linalg.eigvalsh(hessian)[-1])
    assert top_eigenvalue(curvature) == pytest.approx(top, rel=1e-6)
    # Hutchinson's estimate of a part of the trace has a standard error.
    off = hessian - torch.diag(hessian.diagonal())
    error = 0.0 if activation == "relu" else float((2 * off.square().sum() / 32).sqrt())
    assert abs(curvature.trace() - float(hessian.trace())) < 4 * error + 1e-9


def test_columns_follow_their_definitions(make_replica):
    replica = make_replica(
        n_train=6, n_test=9, width=5, loss="logistic", alpha=2.0, observables=OBSERVABLES
    )
    sides = parameters(replica), parameters(replica, shift=0.3)
    arrays = tuple([w.numpy() for w in side] for side in sides)
    train_set = replica.x_train, replica.y_train
    columns = measure_probes(replica.point, arrays, train_set, replica.x_test, False)
    gradients, mean, hessian = dense(replica, *sides)
    noise = gradients - mean
    covariance = noise.T @ noise / 6
    alignment = float((hessian @ covariance).trace())
    top = float(torch.linalg.eigvalsh(hessian)[-1])
    trace, square = float(covariance.trace()), float(mean @ mean)
    assert columns["gradient_noise_scale_end"] == pytest.approx(trace / square)
    assert columns["noise_alignment_end"] == pytest.approx(alignment)
    assert columns["noise_alignment_normalised_end"] == pytest.approx(alignment / top / trace)
    assert columns["hessian_trace_end"] == pytest.approx(float(hessian.trace()))
    probes = torch.tensor(replica.x_test)
    first, last = (tangent_kernel(side, probes, "relu") for side in sides)
    jacobian = torch.autograd.functional.jacobian(
        lambda *w: output(w, probes), tuple(w.clone() for w in sides[1])
    )
    explicit = sum(part.flatten(1) @ part.flatten(1).T for part in jacobian)
    assert torch.allclose(last, explicit)
    change = float((last - first).norm() / first.norm())
    assert columns["kernel_change"] == pytest.approx(change)
    assert columns["kernel_alignment"] < 1
    assert columns["kernel_diagonal_end"] == pytest.approx(float(explicit.diagonal().mean()))
    assert columns["kernel_top_eigenvalue_end"] == pytest.approx(
        float(torch.linalg.eigvalsh(explicit)[-1]) / 9
    )


def test_nothing_changed_is_measured_as_such(make_replica):
    replica = make_replica(observables=OBSERVABLES)
    arrays = [w.numpy() for w in parameters(replica)]
    train_set = replica.x_train, replica.y_train
    columns = measure_probes(replica.point, (arrays, arrays), train_set, replica.x_test, False)
    assert columns["feature_change"] == columns["kernel_change"] == 0
    assert columns["kernel_alignment"] == pytest.approx(1)
    for name in ("kernel_diagonal", "gradient_noise_scale", "hessian_top_eigenvalue"):
        assert columns[f"{name}_start"] == columns[f"{name}_end"]


def test_a_fitted_hinge_has_no_gradient_left_and_both_backends_agree(make_replica):
    replica = make_replica(n_train=5, width=12, alpha=20.0, observables=OBSERVABLES)
    row, reference = train_replica(replica).to_row(), train_reference(replica).to_row()
    assert row["stop_reason"] == "fitted"
    assert row["gradient_noise_scale_start"] > 0
    assert row["gradient_noise_scale_end"] is None
    assert row["noise_alignment_normalised_end"] is None
    assert row["hessian_trace_end"] == row["noise_alignment_end"] == 0
    assert list(row) == list(reference)
    for name in set(row) - {"backend", "stop_reason"}:
        if row[name] is None:
            assert reference[name] is None
        else:
            assert row[name] == pytest.approx(reference[name], rel=1e-6, abs=1e-9)


def test_a_diverged_training_has_plain_columns(make_replica):
    replica = make_replica(temperature=1e30, dtype="float32", observables=OBSERVABLES)
    row = train_replica(replica).to_row()
    assert row["stop_reason"] == "diverged"
    assert set(row) > {"kernel_change", "hessian_trace_end", "gradient_noise_scale_end"}
    json.dumps(row, allow_nan=False)


def test_observables_do_not_change_the_training_on_digits():
    """Tangent kernel at initialization: mean diagonal near L + 1, top eigenvalue of K/P near 1."""
    point = Point.create(n_train=64, temperature=0.3, batch_size=1, max_presentations=10**5)
    names = ("feature_change", "kernel_change", "kernel_spectrum")
    plain = train(point, Seeds.shared(0))
    measured = train(dataclasses.replace(point, observables=names), Seeds.shared(0))
    assert repr(dataclasses.replace(measured, requested={})) == repr(plain)
    row = measured.to_row()
    assert 3 < row["kernel_diagonal_start"] < 5
    assert 0.7 < row["kernel_top_eigenvalue_start"] < 2
    assert 0 < row["feature_change"] < 1
    assert 0.5 < row["kernel_alignment"] < 1
