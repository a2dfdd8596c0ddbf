"""Foundations of the compiled kernel: rounding, gradients, threads, and a light import."""

import subprocess
import sys

import numpy as np
import pytest

from search_spaces import Point, Seeds
from trainers.kernels import compile_kernels, train_replica
from trainers.mlp_kernel import fixed_output
from trainers.models import prepare_replica
from trainers.preparation import outputs
from trainers.sgd_kernel import look_ahead_target, rounding_unit


def network(rng, input_dim, width, depth, dtype, gain=1.0):
    shapes = (input_dim, width), (depth - 1, width, width), (width,)
    fans = (input_dim / 2, width / 2, width)
    return tuple(
        (gain * rng.standard_normal(shape) / np.sqrt(fan)).astype(dtype)
        for shape, fan in zip(shapes, fans, strict=True)
    )


def outputs_of_both_paths(x, weights):
    input_dim, depth, width = x.shape[1], weights[1].shape[0] + 1, weights[2].shape[0]
    block = outputs(x, weights)
    activations = np.empty((depth, width), x.dtype)
    active = np.empty(max(input_dim, width) + 1, np.int64)
    fixed = [fixed_output(row, *weights, activations, active) for row in x]
    return block.values, np.array(fixed), block.largest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gain", [1.0, 3.0])
@pytest.mark.parametrize(
    ("input_dim", "width", "depth"),
    [(64, 64, 3), (64, 128, 3), (5, 7, 1), (64, 31, 8), (3, 500, 2)],
)
def test_both_paths_agree_well_within_the_tolerance_that_decides(
    input_dim, width, depth, gain, dtype
):
    rng = np.random.default_rng(width)
    weights = network(rng, input_dim, width, depth, dtype, gain)
    x = rng.standard_normal((300, input_dim)).astype(dtype)
    block, fixed, largest = outputs_of_both_paths(x, weights)
    unit = rounding_unit(weights, dtype(1.0)) * np.sqrt(largest)
    assert np.abs(block - fixed).max() < unit / 5


def test_both_paths_equal_the_definition_of_the_network():
    rng = np.random.default_rng(0)
    first, hidden, out = network(rng, 9, 6, 3, np.float64)
    x = rng.standard_normal((4, 9))
    a = np.maximum(x @ first, 0)
    for matrix in hidden:
        a = np.maximum(a @ matrix, 0)
    block, fixed, _ = outputs_of_both_paths(x, (first, hidden, out))
    assert np.allclose(block, a @ out, rtol=1e-13)
    assert np.allclose(fixed, a @ out, rtol=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_weights_reach_the_output_of_both_paths(bad):
    rng = np.random.default_rng(0)
    weights = network(rng, 9, 6, 3, np.float32)
    weights[1][0] = bad
    block, fixed, _ = outputs_of_both_paths(
        np.abs(rng.standard_normal((4, 9))).astype("f"), weights
    )
    assert not np.isfinite(block).any()
    assert not np.isfinite(fixed).any()


def test_look_ahead_grows_as_violators_become_rare_and_fits_the_buffer():
    targets = [look_ahead_target(fraction, 4.0, 100) for fraction in (1.0, 0.1, 0.01, 1e-9)]
    assert targets == sorted(targets)
    assert targets[0] >= 1
    assert targets[-1] == 100


def test_training_does_not_touch_its_inputs():
    point = Point.create(n_train=32, temperature=0.1, batch_size=1, max_presentations=10**5)
    replica = prepare_replica(point, Seeds.shared(0))
    before = [array.copy() for array in (replica.x_train, replica.y_train, *replica.weights)]
    first, second = train_replica(replica), train_replica(replica)
    after = (replica.x_train, replica.y_train, *replica.weights)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert repr(first) == repr(second)


def test_compiling_again_is_harmless_and_silent(capfd):
    compile_kernels("float32")
    assert capfd.readouterr() == ("", "")


def run_python(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_training_imports_neither_torch_nor_sklearn():
    code = (
        "import sys; from search_spaces import Point, Seeds; from trainers import train;"
        "p = Point.create(n_train=16, temperature=.1, batch_size=1, max_presentations=9999);"
        "train(p, Seeds.shared(0)); print({'torch', 'sklearn', 'ray'} & set(sys.modules))"
    )
    assert run_python(code) == "set()"


def test_every_blas_is_loaded_at_import_so_that_one_thread_is_one_thread():
    """A BLAS loaded by the first training would escape the limit set around it."""
    code = (
        "import trainers; from threadpoolctl import threadpool_info as info;"
        "before = {pool['filepath'] for pool in info()}; trainers.compile_kernels('float32');"
        "print({pool['filepath'] for pool in info()} - before)"
    )
    assert run_python(code) == "set()"
