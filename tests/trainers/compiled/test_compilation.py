"""The key of the kernels' cache: everything that compiled code is made of, and little else."""

import ast
from pathlib import Path

import trainers
from trainers.compiled.compilation import kernel_files

ROOT = Path(trainers.__file__).parent


def module_file(name):
    """Return the file of a module of trainers, None for a package or another name."""
    file = ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")
    return file if name.startswith("trainers.") and file.exists() else None


def imported_names(tree):
    """Return where each imported name comes from."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def compiled_functions(tree):
    """Return the functions that carry the decorator of a kernel."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(
            "compiled" in ast.unparse(mark) or "intrinsic" in ast.unparse(mark)
            for mark in node.decorator_list
        ):
            yield node


def test_every_source_of_compiled_code_is_part_of_the_key():
    known, found = set(kernel_files()), set()
    for file in ROOT.rglob("*.py"):
        tree = ast.parse(file.read_text())
        origin = imported_names(tree)
        functions = list(compiled_functions(tree))
        if functions or origin.get("compiled") == "trainers.compiled.compilation":
            found.add(file)
        names = {n.id for f in functions for n in ast.walk(f) if isinstance(n, ast.Name)}
        # What a module computes when it is imported may be a constant of its kernels.
        if functions:
            names |= {n.id for line in tree.body if isinstance(line, ast.Assign)
                      for n in ast.walk(line) if isinstance(n, ast.Name)}  # fmt: skip
        found |= {module_file(origin[n]) for n in names if n in origin} - {None}
    assert len(found) > 20
    assert found <= known, sorted(str(f) for f in found - known)


def test_data_sets_and_theory_do_not_recompile_anything():
    changing = {ROOT / "data/openml.py", ROOT / "trainer.py", ROOT / "probes/measure.py"}
    assert not changing & set(kernel_files())
