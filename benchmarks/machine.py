"""What pages of benchmarks have in common: the machine's description, tables and sections."""

from __future__ import annotations

import platform
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"


def processor() -> str:
    """Describe the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    names = [line for line in text.splitlines() if line.startswith("model name")]
    model = names[0].split(":")[1].strip() if names else platform.processor()
    return model + (" with AVX-512" if "avx512f" in text else "")


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def publish(text: str, only_print: bool) -> None:
    """Put a section in its place on the page of benchmarks, or print it."""
    if only_print:
        print(text, end="")
    else:
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
        print(f"wrote {PAGE}")


def with_section(page: str, new: str) -> str:
    """Return the page with the section of the same title replaced, or added at its end.

    >>> with_section("A\\n## Opening a report\\nold\\n\\n## B\\n", "## Opening a report\\nnew\\n")
    'A\\n## Opening a report\\nnew\\n\\n## B\\n'
    """
    title = new.partition("\n")[0]
    pattern = re.compile(rf"^{re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(page) is None:
        return f"{page.rstrip()}\n\n{new}"
    return pattern.sub(lambda _: f"{new}\n", page).rstrip() + "\n"
