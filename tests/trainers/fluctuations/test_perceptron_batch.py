"""Many seeds at once on a torch device against the compiled simulator, one seed at a time."""

import pytest
import torch

from search_spaces import InvalidSettingError, Seeds
from search_spaces.perceptron_dynamics import PerceptronDynamics
from trainers.fluctuations.batch import measure_response_batch, simulate_batch
from trainers.fluctuations.response import measure_response
from trainers.fluctuations.simulation import replica_seeds, simulate

SMALL = {"n_weights": 50, "load": 2.0, "active_fraction": 0.4, "ridge": 0.1}
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "logistic"},
        {"persistence_time": 0.3, "task": "teacher"},
        {"loss": "square", "langevin_temperature": 0.1},
        {"active_fraction": 1.0},
    ],
)
def test_a_batch_equals_single_runs(settings, device):
    d = PerceptronDynamics(**{**SMALL, **settings})
    groups = [replica_seeds(seed, 2) for seed in (3, 4, 5)]
    together = simulate_batch(d, groups, [0, 7, 20], device)
    for found, seeds in zip(together, groups, strict=True):
        alone = simulate(d, seeds, [0, 7, 20])
        assert found.weights == pytest.approx(alone.weights, abs=1e-9)
        assert found.margins == pytest.approx(alone.margins, abs=1e-5)
        for name, values in alone.observables.items():
            assert found.observables[name] == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_responses_of_a_batch_equal_single_ones(device):
    d = PerceptronDynamics(**SMALL)
    options = {"burn_in": 10, "length": 12, "n_windows": 2}
    seeds = [Seeds.shared(seed) for seed in (1, 2)]
    for found, seed in zip(
        measure_response_batch(d, seeds, **options, device=device), seeds, strict=True
    ):
        alone = measure_response(d, seed, **options)
        assert found.displacement == pytest.approx(alone.displacement, abs=1e-9)
        assert found.response == pytest.approx(alone.response, abs=1e-9)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named():
    with pytest.raises(InvalidSettingError, match="needs a GPU"):
        simulate_batch(PerceptronDynamics(**SMALL), [replica_seeds(0, 1)], [1], "cuda")
