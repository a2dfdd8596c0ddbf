"""What every executor promises, and what the driver does when a unit or a worker fails."""

import os

import pytest

from search_spaces import SearchSpace
from studies.execution.driver import Budget, Driver
from studies.execution.executors import Executor, SerialExecutor, WorkerDiedError
from studies.execution.interrupt import Interrupt
from studies.execution.progress import Progress
from studies.execution.ray_executor import RayExecutor
from studies.execution.worker import run_pack
from studies.ledger.base import Ledger
from studies.plans.queue import PackQueue
from studies.plans.samplers import planned_distributions
from studies.units import Unit

SPACE = SearchSpace(n_train=[16, 32], temperature=[0.1, 0.3, 1], batch_size=1, n_seeds=4)


def poison_pack(payload, backend):
    """Train as usual, but die at one replica and raise at one configuration."""
    for unit in payload:
        point = unit["point"]
        if (point["n_train"], point["temperature"]) == (16, 0.3) and 2 in unit["seeds"]:
            os._exit(1)
    raising = [
        u for u in payload if u["point"]["n_train"] == 32 and u["point"]["temperature"] == 1
    ]
    others = [unit for unit in payload if unit not in raising]
    results = iter(run_pack(others, backend))
    return [
        {"error": "ValueError: no luck"} if unit in raising else next(results) for unit in payload
    ]


@pytest.fixture(scope="class", params=["serial", pytest.param("ray", marks=pytest.mark.cluster)])
def executor(request):
    made: Executor = SerialExecutor("numba")
    if request.param == "ray":
        made = RayExecutor("numba", workers=2)
    yield made
    made.shutdown()


def gather(executor, packs):
    results = {}
    waiting = list(packs)
    while waiting or executor.in_flight:
        while waiting and executor.in_flight < executor.capacity:
            executor.submit(waiting.pop(0))
        results.update(executor.wait(0.5))
    return results


class TestEveryExecutor:
    def test_every_pack_comes_back_once_with_its_rows(self, executor):
        packs = [(Unit(point, (0, 1)),) for point in SPACE.points()]
        results = gather(executor, packs)
        assert set(results) == set(packs)
        for pack, result in results.items():
            assert [len(unit["rows"]) for unit in result] == [len(unit.seeds) for unit in pack]

    def test_rows_do_not_depend_on_the_pack(self, executor):
        units = [Unit(point, (0, 1, 2)) for point in SPACE.points()]
        together = gather(executor, [tuple(units)])[tuple(units)]
        apart = gather(executor, [(unit,) for unit in reversed(units)])
        for unit, result in zip(units, together, strict=True):
            assert result["rows"] == apart[(unit,)][0]["rows"]

    def test_waiting_for_nothing_returns_nothing(self, executor):
        assert executor.wait(0.1) == []


def drive(ledger, executor):
    points = SPACE.points()
    done = ledger.done()
    queue = PackQueue(
        (p, [s for s in SPACE.seeds if s not in done.get(p.identity, ())]) for p in points
    )
    driver = Driver(
        ledger, executor, planned_distributions(points), "test_error", {}, lambda *_: None
    )
    with Interrupt() as interrupt, Progress(24, quiet=True) as progress:
        return driver.run(queue, progress, Budget(), interrupt)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_poison_is_isolated_and_the_others_finish(tmp_path):
    ledger = Ledger(tmp_path / "ledger.journal", "s", writable=True)
    executor = RayExecutor("numba", task=poison_pack, workers=2)
    try:
        outcome = drive(ledger, executor)
    finally:
        executor.shutdown()
    # The poisoned replica, and the four of the configuration that raises.
    assert outcome.failed == 1 + 4
    assert outcome.trained == 24 - 5
    reasons = {
        (f.point.n_train, f.point.temperature): (f.seeds, f.reason) for f in ledger.failures()
    }
    assert set(reasons) == {(16, 0.3), (32, 1.0)}
    assert reasons[32, 1.0][1] == "ValueError: no luck"
    assert reasons[16, 0.3][0] == (2,)
    assert "the worker died" in reasons[16, 0.3][1]
    # The next run trains what failed, and nothing else.
    outcome = drive(ledger, SerialExecutor("numba"))
    assert (outcome.trained, outcome.failed) == (5, 0)
    assert ledger.failures() == []


def test_a_dead_worker_is_reported_not_raised():
    executor = RayExecutor("numba", task=poison_pack, workers=1)
    try:
        pack = (Unit(SPACE.points()[1], (2,)),)
        (result,) = gather(executor, [pack]).values()
    finally:
        executor.shutdown()
    assert isinstance(result, WorkerDiedError)
