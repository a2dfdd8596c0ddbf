"""Execute the scripts of examples/gallery and set each as a page: text, code, output, figure.

A script is a docstring, whose first line is the title, code, and a figure of its own name. It
runs in a folder of its own when the site is built; a script that fails stops the build.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "examples" / "gallery").glob("*.py"))


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add a page and a figure for every script."""
    for script in SCRIPTS:
        text, figure = render(script)
        files.append(File.generated(config, f"gallery/{script.stem}.md", content=text))
        files.append(File.generated(config, f"gallery/{script.stem}.svg", content=figure))
    return files


def render(script: Path) -> tuple[str, bytes]:
    """Return the page of a script and its figure."""
    source = script.read_text(encoding="utf-8")
    title, _, text = (ast.get_docstring(ast.parse(source)) or "").partition("\n")
    code = source.split('"""', 2)[2].replace("  # fmt: skip", "").strip()
    with tempfile.TemporaryDirectory() as folder:
        printed = run(script, Path(folder))
        figure = (Path(folder) / f"{script.stem}.svg").read_bytes()
    parts = (
        f"# {title}",
        text.strip(),
        f"![{title}]({script.stem}.svg)",
        f"```python\n{code}\n```",
        "It prints:",
        f"```text\n{printed.strip()}\n```",
        f"`examples/gallery/{script.name}`, executed when this page was made.",
    )
    return "\n\n".join(parts) + "\n", figure


def run(script: Path, folder: Path) -> str:
    """Execute a script in a folder and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PluginError(f"{script.name} failed:\n{done.stderr[-2000:]}")
    return done.stdout
