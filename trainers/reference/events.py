"""The steps of the scheme ``jump``, one by one, for the readable reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from search_spaces import Point
from trainers.batches.events import (
    draw_violators,
    log_idle_probability,
    open_stream,
    steps_to_event,
)
from trainers.batches.fixed_size import SAMPLING_CODES
from trainers.batches.streams import WORD_MASK
from trainers.stopping import step_limit


def event_batches(
    point: Point, seed: int, violators: Callable[[], np.ndarray]
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the steps whose batches hold violators, and the violators in them.

    Parameters
    ----------
    violators
        Returns the indices of all violators at the present weights.
    """
    n_train, batch_size, limit = point.n_train, point.batch_size, step_limit(point)
    stream = open_stream(np.uint64(seed & WORD_MASK))
    clock, chosen = np.zeros(n_train + 1, np.int64), np.empty(batch_size, np.int64)
    clock[0] = 1
    step = 0
    while True:
        now = violators()
        replacement = point.sampling == "with_replacement"
        log_idle = log_idle_probability(now.size, n_train, batch_size, replacement)
        step += steps_to_event(log_idle, stream)
        if step > limit:
            return
        code = SAMPLING_CODES[point.sampling]
        count = draw_violators(
            now, now.size, n_train, batch_size, code, log_idle, clock, stream, chosen
        )
        yield step, torch.from_numpy(chosen[:count].copy())
