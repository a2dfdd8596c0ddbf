"""Settings of a small real study: 40 configurations, seconds of training, all laws determined."""

from __future__ import annotations

import os
from pathlib import Path

SMALL = (
    "n_train=[32,64,128,256]",
    "temperature=[0.0005,0.001,0.003,0.01,0.03,0.1,0.3,1,1.7]",
    "n_seeds=4",
    "comparison_batch_size=4",
    "comparison_temperature=[0.1]",
)
N_CONFIGURATIONS = 4 * (9 + 1)
N_SMALL = 4 * N_CONFIGURATIONS


def command_environment() -> dict[str, str]:
    """Return the environment in which the source tree is importable from any folder."""
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(root), "MLFLOW_DISABLE_TELEMETRY": "true"}
