"""What the documentation tells people to type does what it says.

Commands are executed page by page, in one folder that holds the demo's study, small.
"""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from documented import (
    INCOMPLETE,
    PAGES,
    ROOT,
    SHORTER,
    SHORTER_PYTHON,
    Command,
    commands,
    python_blocks,
    shell_blocks,
)
from small_study import command_environment

from studies.cli import _run, cli

DEMO = Command("Makefile", "thermometer run critical-temperature --out runs/critical-temperature")
ADVICE = (
    "every command of the documentation is executed: mend it, make it shorter in SHORTER, or "
    "name it in NOT_EXECUTED with a reason, all in tests/support/documented.py"
)
EXECUTED = [page for page in PAGES if commands(page) or python_blocks(page) or shell_blocks(page)]
COMMANDS = [command for page in PAGES for command in commands(page)]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder as a reader has it after ``make demo``, with a table of somebody else's."""
    folder = tmp_path_factory.mktemp("reader")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert _run(DEMO.affordable[1:]) == 0
        table = folder / "runs" / "critical-temperature" / "table.csv"
        shutil.copy(table, folder / "somebody-elses-table.csv")
        shutil.copytree(ROOT / "examples", folder / "examples")
        yield folder
    finally:
        os.chdir(before)


def test_there_are_commands():
    assert len(COMMANDS) > 15
    assert len(EXECUTED) > 3


def test_the_demo_is_that_of_the_makefile():
    recipe = (ROOT / "Makefile").read_text().replace("$(BIN)/", "").replace("$(DEMO)", "%s")
    assert DEMO.line.replace("runs/critical-temperature", "%s") in recipe


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: f"{c.page}: {c.line[:50]}")
def test_command_is_understood(command):
    if command.program == "make":
        targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert {word for word in command.words[1:] if "=" not in word} <= targets
    elif command.program == "thermometer":
        name, *arguments = command.words[1:]
        found = cli.get_command(click.Context(cli), name)
        assert found is not None
        found.make_context(name, arguments)
    elif command.why_not is None:
        assert command.program in ("python", "cp"), f"{command.line!r}: {ADVICE}"


@pytest.mark.docs
@pytest.mark.timeout(900, func_only=True)
@pytest.mark.parametrize("page", EXECUTED, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_page_is_executed(page, workplace, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for number, block in enumerate(python_blocks(page)):
        script = tmp_path / f"block_{number}.py"
        script.write_text(block, encoding="utf-8")
        runpy.run_path(str(script))
    for block in shell_blocks(page):
        _check(page.name, block, *_run_program(["bash", "-euc", block]))
    told_before = frozenset(_EXECUTED)
    for command in commands(page):
        words = tuple(command.affordable)
        if command.why_not is not None or words in told_before:
            continue
        _EXECUTED.add(words)
        if command.program == "thermometer":
            code = _run(command.affordable[1:])
            said = "".join(capfd.readouterr())
            stopped = code == INCOMPLETE and "--max-points" in command.affordable
            _check(page.name, command.line, 0 if stopped else code, said)
        else:
            _check(page.name, command.line, *_run_program(command.words))


_EXECUTED: set[tuple[str, ...]] = set()
"""Commands that a page before has shown to work: several pages name the same ones."""


def _check(page, text, code, said):
    assert code == 0, f"{page}: {text!r}: exit code {code}: {said[-600:]}; {ADVICE}"


def _run_program(words):
    """Return exit code and output of a program; `python` is this one."""
    program = sys.executable if words[0] == "python" else words[0]
    done = subprocess.run(
        [program, *words[1:]],
        env={**command_environment(), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=False,
    )
    return done.returncode, done.stdout


def test_exceptions_are_needed():
    """An exception that no command needs any more is forgotten rubbish."""
    texts = [" ".join(command.words) for command in COMMANDS]
    idle = [p for p in SHORTER if not any(re.search(p, text) for text in texts)]
    assert not idle, idle
    blocks = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert all(long in blocks for long in SHORTER_PYTHON)


def test_every_page_is_in_the_site():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    names = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]]
    missing = [name for name in names if f": {name}\n" not in navigation]
    assert not missing, f"not in the nav of mkdocs.yml: {missing}"


def test_make_targets_exist():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:\$ |`)make (\w+)", text))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= targets
