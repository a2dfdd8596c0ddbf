"""Small real studies, trained in seconds, and a command line to drive them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = (
    "n_train=[16,32,64,128]",
    "temperature=[0.03,0.1,0.3,1,1.7]",
    "n_seeds=4",
    "width=16",
    "comparison_batch_size=4",
    "comparison_temperature=[0.1]",
)
"""Settings of a study of 4 x 6 configurations that takes about a second to train."""

N_SMALL = 4 * 6 * 4


@pytest.fixture
def thermometer(tmp_path):
    """Run the command line in a new process, in an empty folder."""

    def run(*arguments: str, check: int | None = None, **options):
        done = subprocess.run(
            [sys.executable, "-m", "studies", *arguments],
            cwd=tmp_path,
            env=command_environment(),
            capture_output=True,
            text=True,
            timeout=240,
            **options,
        )
        if check is not None:
            assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
        return done

    return run


def command_environment() -> dict[str, str]:
    """Return the environment in which the source tree is importable from any folder."""
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(root), "MLFLOW_DISABLE_TELEMETRY": "true"}


@pytest.fixture
def small() -> tuple[str, ...]:
    """Settings of the small study."""
    return SMALL
