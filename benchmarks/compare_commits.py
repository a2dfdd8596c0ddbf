"""Show that two checkouts give the same studies: tables, reports, figures' numbers and MLflow.

``python -m benchmarks.compare_commits OLD NEW`` analyses every table of tests/golden with the
``thermometer`` of both checkouts (each with a ``.venv`` of its own); ``--folders RUNS`` writes the
reports of finished studies, and the page that compares them, again in both; ``--studies quick``
runs that preset of all studies in both, on one core, and compares tables of trainings byte for
byte and what MLflow holds. Words must be equal, numbers to 1e-9; dates, commits, ids and times may
differ. Exit code 1 if anything else does.
"""

from __future__ import annotations

import argparse
import difflib
import gzip
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

TOLERANCE = 1e-9
GOLDEN = Path("tests/golden")
_NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")
_CHANGING = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?"
    r"|\b(?=\d*[a-f])[0-9a-f]{12,40}\b|/\S*/(?=[\w.-]+)"
)
_DRAWINGS = re.compile(
    r"<svg.*?</svg>|data:[^\"]*|<style.*?</style>|<script.*?</script>", re.DOTALL
)
_SPEED = re.compile(r"[\d.]+ core seconds in \d+ trials")
_TIMES = {"seconds", "duration", "started", "ended", "written"}
_STORE = """
import json, sys
from mlflow.tracking import MlflowClient
client, runs, kept = MlflowClient(sys.argv[1]), {}, ("metrics", "params", "tags")
for experiment in client.search_experiments():
    token = None
    while True:
        page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
        for run in page:
            data = {name: dict(getattr(run.data, name)) for name in kept}
            data["tags"].pop("mlflow.parentRunId", None)
            data["status"], data["name"] = run.info.status, run.info.run_name
            name = json.dumps(sorted(data["params"].items())) + str(run.info.run_name)
            runs.setdefault(name, []).append(data)
        token = page.token
        if not token:
            break
for same in runs.values():
    same.sort(key=lambda run: json.dumps(run, sort_keys=True))
print(json.dumps(runs, sort_keys=True))
"""


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield where two values of JSON differ, numbers by more than the tolerance.

    >>> list(differences({"a": [1.0, "x"]}, {"a": [1.0 + 1e-12, "y"]}))
    ["/a/1: 'x' is now 'y'"]
    """
    if isinstance(old, dict) and isinstance(new, dict):
        if list(old) != list(new) and set(old) == set(new):
            yield f"{place}: the order of the keys differs"
        for key in {**old, **new}:
            if key in _TIMES:
                continue
            missing = object()
            before, after = old.get(key, missing), new.get(key, missing)
            if before is missing or after is missing:
                yield f"{place}/{key}: only in the {'new' if before is missing else 'old'} one"
            else:
                yield from differences(before, after, f"{place}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{place}/{i}")
    elif not is_same(old, new):
        yield f"{place}: {old!r} is now {new!r}"


def is_same(old: Any, new: Any) -> bool:
    """Whether two plain values are equal, numbers to the tolerance.

    >>> is_same("T_c = 4.560000000001(2) on 2026-01-02", "T_c = 4.56(2) on 2026-01-03")
    True
    """
    numbers = (int, float)
    if isinstance(old, numbers) and isinstance(new, numbers):
        return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=1e-300) or (old != old != new)
    if not (isinstance(old, str) and isinstance(new, str)):
        return bool(old == new)
    old, new = (_CHANGING.sub("", _SPEED.sub("", text)) for text in (old, new))
    if old == new:
        return True
    before, after = _NUMBER.findall(old), _NUMBER.findall(new)
    return _NUMBER.sub("#", old) == _NUMBER.sub("#", new) and all(
        math.isclose(float(a), float(b), rel_tol=TOLERANCE)
        for a, b in zip(before, after, strict=True)
    )


def text_differences(old: Path, new: Path) -> Iterator[str]:
    """Yield the lines in which two text files differ, drawings aside."""
    texts = (_DRAWINGS.sub("", path.read_text(encoding="utf-8")) for path in (old, new))
    before, after = (text.splitlines() for text in texts)
    for number, (a, b) in enumerate(zip_longest(before, after, fillvalue=""), start=1):
        if not is_same(a, b):
            yield f"line {number}: {_difference(a, b)}"


def _difference(old: str, new: str) -> str:
    """Return the first stretch in which two lines differ, with a little around it."""
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old[:4000], new[:4000]).get_opcodes():
        if tag != "equal":
            return f"{old[max(a - 40, 0) : b + 40]!r} is now {new[max(c - 40, 0) : d + 40]!r}"
    return f"{old[:120]!r} is now {new[:120]!r}"


def folder_differences(old: Path, new: Path) -> Iterator[str]:
    """Yield how two folders of results differ: files, JSON, CSV, pages and bibliographies."""
    names = [{str(p.relative_to(f)) for p in f.rglob("*") if p.is_file()} for f in (old, new)]
    kept = [{name for name in each if not name.startswith("ml")} for each in names]
    for name in sorted(kept[0] ^ kept[1]):
        yield f"{name}: only in the {'old' if name in kept[0] else 'new'} one"
    for name in sorted(kept[0] & kept[1]):
        a, b = old / name, new / name
        found: Iterator[str] = iter(())
        if name == "table.csv" and a.read_bytes() != b.read_bytes():
            found = iter(["not equal byte for byte"])
        elif name.endswith(".json"):
            found = differences(*(json.loads(p.read_text(encoding="utf-8")) for p in (a, b)))
        elif name.endswith((".csv", ".bib", ".yaml", ".html")) and name != "provenance.csv":
            found = text_differences(a, b)
        for each in found:
            yield f"{name}: {each}"


def thermometer(checkout: Path, *arguments: str) -> None:
    """Run a checkout's console script; what it says goes to the caller only if it fails."""
    command = [str(checkout.resolve() / ".venv/bin/thermometer"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def store(checkout: Path, folder: Path) -> Any:
    """Return what MLflow's client shows of a study's runs."""
    python, uri = checkout.resolve() / ".venv/bin/python", f"sqlite:///{folder / 'mlflow.db'}"
    shown = subprocess.run(
        [str(python), "-P", "-c", _STORE, uri], capture_output=True, text=True, check=True
    )
    return json.loads(shown.stdout)


def compare_golden(old: Path, new: Path, home: Path) -> Iterator[str]:
    """Yield differences of the reports on all golden tables."""
    for archive in sorted(GOLDEN.glob("*.csv.gz")):
        name = archive.name.removesuffix(".csv.gz")
        table = home / f"{name}.csv"
        table.write_bytes(gzip.decompress(archive.read_bytes()))
        folders = [home / "golden" / side / name for side in ("old", "new")]
        for checkout, folder in zip((old, new), folders, strict=True):
            thermometer(checkout, "report", str(table), "-o", str(folder), "--quiet")
        found = list(folder_differences(*folders))
        print(f"golden {name}: {len(found) or 'no'} differences", flush=True)
        yield from (f"golden {name}: {each}" for each in found)


def compare_folders(old: Path, new: Path, home: Path, runs: Path) -> Iterator[str]:
    """Yield differences of the reports on finished studies, and on all of them together."""
    sources = sorted(str(spec.parent) for spec in runs.glob("*/spec.yaml"))
    jobs = {Path(source).name: [source] for source in sources} | {"comparison": sources}
    for name, given in jobs.items():
        folders = [home / "folders" / side / name for side in ("old", "new")]
        for checkout, folder in zip((old, new), folders, strict=True):
            thermometer(checkout, "report", *given, "-o", str(folder), "--quiet")
        found = list(folder_differences(*folders))
        print(f"folder {name}: {len(found) or 'no'} differences", flush=True)
        yield from (f"folder {name}: {each}" for each in found)


def compare_studies(
    old: Path, new: Path, home: Path, preset: str, only: list[str]
) -> Iterator[str]:
    """Yield differences of whole studies, trained in both checkouts on one core."""
    for recipe in sorted((new / "studies/recipes").glob("*.yaml")):
        name = recipe.stem
        if only and name not in only:
            continue
        folders = [home / "studies" / side / name for side in ("old", "new")]
        for checkout, folder in zip((old, new), folders, strict=True):
            options = ("--preset", preset, "--executor", "serial", "--quiet", "--out", str(folder))
            thermometer(checkout, "run", name, *options)
        found = list(folder_differences(*folders))
        found += [
            f"MLflow: {d}" for d in differences(store(old, folders[0]), store(new, folders[1]))
        ]
        print(f"study {name}: {len(found) or 'no'} differences", flush=True)
        yield from (f"study {name}: {each}" for each in found)


def main() -> int:
    """Compare and list what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--studies", metavar="PRESET", help="also run this preset of all studies")
    parser.add_argument("--folders", type=Path, metavar="RUNS", help="finished studies")
    parser.add_argument("--only", nargs="*", default=[], help="names of studies")
    parser.add_argument("--home", type=Path, help="keep the results here")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = asked.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        found = list(compare_golden(asked.old, asked.new, home))
        if asked.folders:
            found += compare_folders(asked.old, asked.new, home, asked.folders)
        if asked.studies:
            found += compare_studies(asked.old, asked.new, home, asked.studies, asked.only)
    print("\n".join(found) or "equal")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
