"""The same training as a plain PyTorch loop and as a jitted JAX loop.

Both take their batches from the stream of the replica, so that they train on the same points in
the same order as the compiled kernel.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch

from trainers.batches.fixed_size import batch_indices
from trainers.models.replica import Replica

_STEPS_DRAWN = 4096


@dataclass(frozen=True)
class Run:
    """Cost of one training."""

    seconds: float
    presentations: int
    """Presentations consumed, to the check that ended the training."""
    fitted: bool


def train_torch(replica: Replica, max_seconds: float) -> Run:
    """Train with autograd as the original authors do: forward, backward, step, one at a time.

    All P outputs are tested after every P presentations. Ends unfitted after `max_seconds`.
    """
    point = replica.point
    x, y = (torch.tensor(a, dtype=torch.float32) for a in (replica.x_train, replica.y_train))
    weights = [torch.tensor(w, dtype=torch.float32, requires_grad=True) for w in replica.weights]
    begin = time.perf_counter()
    with torch.no_grad():
        f0 = _torch_output(weights, x)
    every, step = max(1, point.n_train // point.batch_size), 0
    alpha, rate = point.alpha, point.learning_rate
    while True:
        for drawn in _batches(replica, step, every):
            batch = torch.from_numpy(drawn).long()
            f = _torch_output(weights, x[batch])
            margin = y[batch] * alpha * (f - f0[batch])
            loss = torch.relu(1 - margin).mean() / alpha
            gradients = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for w, gradient in zip(weights, gradients, strict=True):
                    w.sub_(gradient, alpha=rate)
        step += every
        with torch.no_grad():
            fitted = bool((y * alpha * (_torch_output(weights, x) - f0) >= 1).all())
        seconds = time.perf_counter() - begin
        if fitted or seconds > max_seconds:
            return Run(seconds, step * point.batch_size, fitted)


def _torch_output(weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for w in weights[:-1]:
        x = math.sqrt(2) * torch.relu(x @ w / math.sqrt(w.shape[0]))
    return x @ weights[-1] / math.sqrt(weights[-1].shape[0])


def train_jax(replica: Replica) -> Run:
    """Train with one compiled call per 4096 steps, each of them a while_loop over steps.

    All P outputs are tested after every P presentations, inside the compiled loop.
    """
    point = replica.point
    x, y = (jnp.asarray(a, jnp.float32) for a in (replica.x_train, replica.y_train))
    weights = [jnp.asarray(w, jnp.float32) for w in replica.weights]
    begin = time.perf_counter()
    f0 = _jax_output(weights, x)
    every, step, fitted = max(1, point.n_train // point.batch_size), 0, False
    settings = (every, point.alpha, point.learning_rate)
    drawn = every * max(1, _STEPS_DRAWN // every)
    while not fitted:
        batches = jnp.asarray(_batches(replica, step, drawn))
        weights, taken, done = _jax_steps(weights, x, y, f0, batches, *settings)
        step, fitted = step + int(taken), bool(done)
    return Run(time.perf_counter() - begin, step * point.batch_size, fitted)


@jax.jit
def _jax_output(weights: list, x: jax.Array) -> jax.Array:
    for w in weights[:-1]:
        x = math.sqrt(2) * jax.nn.relu(x @ w / math.sqrt(w.shape[0]))
    return x @ weights[-1] / math.sqrt(weights[-1].shape[0])


@partial(jax.jit, static_argnums=(5, 6, 7))
def _jax_steps(weights, x, y, f0, batches, every, alpha, rate):
    """Return the weights, the steps taken and whether all points are fitted."""

    def loss(w, batch):
        margin = y[batch] * alpha * (_jax_output(w, x[batch]) - f0[batch])
        return jax.nn.relu(1 - margin).mean() / alpha

    def one_step(k, state):
        w, first = state
        gradients = jax.grad(loss)(w, batches[first + k])
        return [a - rate * g for a, g in zip(w, gradients, strict=True)], first

    def one_round(state):
        w, step, _ = state
        w, _ = jax.lax.fori_loop(0, every, one_step, (w, step))
        return w, step + every, (y * alpha * (_jax_output(w, x) - f0) >= 1).all()

    def go_on(state):
        return (state[1] < batches.shape[0]) & ~state[2]

    return jax.lax.while_loop(go_on, one_round, (weights, 0, False))


def _batches(replica: Replica, step: int, n: int) -> np.ndarray:
    point = replica.point
    shape = (point.n_train, point.batch_size)
    return batch_indices(replica.batch_seed, step, n, *shape, point.sampling)
