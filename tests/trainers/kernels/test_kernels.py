"""Foundations of the compiled kernel: rounding, gradients, threads, and a light import."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import erf

from search_spaces import Point, Seeds
from trainers import train_pack
from trainers.compiled.activations import CODES, activate, activate_rows
from trainers.compiled.tiles import ROWS
from trainers.kernels.arrays import Law, Network, Record, Sample
from trainers.kernels.backend import compile_kernels, train_replica
from trainers.kernels.look_ahead import CANDIDATE, VERSION
from trainers.kernels.mlp import fixed_output, listed_outputs
from trainers.kernels.preparation import outputs, workspace
from trainers.kernels.sgd import look_ahead_target, rounding_unit
from trainers.kernels.tile_scan import scan_tiles
from trainers.models.replica import GAINS, prepare_replica


def network(rng, input_dim, width, depth, dtype, gain=1.0, bias=0.0):
    shapes = (input_dim, width), (depth - 1, width, width), (width,)
    fans = (input_dim / 2, width / 2, width)
    weights = [
        (gain * rng.standard_normal(shape) / np.sqrt(fan)).astype(dtype)
        for shape, fan in zip(shapes, fans, strict=True)
    ]
    biases = bias * rng.standard_normal((depth + 1 if bias else 0, width))
    return Network(*weights, biases.astype(dtype))


def outputs_of_both_paths(x, weights, activation="relu"):
    input_dim, depth, width = x.shape[1], weights[1].shape[0] + 1, weights[2].shape[0]
    block = outputs(x, weights, activation)
    trace = np.empty((2, depth, width), x.dtype)
    active = np.empty(max(input_dim, width) + 1, np.int64)
    fixed = [fixed_output(row, weights, CODES[activation], trace, active) for row in x]
    return block.values, np.array(fixed), block.largest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gain", [1.0, 3.0])
@pytest.mark.parametrize(
    ("activation", "bias"), [("relu", 0.0), ("relu", 1.0), ("tanh", 0.3), ("gelu", 0.0)]
)
@pytest.mark.parametrize(
    ("input_dim", "width", "depth"),
    [(64, 64, 3), (64, 128, 3), (5, 7, 1), (64, 31, 8), (3, 500, 2)],
)
def test_both_paths_agree_well_within_the_tolerance_that_decides(
    input_dim, width, depth, activation, bias, gain, dtype
):
    rng = np.random.default_rng(width)
    weights = network(rng, input_dim, width, depth, dtype, gain, bias)
    x = rng.standard_normal((300, input_dim)).astype(dtype)
    block, fixed, largest = outputs_of_both_paths(x, weights, activation)
    law = Law(dtype(1.0), dtype(0.1), 0, CODES[activation], 1.0)
    unit = rounding_unit(weights, law) * np.sqrt(largest)
    assert np.abs(block - fixed).max() < unit / 5
    listed, space = rng.permutation(300)[:8], workspace(weights)
    listed_outputs(x, listed, 8, weights, CODES[activation], space)
    assert np.abs(space.outputs[:8] - fixed[listed]).max() < unit / 5


@pytest.mark.parametrize("gain", [1.0, 3.0])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_no_search_finds_inputs_whose_rounding_error_comes_near_the_tolerance(activation, gain):
    """The 30 inputs of largest error on both paths are changed at random, 20 times over."""
    rng = np.random.default_rng(0)
    weights = network(rng, 16, 32, 3, np.float32, gain)
    in_double = Network(*(matrix.astype(np.float64) for matrix in weights))
    law = Law(np.float32(1.0), np.float32(0.1), 0, CODES[activation], 1.0)
    x, worst = rng.standard_normal((300, 16)).astype("f"), []
    for _ in range(20):
        x *= np.float32(4) / np.linalg.norm(x, axis=1, keepdims=True)
        block, fixed, largest = outputs_of_both_paths(x, weights, activation)
        exact = outputs(x.astype(np.float64), in_double, activation).values
        error = np.abs(block - exact) + np.abs(fixed - exact)
        error /= rounding_unit(weights, law) * np.sqrt(largest)
        worst.append(error.max())
        x = np.repeat(x[np.argsort(-error)[:30]], 10, axis=0)
        x[30:] += (0.02 * rng.standard_normal((270, 16))).astype("f")
    assert 0 < worst[0] < max(worst) < 0.4


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_single_precision_activations_are_rounded_well(activation):
    """Those of gelu in units of |z|, since 1 + erf cancels."""
    z = np.concatenate([np.geomspace(1e-20, 1e4, 100_000), [0.0]])
    z = np.concatenate([z, -z]).astype(np.float32)
    wanted = FUNCTIONS[activation](z.astype(np.float64))
    scale = np.abs(wanted) if activation == "tanh" else np.abs(z)
    none, units = np.empty((0, z.size), np.float32), 2.0**-24
    rows, single, slopes = z[None].copy(), z.copy(), np.empty_like(z)
    activate_rows(rows, 1, CODES[activation], none, 0)
    activate(single, slopes, CODES[activation], none, 0)
    for found in (rows[0], single):
        error = np.abs(found - wanted) / np.maximum(scale, 1e-30)
        assert units / 2 < error.max() < 2.5 * units
        assert (np.abs(found) <= np.abs(z)).all()
    rows[:] = np.nan
    activate_rows(rows, 1, CODES[activation], none, 0)
    assert np.isnan(rows).all()


FUNCTIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
}


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_both_paths_equal_the_definition_of_the_network(activation, bias):
    rng = np.random.default_rng(0)
    weights = network(rng, 9, 6, 3, np.float64, bias=bias)
    first, hidden, out, biases = weights
    shifts = biases if bias else np.zeros((4, 6))
    x, phi = rng.standard_normal((4, 9)), FUNCTIONS[activation]
    a = phi(x @ first + shifts[0])
    for matrix, shift in zip(hidden, shifts[1:3], strict=True):
        a = phi(a @ matrix + shift)
    expected = a @ out + shifts[3, 0]
    block, fixed, _ = outputs_of_both_paths(x, weights, activation)
    assert np.allclose(block, expected, rtol=1e-13)
    assert np.allclose(fixed, expected, rtol=1e-13)


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_gain_keeps_the_mean_square_of_activations(activation):
    z, weight = np.polynomial.hermite_e.hermegauss(120)
    mean = (weight * FUNCTIONS[activation](z) ** 2).sum() / weight.sum()
    assert GAINS[activation] ** 2 * mean == pytest.approx(1, rel=1e-9)


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
    targets = [look_ahead_target(fraction, 4.0, 96) for fraction in (1.0, 0.1, 0.01, 1e-9)]
    assert targets == sorted(targets)
    assert targets[0] >= 1
    assert targets[-1] == 96
    assert all(target % ROWS == 0 for target in targets)


@pytest.mark.parametrize("batch_size", [1, 4, 6, 17])
@pytest.mark.parametrize("n_violators", [0, 1, 5])
def test_a_scan_stops_at_the_first_batch_with_a_violator_and_knows_all_of_it(
    batch_size, n_violators
):
    rng = np.random.default_rng(batch_size)
    weights, alpha = network(rng, 64, 64, 3, np.float32), np.float32(100.0)
    x = rng.standard_normal((90, 64)).astype(np.float32)
    block, y = outputs(x, weights, "relu"), np.ones(90, np.float32)
    # y F = 50 of every point but those that shall be violators, y F = -50.
    margins = np.full(90, 50.0)
    margins[rng.permutation(90)[:n_violators]] = -50.0
    sample = Sample(x, y, (block.values - margins / alpha).astype(np.float32))
    law = Law(alpha, np.float32(0.1), 0, CODES["relu"], 1.0)
    batches = rng.integers(0, 90, (40, batch_size)).astype(np.int32)
    first = next((k for k, row in enumerate(batches) if (margins[row] < 0).any()), 40)
    tolerance = np.array([rounding_unit(weights, law), 1e3])
    record = Record(np.full(90, np.nan, np.float32), tolerance)
    status, queue = np.full(90, -1), np.empty(2 * ROWS, np.int64)
    row, found, evaluated, certain = scan_tiles(
        batches.ravel(), np.append(np.arange(41) * batch_size, -1), 0, 40, 1e9, sample, law,
        record, 3, status, weights, workspace(weights), queue,
    )  # fmt: skip
    assert (row, found) == (first, first < 40)
    known = status >= 3 * VERSION
    assert known[batches[: first + 1]].all()
    assert evaluated == known.sum() <= np.unique(batches[: first + 1]).size + ROWS
    assert certain == (status >= 3 * VERSION + CANDIDATE).sum() == (margins[known] < 0).sum()
    assert np.allclose(record.latest[known], block.values[known], atol=1e-5)


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


def test_observables_are_measured_on_one_thread(monkeypatch):
    torch = pytest.importorskip("torch")
    from trainers.probes import measure

    seen, original = [], measure.measure_probes

    def measured(*arguments):
        seen.append(torch.get_num_threads())
        return original(*arguments)

    monkeypatch.setattr(measure, "measure_probes", measured)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train_pack([(point_of(("kernel_change",)), Seeds.shared(0))])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def point_of(observables):
    return Point.create(
        n_train=16, temperature=0.1, batch_size=1, max_presentations=200, observables=observables
    )


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
