"""The page docs/howto/cluster.md works as it is written: its commands are read from its text."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ray_nodes import MARK, free_port, kill, marked

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.verify
@pytest.mark.timeout(3000)
def test_the_page_works_when_followed_literally(tmp_path):
    pytest.importorskip("aiohttp_cors", reason="needs the extra cluster")
    mark = f"howto-{os.getpid()}"
    others = {name: f"/tmp/{mark}" if "/" in name else str(free_port()) for name in set(
        NAMES.findall(PAGE.read_text(encoding="utf-8"))
    )}  # fmt: skip
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in PROGRAMS.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (programs / name).chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("RAY_")},
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        MARK: mark,
    }
    text = "\n".join(commands())
    for name, other in others.items():
        text = text.replace(name, other)
    # As in a terminal, every background job has a process group; a failing command ends it.
    script = tmp_path / "page.sh"
    script.write_text(f"set -m -e -x\n{text}\n")
    try:
        with (tmp_path / "output").open("wb") as output:
            code = subprocess.run(
                ["bash", script],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=2900,
                check=False,
            ).returncode
        assert code == 0, (tmp_path / "output").read_text()[-3000:]
    finally:
        for pid in marked(mark):
            kill(pid)
