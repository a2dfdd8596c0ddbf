"""Give a batch of 256 the gradient noise of a batch of 8, in your own training loop."""

import numpy as np
import torch
from sklearn.datasets import load_digits

from trainers import noisy_batch_weights

x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
torch.manual_seed(0)
rng = np.random.default_rng(0)
model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
loss = torch.nn.CrossEntropyLoss(reduction="none")

for _ in range(300):
    batch = torch.from_numpy(rng.permutation(1000)[:256])
    weights = torch.from_numpy(noisy_batch_weights(256, 8, rng)).float()
    optimizer.zero_grad()
    (weights * loss(model(x[batch]), y[batch])).sum().backward()
    optimizer.step()

error = (model(x[1000:]).argmax(1) != y[1000:]).float().mean()
print(f"test error = {error:.3f}")
