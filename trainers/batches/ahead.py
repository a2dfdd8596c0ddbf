"""The batches of the next steps, drawn ahead, in one format for every law of sampling.

They lie one behind the other: batch k is ``members[offsets[k] : offsets[k + 1]]``. A batch of
fixed size is the case of equal distances, and every loop that takes steps is written once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from search_spaces import Point
from search_spaces.choices import SELECTIONS
from trainers.batches.fixed_size import SAMPLING_CODES, fill_batches
from trainers.batches.selection import advance_selection, draw_of, open_selection
from trainers.batches.streams import WORD_MASK
from trainers.compiled.compilation import compiled

SELECTION = 3
"""Code of Bernoulli and persistent selection, beside SAMPLING_CODES."""
_BUFFERED_STEPS = 256
BUFFERED_DRAWS = 1024


class Draw(NamedTuple):
    """What the batches of a training are a function of, beside P and the step."""

    seed: np.uint64
    sampling: int
    """Of SAMPLING_CODES, or SELECTION."""
    batch_size: int
    """B, or P if it varies: the most points of a batch."""
    fraction: float = 1.0
    """b of a selection."""
    deactivation: float = 0.0
    """P(1 -> 0)."""
    activation: float = 0.0
    """P(0 -> 1)."""


class Ahead(NamedTuple):
    """Batches of the next steps, and the state from which others follow."""

    members: np.ndarray
    """Points, int32."""
    offsets: np.ndarray
    """Where each batch begins, where the last one ends, and -1; int64."""
    words: np.ndarray
    """Work space: random words."""
    stamps: np.ndarray
    """The last step that took each point; empty for a selection."""
    active: np.ndarray
    """The selection of the last step in the buffer; empty for batches of fixed size."""
    window: np.ndarray
    """Step of the first batch, and number of batches."""


def batch_draw(point: Point, seed: int) -> Draw:
    """Return what defines the batches of a training."""
    if point.sampling in SELECTIONS:
        key, *law = draw_of(point, seed)
        return Draw(key, SELECTION, point.n_train, *law)
    return Draw(np.uint64(seed & WORD_MASK), SAMPLING_CODES[point.sampling], point.batch_size)


@compiled()
def open_batches(draw, n_train, step):
    """Return an empty buffer in front of `step`."""
    if draw.sampling == SELECTION:
        n_rows, room, fixed, selected = _BUFFERED_STEPS, n_train + BUFFERED_DRAWS, 0, n_train
    else:
        n_rows = max(1, BUFFERED_DRAWS // draw.batch_size)
        room, fixed, selected = n_rows * draw.batch_size, n_train, 0
    ahead = Ahead(
        np.empty(room, np.int32),
        np.arange(n_rows + 2) * draw.batch_size,
        np.empty(room, np.uint64),
        np.full(fixed, -1, np.int64),
        np.empty(selected, np.bool_),
        np.array([step, 0]),
    )
    if draw.sampling == SELECTION:
        ahead.offsets[0] = 0
        law = draw.seed, draw.fraction, draw.deactivation, draw.activation
        open_selection(law, step, ahead.active)
    return ahead


@compiled(counted=False)
def row_of(draw, step, last_step, ahead):
    """Return which batch of the buffer is that of `step`; call it in the order of steps.

    Steps are counted from 0, none is drawn from `last_step` on.
    """
    if step >= ahead.window[0] + ahead.window[1]:
        ahead.window[0] = step
        ahead.window[1] = _fill(draw, step, last_step, ahead)
    return step - ahead.window[0]


@compiled()
def _fill(draw, first_step, last_step, ahead):
    """Write the batches of `first_step`, ... while there is room; return how many, at least 1."""
    n_rows = min(ahead.offsets.shape[0] - 2, last_step - first_step)
    if draw.sampling == SELECTION:
        return _fill_selections(draw, first_step, n_rows, ahead)
    ahead.offsets[n_rows + 1] = -1
    n = n_rows * draw.batch_size
    rows = ahead.members[:n].reshape(n_rows, draw.batch_size)
    n_train = ahead.stamps.shape[0]
    fill_batches(
        draw.seed, first_step, n_train, draw.sampling, ahead.stamps, ahead.words[:n], rows
    )
    return n_rows


@compiled()
def _fill_selections(draw, first_step, n_rows, ahead):
    n_train, row, n = ahead.active.shape[0], 0, 0
    words = ahead.words[:n_train]
    while row < n_rows and n < BUFFERED_DRAWS:
        advance_selection(
            draw.seed, first_step + row, draw.fraction, draw.deactivation, draw.activation,
            words, ahead.active,
        )  # fmt: skip
        for p in range(n_train):
            ahead.members[n] = p
            n += ahead.active[p]
        row += 1
        ahead.offsets[row] = n
    ahead.offsets[row + 1] = -1
    return row
