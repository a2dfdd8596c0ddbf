"""Pages of docs/contributing, to be followed literally: files to write, changes, commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "contributing"
COPIED = ("analysis", "search_spaces", "studies", "tests", "trainers", "pyproject.toml")


def read(page: str) -> str:
    """Return the text of a page."""
    return (PAGES / f"{page}.md").read_text(encoding="utf-8")


def files_of(page: str) -> dict[str, str]:
    """Return the files that a page shows whole, by path: a path, then its block."""
    pattern = r"^`([\w./-]+)`:\n\n```\w*\n(.*?)^```"
    return dict(re.findall(pattern, read(page), re.DOTALL | re.MULTILINE))


def changes_of(page: str) -> str:
    """Return the changes that a page shows, as one patch."""
    return "".join(re.findall(r"^```diff\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE))


def commands_of(page: str) -> list[str]:
    """Return the commands that a page tells to type."""
    return re.findall(r"^\$ (.*)", read(page), re.MULTILINE)


def install(files: dict[str, str], site: Path) -> None:
    """Put a package where Python finds it, with the entry points of its pyproject.toml."""
    project = tomllib.loads(files["pyproject.toml"])["project"]
    about = f"{project['name']}-{project['version']}.dist-info"
    groups = "\n".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    )
    told = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    installed = {f"{about}/METADATA": told, f"{about}/entry_points.txt": groups}
    installed |= {name: text for name, text in files.items() if "/" in name}
    for name, text in installed.items():
        file = site / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def changed_copy(page: str, folder: Path) -> Path:
    """Return a copy of the project with the changes of a page."""
    for name in COPIED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    for part in changes_of(page).split("--- a/")[1:]:
        header, *pieces = re.split(r"^@@\n", part, flags=re.MULTILINE)
        file = folder / header.partition("\n")[0]
        text = file.read_text(encoding="utf-8")
        for piece in pieces:
            text = changed(text, piece.splitlines(), f"{page}.md, {file.name}")
        file.write_text(text, encoding="utf-8")
    return folder


def changed(text: str, piece: list[str], where: str) -> str:
    """Return a text with one piece of a diff applied; it says by its lines where it belongs."""
    before, after = ("".join(f"{x[1:]}\n" for x in piece if x[:1] != sign) for sign in "+-")
    assert text.count(before) == 1, f"{where}: {before!r} is there {text.count(before)} times"
    return text.replace(before, after)


def type_in(folder: Path, command: str) -> str:
    """Return what a command says, typed in a copy of the project; it must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: exit code {done.returncode}: {done.stdout[-2000:]}"
    return done.stdout
