"""Take the temperature of your own torch model

Any torch module will do: a function builds it from a seed, and inputs with labels come beside it.
First the setting: how does the temperature T_lazy(c), at which SGD noise has moved the weights by
a fraction c, fall with the number of training points? Then the measurement: how hot do the
weights become? Twins of a run, which see the same batches and feel a small force, tell.
"""

import numpy as np
from sklearn.datasets import load_digits
from torch import nn

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.figures import plot_weight_change
from analysis.effective_temperature.slopes import FluctuationRecord, measure_temperatures
from trainers import ModelDynamics, OwnModel, measure_windows

images, digits = load_digits(return_X_y=True)
x = (images - images.mean(axis=0)) / 8


def build(seed):  # torch's generator is seeded for the call: PyTorch's own initialization
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))


# The predictor is alpha (f(w, x) - f(w0, x)); without alpha it would be the plain output.
own = OwnModel(build, x, digits % 2, alpha=100)
window = own.temperatures()  # from K, the mean diagonal of the tangent kernel
print(f"K = {own.kernel_diagonal:.1f}: temperatures from {window[0]:.2g} to {window[-1]:.2g}")
table = own.scan(n_train=[32, 64, 128, 256], temperature=[0.01, 0.02, 0.04, 0.08], n_seeds=4)
result = analyse_scaling(MeasurementTable.from_frame(table), thresholds=[0.1])
print(result.headline())
plot_weight_change(result.laws[0]).savefig("take_the_temperature_of_your_model.svg")

# A ridge and a logistic loss keep the run moving for ever: only then is there a temperature.
hot = OwnModel(build, x, digits % 2, loss="logistic")


def temperature(n_seeds=4, **noise):
    dynamics = ModelDynamics(learning_rate=0.2, ridge=0.2, objective="mean", **noise)
    records = []
    for seed in range(n_seeds):
        run = hot.dynamics(dynamics, n_train=200, seed=seed)
        run.advance(200)  # forget the start
        records.append(measure_windows(run, length=100, n_windows=4, field_strength=1e-2))
    record = FluctuationRecord.from_windows(
        displacement=np.array([r.displacement for r in records]),
        response=np.array([r.response for r in records]),
        loss=np.array([r.observables["loss"] for r in records]),
        norm=np.array([r.observables["norm"] for r in records]),
    )
    return measure_temperatures(record)


# The thermometer is calibrated first: in a bath of known temperature it must show that one.
print("in a bath at 0.001:", temperature(langevin_temperature=1e-3).summary())
print("SGD, batches of 10%:", temperature(active_fraction=0.1).summary())
