"""Studies on a cluster of four real nodes, which join, leave and have other code."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import arms
import chaos
import pandas as pd
import pytest
from ray_nodes import Nodes

from search_spaces import InvalidSettingError
from studies.execution.cluster import places
from studies.execution.places import check_places, lanes_for
from studies.provenance import PACKAGES
from studies.run_options import RunOptions
from studies.specs.spec import StudySpec

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).resolve().parents[3]
DRIVER = """
import json, os, sys, time
from pathlib import Path
from search_spaces import SearchSpace
from studies.execution.driver import Budget, Driver
from studies.execution.executors import Lane
from studies.execution.ray_executor import RayExecutor
from studies.execution.interrupt import Interrupt
from studies.ledger.base import Ledger
from studies.plans.queue import PackQueue, Unit
from studies.execution.progress import Progress
from studies.plans.samplers import planned_distributions

SPACE = SearchSpace(n_train=[16, 32], temperature=[0.3, 1], batch_size=1, n_seeds=2)

def where(payload, backend, device="cpu"):
    import ray
    time.sleep(0.3)
    node = ray.get_runtime_context().get_node_id()
    return [{"rows": [], "place": [node, device, len(ray.get_gpu_ids())]}]

def poison(payload, backend):
    from studies.execution.worker import run_pack
    for unit in payload:
        if (unit["point"]["n_train"], unit["point"]["temperature"]) == (16, 0.3):
            if 1 in unit["seeds"]:
                os._exit(1)
    return run_pack(payload, backend)

def gather(executor, n_places):
    # Submit packs until so many places have trained one; on a busy machine workers start late.
    places, seed, end = set(), 0, time.monotonic() + 200
    while executor.in_flight or (len(places) < n_places and time.monotonic() < end):
        while len(places) < n_places and executor.in_flight < executor.capacity:
            executor.submit((Unit(SPACE.points()[0], (seed,)),))
            seed += 1
        places |= {tuple(result[0]["place"]) for _, result in executor.wait(0.5)}
    return sorted(places)

def say(**words):
    print(json.dumps(words), flush=True)

executor = RayExecutor("numba", where, address=sys.argv[1])
say(capacity=executor.capacity, places=gather(executor, 4))
for line in sys.stdin:
    if line.strip() == "end":
        break
    capacity, n_places = map(int, line.split())
    while executor.capacity != capacity:
        time.sleep(0.2)
    say(capacity=capacity, places=gather(executor, n_places))
executor.shutdown()
executor = RayExecutor("auto", where, address=sys.argv[1], lanes=(Lane(), Lane("cuda", 0.5)))
say(capacity=executor.capacity, places=gather(executor, 5))
executor.shutdown()
executor = RayExecutor("torch", poison, address=sys.argv[1])
ledger = Ledger(Path(sys.argv[2]), "s", writable=True)
queue = PackQueue((point, SPACE.seeds) for point in SPACE.points())
distributions = planned_distributions(SPACE.points())
driver = Driver(ledger, executor, distributions, "test_error", {}, lambda *_: None)
with Interrupt() as interrupt, Progress(8, quiet=True) as progress:
    outcome = driver.run(queue, progress, Budget(), interrupt)
failures = [[f.point.n_train, f.point.temperature, f.seeds] for f in ledger.failures()]
say(trained=outcome.trained, failures=failures)
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    cluster = Nodes(tmp_path_factory.mktemp("nodes"))
    try:
        cluster.start(1, 1, 1, 1)
        yield cluster
    finally:
        cluster.stop()


def test_four_nodes_share_the_work_and_may_change(nodes, tmp_path):
    with (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, nodes.address, str(tmp_path / "ledger.journal")],
            env=nodes.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def answer(line: str = "") -> dict:
        if line:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        # Ray itself speaks of nodes that died.
        for text in process.stdout:
            if text.startswith("{"):
                return json.loads(text)
        return pytest.fail((tmp_path / "errors").read_text())

    first = answer()
    assert first["capacity"] == 2 * 4
    assert len(first["places"]) == 4
    nodes.kill(nodes.nodes[2])
    assert len(answer("6 3")["places"]) == 3
    nodes.add(cpus=2, gpus=1)
    assert len(answer("10 4")["places"]) == 4
    # On CPUs and on halves of the new node's GPU, of which Ray knows but which does not exist.
    both = answer("end")
    assert both["capacity"] == 2 * (5 + 2)
    assert {(device, gpus) for _, device, gpus in both["places"]} == {("cpu", 0), ("cuda", 1)}
    assert len([node for node, device, _ in both["places"] if device == "cuda"]) == 1
    # The replica that kills its workers is alone in the end, and the others are trained.
    last = answer()
    assert last == {"trained": 7, "failures": [[16, 0.3, [1]]]}
    assert process.wait(60) == 0
    process.stdin.close()
    process.stdout.close()


def test_code_of_the_driver_goes_to_nodes_with_another(nodes, tmp_path):
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package)
    with (source / "studies/memory.py").open("a") as file:
        file.write("# not on the nodes\n")
    settings = ["n_train=[16,32]", "temperature=[0.1,1]", "n_seeds=2", "backend=torch"]
    settings += ["comparison_batch_size=null", "comparison_temperature=null", "--no-tracking"]
    settings += ["--address", nodes.address, "--out", "study"]
    done = subprocess.run(
        [sys.executable, "-m", "studies", "run", "critical-temperature", *settings],
        cwd=tmp_path,
        env={**nodes.environment, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sending the code of this driver to all nodes" in done.stderr
    ours = subprocess.run(
        [sys.executable, "-c", "from studies.provenance import code_hash; print(code_hash())"],
        env={**os.environ, "PYTHONPATH": str(source)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    made = pd.read_csv(tmp_path / "study/provenance.csv")
    assert len(made) == 8
    assert set(made["code"]) == {ours}
    assert set(made["version"].astype(str)) == {"0.1.0"}


def test_three_accidents(nodes, tmp_path, run_thermometer):
    """Run the short form of `make chaos`: whatever else may happen has a test in test_faults."""
    sweep = arms.Sweep((128, 256), (0.003, 0.03, 0.3), n_seeds=384)
    arguments = ["--executor", "serial", "--no-tracking", "--out", "study"]
    done = run_thermometer(tmp_path, "run", *sweep.settings, *arguments)
    assert done.returncode == 0, done.stderr
    undisturbed = (tmp_path / "study/table.csv").read_bytes()
    # The driver is killed before its ledger is truncated.
    arm = arms.Arm("journal", dict.fromkeys(("worker", "node", "truncated ledger"), 1))
    campaign = chaos.Campaign(tmp_path / "chaos", nodes, None, sweep, undisturbed, arm, 1)
    tally = campaign.run(3)
    assert tally.events == arm.weights
    assert tally.wrong == []


def test_places_of_a_node():
    assert places({"CPU": 4}, gpus=0) == 4
    assert places({"CPU": 4}, gpus=1) == 0
    assert places({"CPU": 4, "GPU": 2}, gpus=1 / 3) == 4
    assert places({"CPU": 40, "GPU": 2}, gpus=0.3) == 6


@pytest.mark.parametrize(
    ("device", "gpus", "sentence"),
    [
        ("cpu", 0.5, r"gpus_per_point=0\.5 needs GPUs; add --device cuda"),
        ("cuda", 1.5, r"gpus_per_point=1\.5 is no share of GPUs; give a fraction"),
        ("cuda", 0.0, "gpus_per_point=0 is no share"),
        ("cuda", float("nan"), "gpus_per_point=nan is no share"),
        ("any", -1.0, "gpus_per_point=-1 is no share"),
    ],
)
def test_shares_that_no_task_can_have_are_refused(device, gpus, sentence):
    with pytest.raises(InvalidSettingError, match=sentence):
        lanes_for(device, gpus)


def test_places_that_do_not_fit_together_are_refused():
    spec = StudySpec.from_plain({"n_train": 16, "temperature": 1, "batch_size": 1})
    with pytest.raises(InvalidSettingError, match="set backend=any to allow that"):
        check_places(spec, RunOptions(device="any"))
    with pytest.raises(InvalidSettingError, match="--ship-code sends code to a cluster"):
        check_places(spec, RunOptions(ship_code=True))
    free = StudySpec.from_plain({**spec.to_plain(), "backend": "any"})
    assert check_places(free, RunOptions()) == "any"
    with pytest.raises(InvalidSettingError, match="device=any needs --executor ray"):
        check_places(free, RunOptions(device="any", executor="serial"))
