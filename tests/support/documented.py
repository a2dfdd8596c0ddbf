"""What the documentation tells people to type, and how a test can afford to do it.

Every command line and every block of Python in README.md and docs is executed. What would take
too long is made small by SHORTER, what needs more than this machine is named in NOT_EXECUTED;
both give a reason, and a page may bring new commands of a known kind without touching them.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

TESTED_ELSEWHERE = {
    "docs/howto/cluster.md": "tests/studies/documentation/test_cluster_howto.py executes it",
    **{
        f"docs/contributing/{name}.md": "a test follows it in a copy: tests/support/followed.py"
        for name in ("data", "loss", "observable", "study")
    },
}
"""Pages, with the reason why their commands are only parsed here."""

NOT_EXECUTED = {
    r"^thermometer ui\b": "serves until Ctrl-C; tests/studies/tracking/test_server.py starts it",
    r" --address\b": "needs a running Ray cluster",
    r" --tracking-uri (https?|postgresql|mysql)": "needs a server",
    r"(postgresql|mysql)(\+\w+)?://": "needs a database server",
    r"^(pip|apt|apt-get|conda|docker|sbatch|srun)\b": "installs or submits something",
    r"^make\b": "sets up an environment of its own; .ci/run makes all targets",
}
"""Patterns of commands, with the reason why they are only parsed."""

_GRID = (
    "n_train=[64,256] temperature=[0.1,1] n_seeds=2 "
    "comparison_batch_size=4 comparison_temperature=[0.1]"
)
SHORTER = {
    r"^thermometer run .*\bdesign=adaptive\b": "n_train=[32,64] tolerance=0.3",
    r"^thermometer run .*\bsampler=": "n_train=32 n_trials=2",
    r"^thermometer run .*\balpha=\[": "n_train=[32,64] temperature=[0.1,1] n_seeds=2",
    r"^thermometer run critical-temperature\b": _GRID,
    r"^thermometer run \S+": "--max-points 4",
}
"""What is added to a command that would take long: the first pattern that matches. Studies are
trained at few points, in this process and without MLflow; the documented settings stay."""

SHORTER_PYTHON = {
    "n_seeds=8": "n_seeds=2",
    'RunOptions(executor="serial")': 'RunOptions(executor="serial", tracking=False)',
}
"""The same in blocks of Python."""

INCOMPLETE = 3
"""Exit code of a run that --max-points stopped."""


@dataclass(frozen=True)
class Command:
    """A command line of a page."""

    page: str
    """Path from the root of the project."""
    line: str

    @property
    def words(self) -> list[str]:
        """The command without its comment and without a redirection of its output."""
        words = shlex.split(self.line, comments=True)
        return words[: words.index(">")] if ">" in words else words

    @property
    def program(self) -> str:
        """Its first word."""
        return self.words[0]

    @property
    def why_not(self) -> str | None:
        """Why it is only parsed; None if it is executed."""
        if self.page in TESTED_ELSEWHERE:
            return TESTED_ELSEWHERE[self.page]
        text = " ".join(self.words)
        reasons = (why for pattern, why in NOT_EXECUTED.items() if re.search(pattern, text))
        return next(reasons, None)

    @property
    def affordable(self) -> list[str]:
        """The words to execute."""
        text = " ".join(self.words)
        if not text.startswith("thermometer run"):
            return self.words
        shorter = next(more for pattern, more in SHORTER.items() if re.search(pattern, text))
        return [*self.words, *shlex.split(shorter), *_HERE]


_HERE = ("--executor", "serial", "--no-tracking", "--quiet")


def is_tested_elsewhere(page: Path) -> bool:
    """Whether a page has a test of its own."""
    return page.relative_to(ROOT).as_posix() in TESTED_ELSEWHERE


def commands(page: Path) -> list[Command]:
    """Return the lines of a page's console blocks that follow a prompt."""
    lines = "\n".join(_blocks(page, "console")).replace("\\\n> ", "").splitlines()
    name = page.relative_to(ROOT).as_posix()
    return [Command(name, line[2:]) for line in lines if line.startswith("$ ")]


def python_blocks(page: Path) -> list[str]:
    """Return the blocks of Python of a page, small."""
    blocks = [] if is_tested_elsewhere(page) else _blocks(page, "python")
    for long, short in SHORTER_PYTHON.items():
        blocks = [block.replace(long, short) for block in blocks]
    return blocks


def shell_blocks(page: Path) -> list[str]:
    """Return the blocks that a shell reads and a test may execute."""
    blocks = [] if is_tested_elsewhere(page) else _blocks(page, "bash")
    return [b for b in blocks if not any(re.search(p, b, re.MULTILINE) for p in NOT_EXECUTED)]


def _blocks(page: Path, language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
