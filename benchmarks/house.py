"""Print the figures of the house: lines, modules per folder, circles, imports upwards.

``python -m benchmarks.house`` prints what `tests/test_house.py` keeps within bounds.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLOORS = (("search_spaces",), ("trainers", "analysis"), ("studies",))
"""Packages, ground first; those of one floor do not see each other."""
PACKAGES = tuple(name for floor in FLOORS for name in floor)


def modules() -> dict[str, Path]:
    """Return the files of the packages by dotted name, a package by its own."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def count_lines() -> int:
    """Return the lines of Python outside tests, benchmarks and documentation."""
    return sum(len(path.read_text("utf-8").splitlines()) for path in modules().values())


def modules_per_folder() -> Counter[str]:
    """Return how many modules each folder holds, `__init__` left out."""
    files = (path for path in modules().values() if path.name != "__init__.py")
    return Counter(path.parent.relative_to(ROOT).as_posix() for path in files)


def import_graph() -> dict[str, set[str]]:
    """Return what each module imports of ours, within functions and for type checking too."""
    files = modules()
    return {name: set(_imports(name, path, files)) - {name} for name, path in files.items()}


def _imports(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if (found := whole if whole in files else node.module) in files:
                    yield found


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def upward_imports(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the imports of a package by one on its own floor or below."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    pairs = ((a, b) for a, others in graph.items() for b in others)
    crossing = ((a, b, a.partition(".")[0], b.partition(".")[0]) for a, b in pairs)
    return sorted(f"{a} -> {b}" for a, b, p, q in crossing if p != q and floor[p] <= floor[q])


def main() -> None:
    """Print the figures."""
    graph = import_graph()
    print(f"lines of Python: {count_lines()}")
    print(f"modules: {len(graph)}")
    print(f"circles: {circles(graph) or 'none'}")
    print(f"imports upwards: {upward_imports(graph) or 'none'}")
    for folder, n in modules_per_folder().most_common():
        print(f"{n:4d} {folder}")


if __name__ == "__main__":
    main()
