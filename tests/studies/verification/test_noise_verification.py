"""The noise laws at full size against independently measured values: docs/verification."""

import time

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from analysis.distributions.comparison import compare_laws
from analysis.distributions.levy_escape import levy_escape
from analysis.distributions.power_law_escape import (
    kesten_exponent,
    log_well_escape,
    power_law_kappa,
)
from analysis.distributions.stable import draw_stable, fit_stable
from analysis.distributions.stable_table import stable_table
from analysis.distributions.student import fit_student
from trainers.diffusion.models import PowerLawDynamics, simulate_levy, simulate_regression
from trainers.noise.matched_noise import noisy_batch_weights

pytestmark = pytest.mark.verify


@pytest.fixture
def record(pages):
    def add(quantity, reference, measured):
        pages.add("noise_laws", quantity=quantity, reference=reference, measured=measured)

    return add


# Tail index: (bias, sd) of the regression at n = 2000.
REGRESSION = {1.2: (-0.001, 0.038), 1.5: (0.002, 0.036), 1.8: (0.004, 0.033), 2.0: (-0.003, 0.004)}


@pytest.mark.parametrize("tail_index", REGRESSION)
def test_regression_has_the_known_bias_and_error(record, tail_index):
    rng = np.random.default_rng(1)
    index = fit_stable(draw_stable(tail_index, (2000, 600), rng)).tail_index
    bias, sd = REGRESSION[tail_index]
    record(
        f"tail index {tail_index:g}, n = 2000: bias / sd of the regression",
        f"{bias:+.3f} / {sd:.3f}",
        f"{index.mean() - tail_index:+.3f} / {index.std():.3f}",
    )
    assert abs(index.mean() - tail_index - bias) < 4 * sd * np.sqrt(1 / 600 + 1 / 300)
    assert index.std() == pytest.approx(sd, rel=0.25)


HEAVY = {"gaussian": 0.0, "t10": 0.900, "t3": 1.0, "laplace": 1.0, "stable 1.95": 0.950}
HEAVY |= {"stable 1.8": 1.0, "uniform": 0.0}


@pytest.mark.parametrize("name", HEAVY)
def test_decision_has_the_known_rates(record, name):
    rng, shape = np.random.default_rng(2), (2000, 1000)
    draws = {
        "gaussian": lambda: rng.standard_normal(shape),
        "t10": lambda: rng.standard_t(10, shape),
        "t3": lambda: rng.standard_t(3, shape),
        "laplace": lambda: rng.laplace(size=shape),
        "stable 1.95": lambda: draw_stable(1.95, shape, rng),
        "stable 1.8": lambda: draw_stable(1.8, shape, rng),
        "uniform": lambda: rng.uniform(size=shape),
    }
    share = compare_laws(draws[name]()).heavy.mean()
    record(f"{name}, n = 2000: called heavy (1000 sets)", f"{HEAVY[name]:.3f}", f"{share:.3f}")
    assert share == pytest.approx(HEAVY[name], abs=0.04)


def test_ten_thousand_parameters_are_estimated_in_time_and_memory(record):
    # In a process of its own, so that the peak memory is that of the estimate.
    import multiprocessing

    stable_table()
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        fit, compare, peak = pool.apply(_estimate_many)
    record("10 000 parameters, n = 2000: core seconds to estimate", "< 60", f"{fit:.1f}")
    record("the same, with all comparisons and the Student fit", "-", f"{compare:.1f}")
    record("the same: peak memory (GB)", "< 1", f"{peak:.2f}")
    assert fit < 60
    assert peak < 1


def _estimate_many():
    import resource

    samples = np.random.default_rng(0).standard_normal((2000, 10_000), dtype=np.float32)
    start = time.process_time()
    fit_stable(samples)
    middle = time.process_time()
    compare_laws(samples)
    end = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return middle - start, end - middle, peak


# (tail index, noise scale): simulated mean exit time and its error.
EXITS = {
    (1.2, 0.0351): (96.9, 2.2), (1.5, 0.2504): (16.0, 0.3), (1.5, 0.0856): (96.1, 2.2),
    (1.5, 0.0340): (399.5, 12.6), (1.8, 0.486): (5.5, 0.1), (1.8, 0.1988): (83.0, 1.9),
    (1.95, 0.4429): (8.6, 0.2), (1.95, 0.2176): (293.0, 9.1),
}  # fmt: skip


@pytest.mark.parametrize(("tail_index", "scale"), EXITS)
def test_levy_exit_times_agree_with_an_independent_simulation(record, tail_index, scale):
    reference, error = EXITS[tail_index, scale]
    exits = simulate_levy(tail_index, scale, 1.0, max_time=20_000.0, n_paths=2000, seed=3)
    own = exits.time.std() / np.sqrt(2000)
    law = levy_escape(tail_index, scale, 1.0)
    record(
        f"exit time, index {tail_index:g}, width {law.relative_width[0]:.1f} stationary scales "
        f"(law {law.mean_time:.0f})",
        f"{reference} ± {error}",
        f"{exits.mean_time:.1f} ± {own:.1f}",
    )
    assert abs(exits.mean_time - reference) < 4 * np.hypot(own, error)


WELLS = {(0.1, 0.0): 1.464, (0.2, 0.0): 3.283, (0.4, 5.0): 3.413, (1.6, 15.0): 3.875}


@pytest.mark.parametrize(("barrier", "sigma_h"), WELLS)
def test_diffusion_exit_times(record, barrier, sigma_h):
    width = np.sqrt(2 * barrier)
    exits = PowerLawDynamics(1.0, 0.1, 1.0, sigma_h).exit_times(
        width, dt=0.002, max_time=4000.0, n_paths=2000, seed=4
    )
    exact = log_well_escape(width, 1.0, 0.1, 1.0, sigma_h)
    value = np.log(exits.mean_time)
    record(
        f"ln exit time, barrier {barrier:g}, sigma_H = {sigma_h:g} (quadrature {exact:.3f})",
        f"{WELLS[barrier, sigma_h]:.3f} ± 0.02",
        f"{value:.3f} ± {1 / np.sqrt(2000):.3f}",
    )
    assert abs(value - exact) < 4 / np.sqrt(2000)


@pytest.mark.parametrize(
    ("curvature", "learning_rate", "published"),
    [(0.1, 0.2, 1.492), (0.1, 0.1, 1.990), (0.1, 0.05, 3.007), (0.2, 0.1, 2.993)],
)
def test_sgd_with_random_curvature(record, curvature, learning_rate, published):
    samples = PowerLawDynamics(curvature, learning_rate, 1.0, 1.0).samples(
        1000, 200, burn_time=10 / curvature, interval=3 / curvature, dt=learning_rate, seed=5
    )
    kappa = fit_student(samples.ravel()).kappa[0]
    theory = power_law_kappa(curvature, learning_rate, 1.0)
    record(
        f"kappa of SGD, A ~ N({curvature:g}, 1), eta = {learning_rate:g} (Ito {theory:.3f})",
        f"{published:.3f}",
        f"{kappa:.3f}",
    )
    assert kappa == pytest.approx(theory, rel=0.02)


def test_linear_regression_departs_from_the_diffusion(record):
    samples = simulate_regression(0.3, n_paths=2000, n_kept=3000, n_burn=100, seed=6)[:, ::10]
    kappa = fit_student(samples.ravel()).kappa[0]
    rng = np.random.default_rng(7)
    nu = kesten_exponent(rng.standard_normal(4_000_000) ** 2, 0.3).value
    record("linear regression, eta = 0.3: kappa (diffusion 2.667)", "5.01", f"{kappa:.2f}")
    record("linear regression, eta = 0.3: Kesten nu (diffusion 4.33)", "5.33", f"{nu:.2f}")
    assert kappa == pytest.approx(5.01, rel=0.1)
    assert nu == pytest.approx(5.33, rel=0.03)


# Ten digits, 64-32-10, 20 % label noise, 500 points, rate 0.3, 1500 steps, 24 paired seeds.
ERRORS = {"large": (19.13, 0.49), "small": (15.67, 0.31), "gaussian": (15.51, 0.36)}


def test_matched_noise_reproduces_the_small_batch_in_a_plain_torch_loop(record):
    seeds = range(24)
    found = {arm: np.array([_ten_digits(arm, seed) for seed in seeds]) for arm in ERRORS}
    for arm, (reference, error) in ERRORS.items():
        mean, own = found[arm].mean(), found[arm].std(ddof=1) / np.sqrt(24)
        record(
            f"test error (%), {arm} batch, label noise, 24 seeds",
            f"{reference:.2f} ± {error:.2f}",
            f"{mean:.2f} ± {own:.2f}",
        )
    gain = found["gaussian"] - found["large"]
    rest = found["gaussian"] - found["small"]
    for name, difference, reference in (
        ("large", gain, "-3.62 ± 0.35"),
        ("small", rest, "-0.16 ± 0.26"),
    ):
        own = difference.std(ddof=1) / np.sqrt(24)
        text = f"{difference.mean():+.2f} ± {own:.2f}"
        record(f"matched noise minus {name} batch, paired (points)", reference, text)
    assert gain.mean() < -3 * gain.std(ddof=1) / np.sqrt(24)
    assert abs(rest.mean()) < 3.5 * rest.std(ddof=1) / np.sqrt(24)


def _ten_digits(arm, seed):
    torch.set_num_threads(1)
    images, digits = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits))
    x, y = torch.tensor(images[order] / 16, dtype=torch.float32), torch.tensor(digits[order])
    wrong = torch.from_numpy(rng.permutation(500)[:100])
    y[wrong] = torch.from_numpy(rng.integers(0, 10, 100))
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    loss = torch.nn.CrossEntropyLoss(reduction="none")
    parameters = list(model.parameters())
    size, errors = 8 if arm == "small" else 256, []
    for step in range(1500):
        batch = torch.from_numpy(rng.permutation(500)[:size])
        weights = np.full(size, 1 / size)
        if arm == "gaussian":
            weights = noisy_batch_weights(256, 8, rng)
        losses = loss(model(x[batch]), y[batch])
        objective = (torch.from_numpy(weights).float() * losses).sum()
        gradients = torch.autograd.grad(objective, parameters)
        with torch.no_grad():
            for w, gradient in zip(parameters, gradients, strict=True):
                w -= 0.3 * gradient
        if step >= 1200 and step % 10 == 0:
            with torch.no_grad():
                wrong_now = model(x[500:1200]).argmax(1) != y[500:1200]
            errors.append(float(wrong_now.float().mean()))
    return 100 * np.mean(errors)
