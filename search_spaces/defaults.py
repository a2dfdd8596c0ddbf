"""What a setting is when nobody names it: the published protocol of each model and data set."""

from __future__ import annotations

from typing import Any

_LAZY_NETWORK: dict[str, Any] = {"data": "digits", "loss": "hinge", "alpha": 100.0}

MODEL_DEFAULTS: dict[str, dict[str, Any]] = {
    "mlp": {
        **_LAZY_NETWORK,
        "width": 64,
        "depth": 3,
        "activation": "relu",
        "scheme": "sequential",
    },
    "cnn": {
        **_LAZY_NETWORK,
        "width": 32,
        "depth": 4,
        "activation": "relu",
        "scheme": "sequential",
    },
    "perceptron": {
        "data": "perceptron",
        "loss": "hinge",
        "alpha": 1.0,
        "width": 1,
        "depth": 0,
        "activation": "linear",
        "scheme": "jump",
    },
}
"""Defaults by model. A perceptron has no hidden layer: its width and depth are not free."""

DATA_DEFAULTS: dict[str, dict[str, Any]] = {
    "perceptron": {"input_dim": 64, "chi": 1.0},
    "mixture": {"input_dim": 64, "cluster_distance": 1.0},
    "teacher": {"input_dim": 64},
}
"""Parameters of the laws from which synthetic data are drawn; other data have none."""

DATA_PARAMETERS = ("input_dim", "chi", "cluster_distance")
