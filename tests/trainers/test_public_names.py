"""Users import from `trainers` alone, and a worker that trains pays for nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import trainers

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/howto/*.md"), *ROOT.glob("examples/**/*.py")]


def test_every_documented_name_is_exported():
    members = re.findall(r"members: \[(.*)\]", (ROOT / "docs/api/trainers.md").read_text())
    names = {name for line in members for name in line.split(", ")}
    assert len(names) > 30
    assert names <= set(trainers.__all__)
    assert all(hasattr(trainers, name) for name in trainers.__all__)


def test_no_page_and_no_example_names_a_folder_of_trainers():
    for page in PAGES:
        named = re.findall(r"trainers\.[a-z_]+\.[a-zA-Z_.]+|from trainers\.\S+", page.read_text())
        assert not named, page


def test_what_is_not_asked_for_is_not_loaded():
    code = (
        "import sys, trainers; before = 'torch' in sys.modules; trainers.OwnModel;"
        "print(before, 'torch' in sys.modules, 'OwnModel' in dir(trainers))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["False", "True", "True"]


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(trainers, "nothing")
