"""The compiled search for the next batch that may move the weights, one tile at a time.

A tile of points costs the same whether it is full or not (:mod:`trainers.compiled.tiles`), and
evaluating one costs little on top of its products. So the unknown points of the stream are
evaluated six at a time, in order, and the search ends with the tile that meets a candidate.
"""

from __future__ import annotations

from trainers.compiled.compilation import compiled
from trainers.compiled.tiles import ROWS
from trainers.kernels.look_ahead import CANDIDATE, QUEUED, VERSION, mark
from trainers.kernels.mlp import tile_outputs


@compiled(fastmath=True, counted=False)
def scan_tiles(
    members, offsets, row, end, enough, sample, law, record, version, status, network, workspace,
    queue,
):  # fmt: skip
    """Evaluate the unknown points of the batches from `row` on, up to a candidate.

    Points of later batches fill the last tile.

    Parameters
    ----------
    members, offsets : arrays
        Batches, as in :mod:`trainers.batches.ahead`; -1 behind the offsets of batch `end` - 1.
    enough : float
        Number of points after which the search ends, too.
    queue : int64 array (12 or more,)
        Work space.

    Returns
    -------
    tuple of int
        The first row in [row, end) whose batch holds a candidate, and True; every point of
        this batch is known. Or a row before which there is none, and False. Then the numbers of
        evaluated points and of violators beyond rounding.
    """
    outputs = workspace.outputs
    known = VERSION * version
    hit, place, n, evaluated, certain = end, offsets[row], 0, 0, 0
    stop = offsets[row + 1]
    while place == stop:
        row += 1
        stop = offsets[row + 1]
    while True:
        while n < ROWS and row < end and (n > 0 or row <= hit):
            p = members[place]
            if status[p] < known:
                status[p] = known + QUEUED
                queue[n] = p
                queue[ROWS + n] = row
                n += 1
            elif status[p] >= known + CANDIDATE and row < hit:
                hit = row
            place += 1
            while place == stop:
                row += 1
                stop = offsets[row + 1]
        if n == 0:
            return min(hit, row), hit < end, evaluated, certain
        for r in range(n, ROWS):
            queue[r] = queue[n - 1]
        square = tile_outputs(sample.x, queue, network, law.activation, workspace)
        marked = mark(queue, n, outputs, square, sample, law.alpha, record, version, status)
        certain += marked[1]
        if marked[0] + marked[1] > 0:
            for r in range(n):
                if status[queue[r]] >= known + CANDIDATE:
                    hit = min(hit, queue[ROWS + r])
        evaluated += n
        n = 0
        if row > hit or row == end:
            return min(hit, row), hit < end, evaluated, certain
        if hit == end and evaluated >= enough:
            return row, False, evaluated, certain
