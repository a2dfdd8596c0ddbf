"""Published behaviour of this network on digits: kernel, weight change, training time, error.

Reference values: 64 replicas per point, alpha = 100, B = 1, three hidden layers of width 64,
measured with independent simulators (relative standard errors below 3 %).
"""

import math

import numpy as np
import pytest

from search_spaces import Point, Seeds, presentation_budget
from trainers import train_pack
from trainers.data import load_dataset
from trainers.models.replica import initial_weights

# (T, P): relative weight change, test error, presentations, updates
REFERENCE = {
    (0.01, 64): (0.001205, 0.1404, 361, 52),
    (0.01, 256): (0.002113, 0.0666, 2270, 152),
    (0.1, 64): (0.008646, 0.1518, 331, 34),
    (0.1, 256): (0.01459, 0.0749, 1930, 98),
    (1.0, 64): (0.08289, 0.1463, 328, 33),
    (1.0, 256): (0.1300, 0.0649, 2070, 89),
}
SLOW_REFERENCE = {
    (10**-3.5, 64): (0.0004344, 0.1230, 2360, 655),
    (10**-3.5, 1024): (0.001297, 0.0274, 75100, 5284),
    (0.001, 256): (0.000868, 0.0606, 5930, 683),
    (0.001, 1024): (0.001457, 0.0268, 30600, 1849),
    (10**-2.5, 128): (0.0008913, 0.0890, 1300, 168),
    (10**-2.5, 512): (0.001505, 0.0411, 6910, 461),
    (0.01, 1024): (0.00347, 0.0303, 13000, 405),
    (10**-1.5, 128): (0.00396, 0.1000, 813, 67),
    (10**-1.5, 1024): (0.008325, 0.0328, 11500, 294),
    (0.1, 128): (0.01127, 0.1050, 766, 59),
    (0.1, 512): (0.01864, 0.0503, 4850, 160),
    (0.1, 1024): (0.02365, 0.0322, 11100, 256),
    (10**-0.5, 256): (0.04433, 0.0711, 1900, 93),
    (10**-0.5, 1024): (0.06919, 0.0312, 10900, 227),
    (10**-0.25, 512): (0.09365, 0.0444, 4460, 139),
    (1.0, 512): (0.1546, 0.0431, 4500, 138),
    (1.0, 1024): (0.1901, 0.0253, 11000, 217),
    (10**0.25, 64): (0.1463, 0.1425, 330, 34),
    (10**0.25, 1024): (0.3351, 0.0227, 13000, 262),
}
N_SEEDS = 32


def pack(n_train, temperature, batch_size=1, n_seeds=N_SEEDS):
    point = Point.create(
        n_train=n_train,
        temperature=temperature,
        batch_size=batch_size,
        max_presentations=presentation_budget(n_train, temperature, batch_size, 100.0, 3),
    )
    return train_pack([(point, Seeds.shared(seed)) for seed in range(n_seeds)])


def assert_compatible(values, reference, n_reference=64):
    """The means agree within three combined standard errors and 2 %."""
    values = np.asarray(values)
    spread = values.std(ddof=1)
    error = spread * math.sqrt(1 / len(values) + 1 / n_reference)
    scale = 1.0 if abs(reference) < 1e-12 else abs(reference)
    assert abs(values.mean() - reference) < 3 * error + 0.02 * scale


@pytest.mark.parametrize(("temperature", "n_train"), REFERENCE)
def test_reference_table(temperature, n_train):
    assert_reproduced(pack(n_train, temperature), REFERENCE[temperature, n_train])


@pytest.mark.verify
@pytest.mark.parametrize(("temperature", "n_train"), REFERENCE | SLOW_REFERENCE)
def test_whole_reference_table(temperature, n_train, pages):
    reference = (REFERENCE | SLOW_REFERENCE)[temperature, n_train]
    results = pack(n_train, temperature, n_seeds=64)
    pages.add("trainers", P=n_train, T=f"{temperature:.3g}", **page_columns(results, reference))
    assert_reproduced(results, reference)


def page_columns(results, reference, n_reference=64):
    """Return measured value, published value and pull of every quantity."""
    names = ("relative_weight_change", "test_error", "n_presentations", "n_updates")
    titles = ("weight change", "test error", "presentations", "updates")
    columns = {}
    for name, title, published in zip(names, titles, reference, strict=True):
        values = np.array([getattr(m, name) for m in results], dtype=float)
        if name == "test_error":
            mean, measured, expected = values.mean(), values.mean(), published
        else:
            values = np.log(values)
            mean, measured, expected = values.mean(), math.exp(values.mean()), math.log(published)
        error = values.std(ddof=1) * math.sqrt(1 / len(values) + 1 / n_reference)
        columns[title] = f"{measured:.4g}"
        columns[f"{title}, published"] = f"{published:.4g}"
        columns[f"{title}, pull"] = f"{(mean - expected) / error:+.1f}"
    return columns


def assert_reproduced(results, reference):
    change, test_error, presentations, updates = reference
    assert {m.stop_reason.value for m in results} == {"fitted"}
    # Weight change and times are multiplicative: their logarithms are averaged.
    for values, reference in (
        ([m.relative_weight_change for m in results], change),
        ([m.n_presentations for m in results], presentations),
        ([m.n_updates for m in results], updates),
    ):
        assert_compatible(np.log(np.array(values) / reference) + 1, 1.0)
    assert_compatible([m.test_error for m in results], test_error)


def test_only_the_temperature_matters_at_small_batches():
    """eta/B = T fixes weight change and presentations; eta and B apart do not."""
    one, four = pack(128, 0.1, batch_size=1), pack(128, 0.1, batch_size=4)
    for name in ("relative_weight_change", "n_presentations"):
        a, b = (np.log([getattr(m, name) for m in results]) for results in (one, four))
        error = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / N_SEEDS)
        assert abs(a.mean() - b.mean()) < 3 * error + 0.04
    assert np.mean([m.training_time / m.n_presentations for m in four]) == pytest.approx(0.1)


def test_tangent_kernel_and_norm_at_initialization():
    """K = |grad f|^2 = 4.04 on average (L + 1 for infinite width), ||w0|| = 111.6."""
    torch = pytest.importorskip("torch")
    from trainers.models.functions import output

    inputs = torch.tensor(load_dataset("digits").inputs[:1024:64])
    kernels, norms = [], []
    for seed in range(48):
        arrays = initial_weights(64, 64, 3, seed)
        norms.append(math.sqrt(sum(float(np.vdot(w, w)) for w in arrays)))
        weights = [torch.tensor(w, requires_grad=True) for w in arrays]
        diagonal = []
        for x in inputs:
            gradients = torch.autograd.grad(output(weights, x[None])[0], weights)
            diagonal.append(sum(float(g.square().sum()) for g in gradients))
        kernels.append(np.mean(diagonal))
    error = np.std(kernels, ddof=1) / math.sqrt(len(kernels))
    assert error < 0.15
    assert abs(np.mean(kernels) - 4.04) < 3 * error
    assert np.mean(norms) == pytest.approx(111.6, rel=0.003)


def test_first_step_raises_the_predictor_by_alpha_eta_kernel():
    """One point in the lazy regime: y F = alpha eta K after the single step that fits it."""
    margins = []
    for seed in range(32):
        point = Point.create(
            n_train=1, temperature=0.01, batch_size=1, alpha=100.0, dtype="float64",
            max_presentations=10,
        )  # fmt: skip
        (result,) = train_pack([(point, Seeds.shared(seed))])
        assert result.n_updates == 1
        margins.append(result.margin_min)
    error = np.std(margins, ddof=1) / math.sqrt(len(margins))
    assert abs(np.mean(margins) - 100 * 0.01 * 4.04) < 3 * error
