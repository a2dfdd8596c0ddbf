"""The adaptive design: each curve chooses its next temperatures by itself, in fixed generations.

A curve is one combination of all settings but the temperature. Its next temperatures are a pure
function of its own finished trainings, taken generation by generation, so that the table depends
neither on timing nor on workers nor on interruptions: a restart replays the curves from the
ledger and asks for what is missing. All curves run at once.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from optuna.distributions import BaseDistribution

from analysis.locating.posterior import OPEN, MeasuredCurve, crossing_status, propose
from search_spaces import Point
from search_spaces.curves import Curve, curves_of
from search_spaces.numbers import significant
from studies.ledger.base import Ledger
from studies.plans.queue import expected_seconds
from studies.plans.samplers import planned_distributions
from studies.specs.spec import StudySpec
from studies.units import CPU, Pack, Unit

GENERATIONS = (1, 1, 4, 4, 2)
"""Trainings of a curve asked for at once; the last number repeats.

Two scouts find the neighbourhood of the crossing, two generations of four measure it, and pairs
do the rest: four at a time keep the cores busy, pairs waste least at the end."""

DIGITS = 4
"""Significant digits of a temperature; two machines then round their posteriors alike."""

PACK_SECONDS = 0.05
"""Trainings shorter than this travel together; all others go alone, to be spread over workers."""

Task = tuple[Point, int]


def adaptive_distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """Return the distributions that hold every point the curves may ask for."""
    return planned_distributions([end for curve in curves_of(spec.space) for end in curve.ends()])


@dataclass(frozen=True)
class _Progress:
    """How far a curve is."""

    n_finished: int
    """Trainings of complete generations and of the one that is running."""
    missing: tuple[Task, ...]
    """What its running generation still needs; empty for a finished curve."""


class AdaptiveWork:
    """What the curves of a study ask for, handed out in packs.

    Parameters
    ----------
    spec
        A study with ``design=adaptive``: headline threshold, tolerance, and with `n_seeds` the
        largest number of trainings of a curve, each of which takes the next seed.
    ledger
        What was measured; only read.
    """

    def __init__(self, spec: StudySpec, ledger: Ledger) -> None:
        self._spec = spec
        self._ledger = ledger
        self._curves = curves_of(spec.space)
        self._measured: dict[tuple[str, int], float | None] = {}
        self._n_read = 0
        self._out: dict[tuple[str, int], int] = {}
        self._retries: deque[Pack] = deque()
        self._stuck: set[int] = set()
        self._queue: deque[tuple[int, Task]] = deque()
        self._read_ledger()
        self._progress = [self._replay(curve) for curve in self._curves]
        # Curves take turns, so that no curve waits for another one's whole generation.
        turns = itertools.zip_longest(*(progress.missing for progress in self._progress))
        for turn in turns:
            self._queue.extend((k, task) for k, task in enumerate(turn) if task is not None)

    awaits_others = False

    def __bool__(self) -> bool:
        """Whether anything is left to hand out or to wait for."""
        return bool(self._queue or self._retries or self._out)

    @property
    def n_asked(self) -> int:
        """Trainings asked for so far: of finished generations and of those that are running."""
        return sum(p.n_finished + len(p.missing) for p in self._progress)

    def n_asked_by_size(self) -> dict[int, int]:
        """Return the same by P."""
        counts: Counter[int] = Counter()
        for curve, progress in zip(self._curves, self._progress, strict=True):
            counts[curve.settings["n_train"]] += progress.n_finished + len(progress.missing)
        return dict(counts)

    def take(self, limit: int | None = None, place: str = CPU) -> Pack:
        """Return the next pack, or an empty one while all curves wait for results."""
        if self._retries:
            return self._retries.popleft()
        units: list[Unit] = []
        seconds = 0.0
        while self._queue and (limit is None or len(units) < limit):
            k, (point, seed) = self._queue[0]
            seconds += expected_seconds(point)
            if units and seconds > PACK_SECONDS:
                break
            self._queue.popleft()
            self._out[point.identity, seed] = k
            units.append(Unit(point, (seed,)))
        return tuple(units)

    def put_back(self, pack: Pack) -> None:
        """Take back a pack that has to be trained again."""
        self._retries.append(pack)

    def settled(self, pack: Pack, seconds: float, place: str = CPU) -> None:
        """Note that a pack is in the ledger, and ask on where a generation is complete.

        A curve with a training that could not be done stops there; the next run tries again.
        """
        self._read_ledger()
        curves = set()
        for unit in pack:
            key = unit.point.identity, unit.seeds[0]
            k = self._out.pop(key)
            curves.add(k)
            if key not in self._measured:
                self._stuck.add(k)
        for k in sorted(curves - self._stuck - set(self._out.values())):
            if any(waiting == k for waiting, _ in self._queue):
                continue
            self._progress[k] = self._replay(self._curves[k])
            self._queue.extend((k, task) for task in self._progress[k].missing)

    def settled_elsewhere(self, pack: Pack) -> None:
        """Go on with the curves of trainings that other drivers did."""
        if pack:
            self.settled(pack, 0.0)

    def _read_ledger(self) -> None:
        blocks = self._ledger.blocks_after(self._n_read)
        for block in blocks:
            for seed, row in zip(block.seeds, block.rows, strict=True):
                fitted = row["stop_reason"] == "fitted"
                # Censored and diverged runs are upper bounds, not values.
                value = row["relative_weight_change"] if fitted else None
                self._measured[block.point.identity, seed] = value
        self._n_read += len(blocks)

    def _replay(self, curve: Curve) -> _Progress:
        temperatures: list[float] = []
        values: list[float | None] = []
        for size in _generation_sizes(self._spec.space.n_seeds):
            measured = MeasuredCurve.of(temperatures, values)
            if self._is_finished(curve, measured):
                break
            tasks = self._generation(curve, measured, size)
            missing = [task for task in tasks if _key(task) not in self._measured]
            if missing:
                return _Progress(len(values) + len(tasks) - len(missing), tuple(missing))
            temperatures += [point.temperature for point, _ in tasks]
            values += [self._measured[_key(task)] for task in tasks]
        return _Progress(len(values), ())

    def _is_finished(self, curve: Curve, measured: MeasuredCurve) -> bool:
        status = crossing_status(
            measured, self._spec.thresholds[0], curve.log_window, self._spec.tolerance
        )
        return status != OPEN

    def _generation(self, curve: Curve, measured: MeasuredCurve, size: int) -> list[Task]:
        """Return the next `size` trainings, each with the next seed of the sequence."""
        first = self._spec.space.first_seed + len(measured)
        low, high = curve.window
        tasks = []
        for k in range(size):
            log_t = propose(measured, self._spec.thresholds[0], curve.log_window, pending=k)
            temperature = min(max(significant(math.exp(log_t), DIGITS), low), high)
            tasks.append((curve.point(temperature), first + k))
        return tasks


def _key(task: Task) -> tuple[str, int]:
    point, seed = task
    return point.identity, seed


def _generation_sizes(most: int) -> Iterator[int]:
    """Sizes of the generations, `most` trainings in all."""
    left = most
    for size in itertools.chain(GENERATIONS, itertools.repeat(GENERATIONS[-1])):
        if left <= 0:
            return
        yield min(size, left)
        left -= size
