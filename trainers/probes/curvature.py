"""Gradient, per-sample gradients and Hessian of the training loss at given weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from search_spaces import Point
from trainers.batches.streams import Purpose, generator
from trainers.losses import derivative, second_derivative, value
from trainers.models.functions import jacobian_products, output

_CHUNK_BYTES = 2**26
_TRACE_PROBES = 32


class Curvature:
    """The loss L around one set of weights; vectors are all parameters in a row.

    Parameters
    ----------
    start, weights
        Unnormalized parameters at w0 and where the loss is expanded, float64.

    Attributes
    ----------
    gradient : tensor (N,)
    """

    def __init__(
        self,
        point: Point,
        start: Sequence[torch.Tensor],
        weights: Sequence[torch.Tensor],
        x: torch.Tensor,
        y: torch.Tensor,
    ) -> None:
        self._point, self._x, self._y = point, x, y
        self._weights = [w.clone().requires_grad_() for w in weights]
        with torch.no_grad():
            self._f0 = output(start, x, point.activation)
        self._margins = y * point.alpha * (output(self._weights, x, point.activation) - self._f0)
        loss = value(point.loss, self._margins).mean() / point.alpha
        self._gradients = torch.autograd.grad(loss, self._weights, create_graph=True)
        self.gradient = _flat(self._gradients).detach()

    def hessian_product(self, vector: torch.Tensor) -> torch.Tensor:
        """Return H v."""
        inner = (_flat(self._gradients) * vector).sum()
        if not inner.requires_grad:
            return torch.zeros_like(vector)
        parts = torch.autograd.grad(
            inner, self._weights, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        return _flat(parts)

    def sample_gradients(self, which: slice) -> torch.Tensor:
        """Return the gradients of the losses of some training points, shape (n, N)."""
        return self._slopes()[which, None] * self._output_gradients(which)

    def mean_square_gradient(self) -> float:
        """Return the mean over the training points of |grad of the sample's loss|^2."""
        return float((self._slopes().square() * self._tangent_diagonal()).mean())

    def trace(self) -> float:
        """Return the trace of H: exact for relu, else with Hutchinson's estimate of one part.

        H = mean l''(m) alpha grad f grad f^T + mean l'(m) y Hess f. A network of relus is linear
        in each of its weights, so that the second part has no diagonal.
        """
        with torch.no_grad():
            bend = second_derivative(self._point.loss, self._margins) * self._point.alpha
            trace = float((bend * self._tangent_diagonal()).mean())
        if self._point.activation == "relu":
            return trace
        _, times = jacobian_products(self._weights, self._x, self._point.activation)
        sizes = [w.numel() for w in self._weights]
        draws = generator(1, Purpose.PROBE).choice([-1.0, 1.0], (_TRACE_PROBES, self._n))
        rest = 0.0
        for vector in torch.from_numpy(draws):
            pieces = zip(torch.split(vector, sizes), self._weights, strict=True)
            slope = times([piece.view_as(w) for piece, w in pieces])
            rest += float(vector @ self.hessian_product(vector))
            rest -= float((bend * slope.square()).mean())
        return trace + rest / _TRACE_PROBES

    @property
    def _n(self) -> int:
        return self.gradient.numel()

    def _slopes(self) -> torch.Tensor:
        """Return dl/df / alpha of every training point, shape (P,)."""
        slopes: torch.Tensor = derivative(self._point.loss, self._margins.detach()) * self._y
        return slopes

    def _tangent_diagonal(self) -> torch.Tensor:
        """Return |grad f|^2 of every training point, shape (P,)."""
        chunk = max(1, _CHUNK_BYTES // (8 * self._n))
        parts = [
            self._output_gradients(slice(first, first + chunk)).square().sum(dim=1)
            for first in range(0, len(self._x), chunk)
        ]
        return torch.cat(parts)

    def _output_gradients(self, which: slice) -> torch.Tensor:
        """Return grad f of some training points, shape (n, N)."""

        def f(weights: list[torch.Tensor], row: torch.Tensor) -> torch.Tensor:
            return output(weights, row[None], self._point.activation)[0]

        weights = [w.detach() for w in self._weights]
        rows = torch.func.vmap(torch.func.grad(f), (None, 0))(weights, self._x[which])
        return torch.cat([part.flatten(1) for part in rows], dim=1)


def _flat(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([part.reshape(-1) for part in parts])
