"""Effective temperature of SGD in a torch model of your own: displacement against response."""

import numpy as np
import torch

from analysis.effective_temperature.slopes import FluctuationRecord, measure_temperatures
from search_spaces import Seeds
from trainers import ModelDynamics, ModelRun, measure_windows

torch.manual_seed(0)
x = torch.randn(400, 10)
y = torch.sin(x[:, 0]) + 0.5 * torch.randn(400)
model = torch.nn.Sequential(torch.nn.Linear(10, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))


def squares(outputs, targets):
    return 0.5 * (outputs[:, 0] - targets) ** 2


for name, noise in {
    "SGD, b = 0.1": {"active_fraction": 0.1},
    "persistent SGD, b = 0.1, tau = 2.5": {"active_fraction": 0.1, "persistence_time": 2.5},
    "bath of temperature 1e-3": {"langevin_temperature": 1e-3},
}.items():
    dynamics = ModelDynamics(learning_rate=0.5, ridge=0.05, objective="mean", **noise)
    records = []
    for seed in range(4):
        run = ModelRun(model, squares, x, y, dynamics, Seeds.shared(seed))
        run.advance(300)
        records.append(measure_windows(run, 150, 6, 1e-2, n_probes=2))
    record = FluctuationRecord.from_windows(
        displacement=np.array([r.displacement for r in records]),
        response=np.array([r.response for r in records]),
        loss=np.array([r.observables["loss"] for r in records]),
        norm=np.array([r.observables["norm"] for r in records]),
    )
    # Three temperatures, or what was not stationary.
    print(f"{name}: {measure_temperatures(record).summary()}")
