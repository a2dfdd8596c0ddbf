"""Every loss is the same wherever it is written, and its derivatives are derivatives."""

import numpy as np
import pytest
import torch

from analysis.mean_field.problem import MARGIN_LOSSES
from search_spaces.choices import LOSSES
from search_spaces.perceptron_dynamics import MARGIN_LOSSES as PERCEPTRON_LOSSES
from trainers.compiled.compilation import compiled
from trainers.losses import LOSS_CODES, derivative, pull, second_derivative, value
from trainers.reference.loop import _pulls

MARGINS = np.array([-90.0, -3.7, -1.0, -0.2, 0.0, 0.3, 0.9999, 1.0, 1.7, 4.0, 90.0])
CLOSE = {"rel": 1e-12, "abs": 1e-15}
HINGES = ("hinge", "quadratic_hinge")


@compiled()
def pulls(loss, margins, target):
    result = np.empty_like(margins)
    for k in range(margins.size):
        result[k] = pull(loss, margins[k], target)
    return result


def test_every_loss_has_one_code():
    assert set(LOSS_CODES) == {*LOSSES, *PERCEPTRON_LOSSES}
    assert len(set(LOSS_CODES.values())) == len(LOSS_CODES)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSS_CODES)
def test_kernels_pull_against_the_derivative(loss, dtype):
    margins = MARGINS.astype(dtype)
    found = pulls(LOSS_CODES[loss], margins, dtype(1))
    assert found.dtype == dtype
    counts = margins < 1 if loss in HINGES else np.full(margins.shape, True)
    expected = -derivative(loss, margins.astype(float))
    assert found[counts] == pytest.approx(expected[counts], rel=4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("loss", LOSS_CODES)
def test_arrays_and_tensors_agree_and_autograd_finds_the_derivatives(loss):
    m = torch.tensor(MARGINS, requires_grad=True)
    (slope,) = torch.autograd.grad(value(loss, m).sum(), m, create_graph=True)
    for function in (value, derivative, second_derivative):
        of_tensor = function(loss, m.detach())
        assert of_tensor.dtype == torch.float64
        # torch leaves ln(1 + e^x) - x = e^-x out beyond x = 20.
        assert of_tensor.numpy() == pytest.approx(function(loss, MARGINS), rel=1e-9, abs=1e-15)
    assert slope.detach().numpy() == pytest.approx(derivative(loss, MARGINS), **CLOSE)
    bends = torch.zeros_like(m)
    if slope.requires_grad:
        (bends,) = torch.autograd.grad(slope.sum(), m)
    assert bends.numpy() == pytest.approx(second_derivative(loss, MARGINS), **CLOSE)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_readable_reference_pulls_as_much(loss):
    found = _pulls(loss, torch.tensor(MARGINS)).numpy()
    assert found == pytest.approx(-derivative(loss, MARGINS), **CLOSE)


@pytest.mark.parametrize("target", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("loss", PERCEPTRON_LOSSES)
def test_the_mean_field_theory_has_the_same_losses(loss, target):
    theory = MARGIN_LOSSES[loss]
    for mine, other in (
        (value, theory.value),
        (derivative, theory.slope),
        (second_derivative, theory.curvature),
    ):
        assert mine(loss, MARGINS, target) == pytest.approx(other(MARGINS, target), **CLOSE)
