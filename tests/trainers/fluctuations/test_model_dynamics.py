"""Torch models: the perceptron's own simulator as a linear model, and a Langevin bath."""

import numpy as np
import pytest
import torch

from analysis.effective_temperature.slopes import FluctuationRecord, measure_temperatures
from search_spaces import InvalidSettingError, Seeds
from search_spaces.perceptron_dynamics import PerceptronDynamics
from trainers.fluctuations.model_run import (
    ModelDynamics,
    ModelRun,
    boundary_distances,
    function_distance,
)
from trainers.fluctuations.response import measure_response, measure_windows
from trainers.fluctuations.simulation import draw_samples, draw_weights

SEEDS = Seeds.shared(3)


def hinge(margins, _):
    return 0.5 * torch.relu(1.0 - margins[:, 0]) ** 2


@pytest.mark.parametrize("settings", [{"persistence_time": 0.3}, {"langevin_temperature": 0.2}])
def test_a_linear_model_is_the_perceptron(settings):
    d = PerceptronDynamics(n_weights=40, load=2.0, active_fraction=0.4, ridge=0.1, **settings)
    expected = measure_response(d, SEEDS, burn_in=10, length=12, n_windows=2)
    # In double precision; float32 would round the start.
    model = torch.nn.Linear(40, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(draw_weights(d, 3))[None])
    x = torch.from_numpy(draw_samples(d, 3).astype(float) / np.sqrt(40))
    dynamics = ModelDynamics(
        learning_rate=d.learning_rate, active_fraction=0.4, ridge=0.1, **settings
    )
    run = ModelRun(model, hinge, x, torch.zeros(len(x)), dynamics, SEEDS)
    run.advance(10)
    found = measure_windows(run, 12, 2, 0.1)
    assert found.displacement == pytest.approx(expected.displacement, abs=1e-9)
    assert found.response == pytest.approx(expected.response, abs=1e-9)
    assert found.observables["loss"] == pytest.approx(expected.observables["loss"], rel=1e-5)


def regression():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((1000, 20)))
    y = torch.sin(x[:, 0]) + 0.5 * torch.from_numpy(rng.standard_normal(1000))
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(20, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    return model.double(), x, y


def squares(outputs, targets):
    return 0.5 * (outputs[:, 0] - targets) ** 2


@pytest.mark.verify
def test_a_network_in_a_langevin_bath_has_its_temperature():
    """T_sec within 5 % of 1e-3, in units of the mean loss."""
    model, x, y = regression()
    dynamics = ModelDynamics(
        learning_rate=0.1, ridge=0.05, langevin_temperature=1e-3, objective="mean"
    )
    records = []
    for seed in range(4):
        run = ModelRun(model, squares, x, y, dynamics, Seeds.shared(seed))
        run.advance(2500)
        records.append(measure_windows(run, 800, 6, 1e-2))
    record = FluctuationRecord.from_windows(
        displacement=np.array([r.displacement for r in records]),
        response=np.array([r.response for r in records]),
        loss=np.array([r.observables["loss"] for r in records]),
        norm=np.array([r.observables["norm"] for r in records]),
    )
    found = measure_temperatures(record)
    assert found.slopes["secant"] == pytest.approx(1e-3, rel=0.05)
    assert found.slopes["short"] == pytest.approx(1e-3, rel=0.05)


def test_units_and_limits_are_checked():
    with pytest.raises(InvalidSettingError, match=r"objective=.total."):
        ModelDynamics(learning_rate=0.1, objective="total")
    with pytest.raises(InvalidSettingError, match=r"at least 0\.1"):
        ModelDynamics(learning_rate=0.1, active_fraction=0.5, persistence_time=0.05)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rate": float("nan")}, "learning_rate=nan must be a positive"),
        ({"learning_rate": 0.1, "ridge": -1.0}, "ridge=-1.0: must be zero or positive"),
        ({"learning_rate": 0.1, "langevin_temperature": float("inf")}, "langevin_temperature=inf"),
        ({"learning_rate": 0.1, "active_fraction": 0.0}, "must be above 0 and at most 1"),
    ],
)
def test_bad_dynamics_are_refused_in_one_sentence(settings, words):
    with pytest.raises(InvalidSettingError, match=words):
        ModelDynamics(**settings)


def test_models_and_losses_that_have_no_temperature_are_refused():
    model, x, y = regression()
    dynamics = ModelDynamics(learning_rate=0.1, objective="mean")

    def start(model=model, loss=squares, y=y, dynamics=dynamics):
        return ModelRun(model, loss, x, y, dynamics, SEEDS)

    with pytest.raises(InvalidSettingError, match="x has 1000 samples and y has 7"):
        start(y=y[:7])
    with pytest.raises(InvalidSettingError, match="one number per sample"):
        start(loss=lambda f, y: squares(f, y).mean())
    for layer in (torch.nn.Dropout(), torch.nn.BatchNorm1d(8).eval()):
        with pytest.raises(InvalidSettingError, match=f"{type(layer).__name__}.* must be off"):
            start(model=torch.nn.Sequential(model[0], layer, model[2]))
    start(model=torch.nn.Sequential(model, torch.nn.Dropout().eval()))
    fast = ModelDynamics(learning_rate=1e6, objective="mean")
    with pytest.raises(InvalidSettingError, match="run away at step"), np.errstate(all="ignore"):
        start(dynamics=fast).advance(500)
    with pytest.raises(InvalidSettingError, match="field_strength=0"):
        measure_windows(start(), 10, 1, 0)
    with pytest.raises(InvalidSettingError, match="n_windows=0"):
        measure_windows(start(), 10, 0, 0.1)


def test_permuted_neurons_are_the_same_function():
    first, x, _ = regression()
    second, _, _ = regression()
    order = torch.tensor([3, 1, 0, 2, 7, 6, 5, 4])
    with torch.no_grad():
        second[0].weight.copy_(first[0].weight[order])
        second[0].bias.copy_(first[0].bias[order])
        second[2].weight.copy_(first[2].weight[:, order])
    assert function_distance(first, second, x) == pytest.approx(0, abs=1e-20)
    with torch.no_grad():
        second[2].bias += 0.5
    assert function_distance(first, second, x) == pytest.approx(0.25)


def test_distances_to_a_curved_boundary_are_first_order():
    """f = |x|^2 - 1: at radius r the distance is (r^2 - 1) / (2 r)."""

    class Circle(torch.nn.Module):
        def forward(self, x):
            return x.square().sum(dim=1) - 1

    x = torch.tensor([[1.1, 0.0], [0.0, -1.2]], dtype=torch.float64)
    found = boundary_distances(Circle(), x, torch.tensor([1.0, -1.0]))
    assert found == pytest.approx([0.21 / 2.2, -0.44 / 2.4])
