"""Is your gradient noise heavy-tailed?

The noise of a parameter is its minibatch gradient minus the full gradient, at fixed weights. Each
parameter gets a fit of its own: Gaussians of unequal widths, thrown together, look heavy-tailed.
A parameter counts as heavy if a stable law beats the Gaussian by more than 4 in AIC, which less
than one Gaussian in a hundred does; the same count on Gaussian noise of equal variances is the
control. Heavy does not mean stable: under a stable law the tail index would not depend on B.
"""

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import nn

from analysis.distributions.comparison import compare_laws
from analysis.distributions.controls import gaussian_surrogate
from trainers import OwnModel, choose_parameters, sample_gradient_noise

images, digits = load_digits(return_X_y=True)
x = (images - images.mean(axis=0)) / 8


def build(seed):
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))


P = 512
own = OwnModel(build, x, digits % 2, loss="logistic")
trained = own.train(n_train=P, learning_rate=0.5, batch_size=16, seed=0)
steps = trained.measurement.n_updates
print(f"trained: {trained.measurement.stop_reason} after {steps} steps")


def compare(module, batch_size):
    losses = own.losses(P, seed=0, module=module)
    chosen = choose_parameters(losses.parameters, per_layer=60, seed=1)
    noise = sample_gradient_noise(losses, chosen, batch_size, n_batches=1000, seed=2).samples
    return noise, compare_laws(noise)


figure = Figure(figsize=(6.4, 3.4), layout="constrained")
axes = figure.subplots()
for name, module, batch_size in (
    ("at initialization, B = 4", None, 4),
    ("after training, B = 4", trained.module, 4),
    ("after training, B = 64", trained.module, 64),
):
    noise, laws = compare(module, batch_size)
    used = laws.columns.used
    share = laws.heavy[used].mean()
    error = np.sqrt(share * (1 - share) / len(used))
    index = laws.tail_index[used]
    control = compare_laws(gaussian_surrogate(noise[:, used])).heavy.mean()
    print(f"{name}: heavy {share:.2f} ± {error:.2f} (Gaussian control {control:.2f}), tail index "
          f"{np.median(index):.2f} ± {1.25 * index.std() / len(index) ** 0.5:.2f}")  # fmt: skip
    axes.ecdf(index, label=name)

axes.set(xlabel="tail index (2: Gaussian; 0.5: end of the scale)", ylabel="share of parameters")
axes.legend()
figure.savefig("is_your_noise_heavy_tailed.svg")
