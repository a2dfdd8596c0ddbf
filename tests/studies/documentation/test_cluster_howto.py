"""The page docs/howto/cluster.md works as it is written: its commands are read from its text."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ray_nodes import MARK, free_port, kill, marked

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/howto/cluster.md"
PROGRAMS = {"ray": "ray.scripts.scripts", "thermometer": "studies", "mlflow": "mlflow"}
NAMES = re.compile(r"\b(?:6411|8311|5411)\b|/tmp/ray-howto")
"""Ports and a folder of the page, which may be taken on this machine."""


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line[2:] for line in "\n".join(blocks).splitlines() if line.startswith("$ ")]


def ray_command(words: list[str]):
    """Find the click command and the arguments of a `ray` line."""
    from ray.scripts.scripts import cli

    command, rest = cli, words[1:]
    while hasattr(command, "commands"):
        name, *rest = rest
        command = command.commands[name]
    return command, rest


def write_programs(folder: Path) -> Path:
    """Make the programs that the page calls, as if they were installed."""
    programs = folder / "bin"
    programs.mkdir()
    for name, module in PROGRAMS.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (programs / name).chmod(0o755)
    return programs


def page_environment(programs: Path, home: Path, mark: str) -> dict[str, str]:
    """Return the environment of somebody who has no Ray yet."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RAY_raylet_start_wait_time_s": "240",  # on a busy machine
        "THERMOMETER_ENV": str(programs.parent),
        MARK: mark,
    }


def run_to_the_end(script: Path, *arguments: str, environment: dict[str, str], timeout: int):
    """Run a script, which must succeed, in the folder of the programs; end what it leaves."""
    home = Path(environment["HOME"])
    try:
        # Not through pipes: nodes that outlive the script keep them open.
        with (home / "output").open("wb") as output:
            code = subprocess.run(
                ["bash", script, *arguments],
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=timeout,
                check=False,
            ).returncode
        assert code == 0, (home / "output").read_text()[-3000:]
    finally:
        for pid in marked(environment[MARK]):
            kill(pid)


def test_every_command_is_bash_that_ray_understands():
    script = "\n".join(commands())
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    lines = [line for line in commands() if line.startswith("ray ")]
    assert len(lines) > 5
    for line in lines:
        words = re.sub(r"\d?> ?\S+|&\d|&", "", line).split()
        if words[1] == "job":
            pytest.importorskip("aiohttp_cors", reason="needs the extra cluster")
        command, arguments = ray_command(words)
        known = {option for parameter in command.params for option in parameter.opts}
        for word in arguments[: arguments.index("--")] if "--" in arguments else arguments:
            assert not word.startswith("-") or word.partition("=")[0] in known, line


def test_ready_files_are_valid():
    from ray.autoscaler._private.util import prepare_config, validate_config

    folder = ROOT / "examples/cluster"
    config = yaml.safe_load((folder / "cluster.yaml").read_text(encoding="utf-8"))
    validate_config(prepare_config(config))
    assert subprocess.run(["bash", "-n", folder / "slurm.sh"], check=False).returncode == 0


SLURM = {
    # Runs the command here, whatever the options before it ask for.
    "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": "echo first; echo second",
}


@pytest.mark.verify
@pytest.mark.timeout(1500)
def test_the_slurm_script_runs_a_study_in_place_of_slurm(tmp_path):
    """Run its logic on real Ray nodes; only SLURM's own programs are stand-ins."""
    mark = f"slurm-{os.getpid()}"
    programs = write_programs(tmp_path)
    for name, text in SLURM.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    settings = ["n_train=[64,128]", "temperature=[0.01,0.1,1]", "n_seeds=8", "--no-tracking"]
    settings += ["comparison_batch_size=null", "comparison_temperature=null", "--out", "study"]
    environment = {
        **page_environment(programs, tmp_path, mark),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "two",
        "SLURM_CPUS_PER_TASK": "1",
    }
    script = ROOT / "examples/cluster/slurm.sh"
    arguments = ("critical-temperature", *settings)
    run_to_the_end(script, *arguments, environment=environment, timeout=1400)
    assert (tmp_path / "study/report.html").exists()


@pytest.mark.verify
@pytest.mark.timeout(3000)
def test_the_page_works_when_followed_literally(tmp_path):
    pytest.importorskip("aiohttp_cors", reason="needs the extra cluster")
    mark = f"howto-{os.getpid()}"
    others = {name: f"/tmp/{mark}" if "/" in name else str(free_port()) for name in set(
        NAMES.findall(PAGE.read_text(encoding="utf-8"))
    )}  # fmt: skip
    environment = page_environment(write_programs(tmp_path), tmp_path, mark)
    text = "\n".join(commands())
    for name, other in others.items():
        text = text.replace(name, other)
    # As in a terminal, every background job has a process group; a failing command ends it.
    script = tmp_path / "page.sh"
    script.write_text(f"set -m -e -x\n{text}\n")
    run_to_the_end(script, environment=environment, timeout=2900)
