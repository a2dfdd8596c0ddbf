"""Whatever dies, nothing finished is lost or repeated, and the table comes out the same."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import mlflow
import pytest
from accidents import full_disk, mount_small_disk

pytestmark = pytest.mark.outage
STUDY = "critical-temperature"
LONGER = (
    "n_train=[64,128,256,512]",
    "temperature=[0.001,0.003,0.01,0.1,1]",
    "n_seeds=32",
    "comparison_batch_size=4",
    "comparison_temperature=[0.1]",
)
N_LONGER = 4 * 6 * 32


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, run_thermometer) -> bytes:
    """The table of the study when nothing happens to it."""
    home = tmp_path_factory.mktemp("undisturbed")
    done = run_thermometer(
        home, "run", STUDY, *LONGER, "--executor", "serial", "--no-tracking", "--out", "study"
    )
    assert done.returncode == 0, done.stderr
    return (home / "study/table.csv").read_bytes()


def recorded(folder: Path) -> Counter:
    """Count how often each replica is in the ledger, reading complete lines only."""
    ledger = folder / "ledger.journal"
    if not ledger.exists():
        return Counter()
    counted: Counter = Counter()
    for line in ledger.read_bytes().split(b"\n")[:-1]:
        record = json.loads(line).get("user_attrs", {}).get("record", {})
        if "rows" in record:
            point = json.dumps(record["point"], sort_keys=True)
            counted.update((point, seed) for seed in record["seeds"])
    return counted


def wait_for(folder: Path, replicas: int, process) -> None:
    deadline = time.monotonic() + 120
    while len(recorded(folder)) < replicas:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finish(run_thermometer, home: Path, *arguments: str) -> None:
    done = run_thermometer(home, "run", STUDY, "--out", "study", *arguments)
    assert done.returncode == 0, done.stderr


def check_mlflow(home: Path) -> None:
    """Every configuration has one finished run, and none is left running."""
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home}/study/mlflow.db")
    experiment = client.get_experiment_by_name(STUDY)
    runs = client.search_runs([experiment.experiment_id])
    points = [run.data.tags.get("thermometer.point") for run in runs]
    assert Counter(points) == Counter(dict.fromkeys(set(points), 1))
    assert len(runs) == 4 * 6 + 1
    assert {run.info.status for run in runs} == {"FINISHED"}


def check(home: Path, undisturbed: bytes, before: Counter) -> None:
    after = recorded(home / "study")
    assert before <= after, "a finished training was lost"
    assert set(after.values()) == {1}, "a finished training was repeated"
    assert len(after) == N_LONGER
    assert (home / "study/table.csv").read_bytes() == undisturbed


def test_kill_9_of_the_driver_and_of_the_next_one(
    tmp_path, start_thermometer, run_thermometer, undisturbed
):
    before: Counter = Counter()
    for _ in range(2):
        process = start_thermometer(tmp_path, "run", STUDY, *LONGER, "--out", "study")
        wait_for(tmp_path / "study", len(before) + 1, process)
        process.kill()
        process.wait()
        assert before <= recorded(tmp_path / "study")
        before = recorded(tmp_path / "study")
    assert 0 < len(before) < N_LONGER
    finish(run_thermometer, tmp_path, "--executor", "serial")
    check(tmp_path, undisturbed, before)
    check_mlflow(tmp_path)


def test_kill_9_during_start_leaves_a_folder_that_works(
    tmp_path, start_thermometer, run_thermometer, undisturbed
):
    process = start_thermometer(tmp_path, "run", STUDY, *LONGER, "--out", "study")
    while not (tmp_path / "study/spec.yaml").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    finish(run_thermometer, tmp_path, "--executor", "serial", "--no-tracking")
    check(tmp_path, undisturbed, Counter())


@pytest.mark.parametrize("name", ["ray::run_pack", "raylet"])
def test_kill_9_of_the_workers_or_of_their_node(tmp_path, start_thermometer, undisturbed, name):
    process = start_thermometer(tmp_path, "run", STUDY, *LONGER, "--out", "study")
    wait_for(tmp_path / "study", 1, process)
    before = recorded(tmp_path / "study")
    killed = processes_below(process.pid, name)
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    check(tmp_path, undisturbed, before)


def processes_below(driver: int, name: str) -> list[int]:
    """Return the processes started, directly or not, by the driver that have this name."""
    parents = {}
    names = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
                words = (entry / "cmdline").read_text().split("\0")
                names[int(entry.name)] = Path(words[0]).name
            except OSError:
                continue
            parents[int(entry.name)] = int(status.rpartition(")")[2].split()[1])

    def below(pid: int) -> bool:
        while pid > 1:
            pid = parents.get(pid, 0)
            if pid == driver:
                return True
        return False

    return [pid for pid, found in names.items() if found == name and below(pid)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_finishes_and_saves_what_is_running(
    tmp_path, start_thermometer, run_thermometer, undisturbed, number
):
    arguments = ["--workers", "1", "--out", "study"]
    process = start_thermometer(tmp_path, "run", STUDY, *LONGER, *arguments)
    wait_for(tmp_path / "study", 1, process)
    # A terminal sends Ctrl-C to every process of the group, kill sends SIGTERM to one.
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "the same command continues" in output
    assert "Traceback" not in errors
    before = recorded(tmp_path / "study")
    assert len(before) < N_LONGER
    rows = (tmp_path / "study/table.csv").read_text().count("\n") - 1
    assert rows == len(before)
    finish(run_thermometer, tmp_path, "--executor", "serial")
    check(tmp_path, undisturbed, before)
    check_mlflow(tmp_path)


def test_sigterm_while_ray_starts_is_answered_with_a_sentence(tmp_path, start_thermometer):
    process = start_thermometer(tmp_path, "run", STUDY, *LONGER, "--out", "study")
    while not (tmp_path / "study/ledger.journal").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "thermometer: stopped; what was finished is saved"
    assert "Traceback" not in errors
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/study/mlflow.db")
    experiments = [found.experiment_id for found in client.search_experiments()]
    assert "RUNNING" not in {run.info.status for run in client.search_runs(experiments)}


def test_second_signal_stops_at_once(tmp_path, start_thermometer, run_thermometer, undisturbed):
    process = start_thermometer(tmp_path, "run", STUDY, *LONGER, "--out", "study")
    wait_for(tmp_path / "study", 1, process)
    for _ in range(2):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.05)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    before = recorded(tmp_path / "study")
    finish(run_thermometer, tmp_path, "--executor", "serial", "--no-tracking")
    check(tmp_path, undisturbed, before)


def test_truncated_ledger_and_stale_lock(tmp_path, run_thermometer, undisturbed):
    arguments = ["--executor", "serial", "--no-tracking", "--out", "study"]
    done = run_thermometer(tmp_path, "run", STUDY, *LONGER, *arguments, "--max-points", "200")
    assert done.returncode == 3
    ledger = tmp_path / "study/ledger.journal"
    ledger.write_bytes(ledger.read_bytes()[:-100])
    (tmp_path / "study/ledger.journal.lock").symlink_to(ledger)
    before = recorded(tmp_path / "study")
    done = run_thermometer(tmp_path, "run", STUDY, *arguments)
    assert done.returncode == 0, done.stderr
    assert "repaired the ledger: removed the stale lock" in done.stdout
    assert "repaired the ledger: dropped an unfinished record" in done.stdout
    check(tmp_path, undisturbed, before)


def test_full_disk_ends_the_driver_in_one_sentence(tmp_path, run_thermometer, undisturbed):
    disk = tmp_path / "disk"
    disk.mkdir()
    refusal = mount_small_disk(disk)
    if refusal is not None:
        pytest.skip(refusal)
    arguments = ["--executor", "serial", "--no-tracking", "--out", "disk/study"]
    try:
        done = run_thermometer(tmp_path, "run", STUDY, *LONGER, *arguments, "--max-points", "200")
        assert done.returncode == 3
        before = recorded(disk / "study")
        with full_disk(disk, blocks_left=1):
            full = run_thermometer(tmp_path, "run", STUDY, *arguments)
        assert full.returncode == 3
        assert "disk/study: No space left on device; what was finished is saved" in full.stderr
        assert len(full.stderr.strip().splitlines()) == 1
        done = run_thermometer(tmp_path, "run", STUDY, *arguments)
        assert done.returncode == 0, done.stderr
        shutil.copytree(disk / "study", tmp_path / "study")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    check(tmp_path, undisturbed, before)


def test_second_driver_is_refused(tmp_path, start_thermometer, run_thermometer):
    process = start_thermometer(tmp_path, "run", STUDY, *LONGER, "--out", "study")
    wait_for(tmp_path / "study", 1, process)
    refused = run_thermometer(tmp_path, "run", STUDY, "--out", "study")
    status = run_thermometer(tmp_path, "status", "study")
    assert refused.returncode == 5
    assert f"in use by process {process.pid} on" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert f"driven by process {process.pid}" in status.stdout
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
