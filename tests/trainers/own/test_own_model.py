"""Any torch module under the thermometer: the reference's own network, known laws, refusals."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import MeasurementTable, locate_critical_temperatures
from analysis.distributions.comparison import compare_laws
from analysis.effective_temperature.slopes import FluctuationRecord, measure_temperatures
from search_spaces import InvalidSettingError, Point, Seeds
from trainers import load_dataset, train, train_pack
from trainers.fluctuations.model_run import ModelDynamics
from trainers.fluctuations.response import measure_windows
from trainers.models.functions import output
from trainers.models.replica import initial_parameters
from trainers.noise.gradient_noise import choose_parameters, sample_gradient_noise
from trainers.own.model import OwnModel
from trainers.own.sgd import Schedule, train_module
from trainers.own.state import ModuleState

WIDTH = 16


class Reference(nn.Module):
    """The perceptron of :mod:`trainers.models.replica` as anybody's module, weights included."""

    def __init__(self, seed):
        super().__init__()
        weights, _ = initial_parameters(64, WIDTH, 3, seed)
        self.layers = nn.ParameterList([torch.tensor(w) for w in weights])

    def forward(self, x):
        return output(list(self.layers), x)


def digits_model(build=Reference, **settings):
    digits = load_dataset("digits")
    return OwnModel(build, digits.inputs, digits.labels, n_test=600, **settings)


def linear(seed):
    return nn.Linear(3, 1)


def three_inputs(n=40):
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((n, 3)))
    return x, torch.where(x[:, 0] > 0, 1, -1)


@pytest.mark.parametrize(
    ("n_train", "temperature", "batch_size", "settings"),
    [
        (48, 0.1, 1, {}),
        (64, 0.03, 8, {"sampling": "with_replacement"}),
        (32, 0.02, 32, {"sampling": "full_batch"}),
        (64, 0.002, 4, {"loss": "logistic"}),
        (16, 0.0002, 2, {"loss": "quadratic_hinge", "max_presentations": 60}),
    ],
)
def test_the_reference_network_takes_the_same_steps(n_train, temperature, batch_size, settings):
    budget = settings.pop("max_presentations", 4000)
    own = digits_model(alpha=100, dtype="float64", **settings)
    chosen = {"n_train": n_train, "temperature": temperature, "batch_size": batch_size}
    found = own.train(**chosen, seed=3, max_presentations=budget).measurement.to_row()
    point = Point.create(
        **chosen, width=WIDTH, dtype="float64", max_presentations=budget, **settings
    )
    expected = train(point, Seeds.shared(3), backend="torch").to_row()
    exact = ("stop_reason", "n_steps", "n_updates", "n_violators_used", "train_error")
    for name in (*exact, "test_error", "n_presentations"):
        assert found[name] == expected[name], name
    for name in ("relative_weight_change", "weight_norm", "margin_min", "margin_q50"):
        assert found[name] == pytest.approx(expected[name], rel=1e-9), name
    assert found.get("training_time_resolution") == expected.get("training_time_resolution")


@pytest.mark.parametrize("look_ahead", [1, 7, 1000])
def test_looking_further_ahead_changes_no_step(look_ahead):
    own = digits_model(alpha=100, dtype="float64")
    train_set, test_set = own._split(48, 1)
    state = ModuleState(own._module(1), own.predictor, train_set, test_set)
    schedule = Schedule(0.1, 0.2, 2, "without_replacement", 1, 4000)
    expected = own.train(n_train=48, temperature=0.1, batch_size=2, seed=1).measurement
    found = train_module(state, schedule, look_ahead)
    assert found.n_steps == expected.n_steps
    assert found.relative_weight_change == pytest.approx(expected.relative_weight_change, rel=1e-9)


def test_a_scan_has_the_critical_temperatures_of_the_study():
    sizes, temperatures, seeds = [32, 64], [0.1, 1.0], 3
    table = digits_model(alpha=100).scan(
        n_train=sizes, temperature=temperatures, batch_size=1, n_seeds=seeds
    )
    rows = []
    for p in sizes:
        for t in temperatures:
            point = Point.create(
                n_train=p, temperature=t, batch_size=1, width=WIDTH, max_presentations=10**6
            )
            tasks = [(point, Seeds.shared(seed)) for seed in range(seeds)]
            rows += [{**point.columns(), **m.to_row()} for m in train_pack(tasks, "torch")]
    assert table["n_updates"].sum() == pytest.approx(sum(r["n_updates"] for r in rows), rel=0.05)
    found, expected = (
        locate_critical_temperatures(MeasurementTable.from_frame(frame), threshold=0.1)
        for frame in (table, table.assign(**{c: [r[c] for r in rows] for c in CHANGES}))
    )
    for a, b in zip(found.points, expected.points, strict=True):
        assert a.value == pytest.approx(b.value, rel=0.02)


CHANGES = ("relative_weight_change", "training_time", "stop_reason")


def test_a_training_depends_on_its_seed_alone():
    own = digits_model(lambda seed: nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 1)))
    before = torch.get_rng_state()
    first = own.train(n_train=32, temperature=0.01, batch_size=1, seed=5).to_row()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert own.train(n_train=32, learning_rate=0.01, batch_size=1, seed=5).to_row() == first
    other = own.train(n_train=32, temperature=0.01, batch_size=1, seed=6).to_row()
    assert other["relative_weight_change"] != first["relative_weight_change"]
    assert first["margin_min"] >= 1
    assert "alpha" not in first


def test_classes_are_fitted_with_a_margin_and_cross_entropy_is_tested_now_and_then():
    digits = load_dataset("digits")
    rng = np.random.default_rng(0)
    teacher = rng.standard_normal((64, 3))
    y = (digits.inputs @ teacher).argmax(axis=1)

    def build(seed):
        return nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 3))

    own = OwnModel(build, digits.inputs, y)
    row = own.train(n_train=64, temperature=0.01, batch_size=2).to_row()
    assert row["stop_reason"] == "fitted"
    assert row["margin_min"] >= 1
    assert row["test_error"] < 0.5
    entropy = nn.CrossEntropyLoss(reduction="none")
    own = OwnModel(build, digits.inputs, y, loss=entropy)
    row = own.train(n_train=64, temperature=0.01, batch_size=8).to_row()
    assert (row["loss"], row["training_time_resolution"]) == ("CrossEntropyLoss", 8)
    assert row["margin_min"] >= 1


def test_frozen_parameters_stay_and_do_not_count():
    def build(seed):
        module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        module[0].requires_grad_(False)
        return module

    own = OwnModel(build, *three_inputs())
    training = own.train(n_train=8, temperature=0.01, batch_size=1, max_presentations=100)
    assert [name for name, _ in training.module.named_parameters()] == ["2.weight", "2.bias"]
    assert training.measurement.layer_weight_change == pytest.approx(
        (training.measurement.relative_weight_change,)
    )


def test_the_kernel_diagonal_is_that_of_the_formula():
    """K = |x|^2 + 1 for a linear module with a bias; the window follows from it."""
    x, y = three_inputs()
    own = OwnModel(linear, x, y, alpha=10)
    assert own.kernel_diagonal == pytest.approx(float(x.square().sum(1).mean()) + 1, rel=1e-5)
    window = own.temperatures(batch_size=2)
    assert window[0] == pytest.approx(0.1 / (10 * own.kernel_diagonal), rel=0.4)
    assert window[-1] == pytest.approx(7 / (2 * own.kernel_diagonal), rel=0.4)


def test_a_quadratic_model_in_a_langevin_bath_has_its_temperature():
    """T_sec = T_short = 1e-3 in a quadratic well, exact at any step size after averaging."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((60, 100)))
    y = torch.where(torch.from_numpy(rng.standard_normal(60)) > 0, 1.0, -1.0)

    def squares(outputs, targets):
        return 0.5 * (outputs[:, 0] - targets) ** 2

    own = OwnModel(lambda seed: nn.Linear(100, 1, bias=False), x, y, loss=squares, n_test=10)
    bath = ModelDynamics(learning_rate=0.2, ridge=0.3, langevin_temperature=1e-3, objective="mean")
    records = []
    for seed in range(3):
        run = own.dynamics(bath, n_train=50, seed=seed)
        run.advance(100)
        records.append(measure_windows(run, 60, 4, 1e-2))
    found = measure_temperatures(
        FluctuationRecord.from_windows(
            displacement=np.array([r.displacement for r in records]),
            response=np.array([r.response for r in records]),
            loss=np.array([r.observables["loss"] for r in records]),
            norm=np.array([r.observables["norm"] for r in records]),
        )
    )
    assert found.slopes["secant"] == pytest.approx(1e-3, rel=0.08)
    assert found.slopes["short"] == pytest.approx(1e-3, rel=0.08)


def test_twins_predict_with_the_frozen_copy():
    own = digits_model(alpha=100, dtype="float64")
    run = own.dynamics(ModelDynamics(learning_rate=0.01, objective="mean"), 32, seed=2)
    assert run.weights.shape[1] == 64 * WIDTH + 2 * WIDTH**2 + WIDTH
    # F = 0 at initialization: the hinge is 1, divided by alpha.
    assert run.observe()["loss"] == pytest.approx(0.01)


def test_the_noise_of_gaussian_data_is_gaussian_and_that_of_heavy_data_is_not():
    """Squared loss at w = 0 and y = 1: the gradient of sample i is x_i, whatever its law."""
    rng = np.random.default_rng(0)
    heavy = rng.standard_t(2, (3000, 6))
    for x, share in ((rng.standard_normal((3000, 6)), 0.0), (heavy, 1.0)):

        def build(seed):
            module = nn.Linear(6, 1, bias=False)
            nn.init.constant_(module.weight, 1e-12)
            return module

        def squares(outputs, targets):
            return 0.5 * (outputs[:, 0] - targets) ** 2

        own = OwnModel(build, x, np.ones(3000), loss=squares, n_test=1, dtype="float64")
        losses = own.losses(n_train=2900)
        chosen = choose_parameters(losses.parameters, 6, seed=0)
        noise = sample_gradient_noise(losses, chosen, 4, 1500, seed=1)
        assert compare_laws(noise.samples).heavy.mean() == share


def test_noise_is_measured_where_a_training_stopped():
    own = digits_model(alpha=100)
    training = own.train(n_train=32, temperature=0.1, batch_size=1, seed=4)
    losses = own.losses(32, seed=4, module=training.module)
    values = losses.evaluate(losses.parameters, torch.arange(32))
    assert float(values.detach().sum()) == 0.0  # a fitted hinge has vanished
    start = own.losses(32, seed=4)
    assert start.evaluate(start.parameters, torch.arange(32)).tolist() == pytest.approx(
        [0.01] * 32
    )


class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 1)

    def forward(self, x):
        return self.line(x - x.mean(dim=0))


class Noisy(Mixing):
    def forward(self, x):
        return self.line(x) + torch.randn(len(x), 1, dtype=x.dtype)


class Counting(Mixing):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.line(x)


class Infinite(Mixing):
    def forward(self, x):
        return self.line(x) / 0


def zeros(seed):
    module = nn.Linear(3, 1)
    for w in module.parameters():
        nn.init.zeros_(w)
    return module


_outside = np.random.default_rng(0)
_ONE = nn.Linear(3, 1)


def from_numpy(seed):
    module = nn.Linear(3, 1)
    module.weight.data[:] = torch.tensor(_outside.standard_normal(3))
    return module


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (nn.Linear(3, 1), "build=Linear must be a function that takes a seed"),
        (lambda seed: 3, r"build\(0\) returned int; it must return a torch\.nn\.Module"),
        (lambda: nn.Linear(3, 1), "build must take one argument, the seed: too many positional"),
        (lambda seed: _ONE, r"build\(0\) returned the same module twice"),
        (lambda seed: nn.Linear(4, 1), r"fails on the first 8 samples of x, of shape \(8, 3\)"),
        (zeros, "no weights that differ from zero at initialization"),
        (from_numpy, "different weights the second time; draw them from torch's generator"),
        (lambda seed: Mixing(), "depends on the other samples of its batch"),
        (lambda seed: Noisy(), "different outputs for the same input in evaluation mode"),
        (lambda seed: Counting(), "changes its buffers when it is evaluated"),
        (lambda seed: Infinite(), "outputs at initialization are not finite"),
        (
            lambda seed: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1)),
            "BatchNorm1d '1' has collected no statistics",
        ),
        (
            lambda seed: nn.Sequential(nn.Linear(3, 4), nn.Unflatten(1, (2, 2))),
            r"output for 8 samples is \(8, 2, 2\); it must have shape",
        ),
    ],
)
def test_modules_without_a_temperature_are_refused(build, message):
    with pytest.raises(InvalidSettingError, match=message):
        OwnModel(build, *three_inputs())


def test_dropout_is_off():
    own = OwnModel(lambda seed: nn.Sequential(nn.Dropout(), nn.Linear(3, 1)), *three_inputs())
    twice = [own.train(n_train=8, temperature=0.1, batch_size=1).to_row() for _ in range(2)]
    assert twice[0] == twice[1]
    assert twice[0]["margin_min"] >= 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": "digits"}, "x=str is no array of numbers"),
        ({"x": torch.ones(1, 3)}, "holds no two samples"),
        ({"x": torch.full((40, 3), torch.nan)}, "x holds values that are not finite"),
        ({"y": torch.ones(39)}, r"y of shape \(39,\) does not give one label to each of the 40"),
        ({"y": torch.arange(40)}, "y has values from 0 to 39; a module with one output learns"),
        ({"loss": "hinges"}, "loss='hinges' is unknown; allowed: hinge"),
        ({"loss": lambda f, y: f.sum()}, r"loss returned \(\) for 2 samples"),
        ({"alpha": -1.0}, "alpha=-1.0 must be a positive finite number"),
        ({"n_test": 40}, "n_test=40 leaves none of the 40 samples for training"),
        ({"dtype": "half"}, "dtype='half' is unknown"),
        ({"sampling": "all"}, "sampling='all' is unknown"),
    ],
)
def test_data_and_settings_are_checked(changed, message):
    x, y = three_inputs()
    settings = {"x": x, "y": y, **changed}
    with pytest.raises(InvalidSettingError, match=message):
        OwnModel(linear, settings.pop("x"), settings.pop("y"), **settings)


def test_classes_beyond_the_outputs_are_refused():
    x, _ = three_inputs()
    with pytest.raises(InvalidSettingError, match="y has the value 2; a module with 2 outputs"):
        OwnModel(lambda seed: nn.Linear(3, 2), x, torch.arange(40) % 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_train": 31}, r"n_train=31 \+ n_test=10 exceed the 40 samples"),
        ({"batch_size": 9}, "batch_size=9 exceeds n_train=8"),
        ({"temperature": None}, "give two of temperature, learning_rate and batch_size"),
        ({"seed": -1}, "seed=-1 must be a whole number"),
        ({"max_presentations": 0}, "max_presentations=0 must be a whole number of at least 1"),
    ],
)
def test_trainings_are_checked(settings, message):
    own = OwnModel(linear, *three_inputs())
    with pytest.raises(InvalidSettingError, match=message):
        own.train(**{"n_train": 8, "temperature": 0.1, "batch_size": 1, **settings})


def test_a_scan_is_checked_before_anything_is_trained():
    own = OwnModel(linear, *three_inputs(), alpha=0.1)
    with pytest.raises(
        InvalidSettingError, match=r"alpha=0\.1 is below 1, where no window is known"
    ):
        own.scan(n_train=8)
    full = OwnModel(linear, *three_inputs(), sampling="full_batch")
    with pytest.raises(InvalidSettingError, match="sampling=full_batch takes all P=8"):
        full.scan(n_train=[4, 8], temperature=0.1, batch_size=4)


def test_budget_and_divergence_are_results():
    own = OwnModel(linear, *three_inputs(), dtype="float64")
    short = own.train(n_train=30, temperature=1e-4, batch_size=1, max_presentations=20)
    assert short.to_row()["stop_reason"] == "step_budget"
    own = digits_model(lambda seed: nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 1)))
    wild = own.train(n_train=64, temperature=30.0, batch_size=1)
    assert wild.to_row()["stop_reason"] == "diverged"
