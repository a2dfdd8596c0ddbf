"""Certified tables: curves with known exponents, noise per run and noise common to a seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SIZES = (64, 128, 256, 512, 1024)
TEMPERATURES = tuple(float(f"{10 ** (k / 4):.6g}") for k in range(-14, 2))

GAMMA, DELTA, B_EXPONENT = 0.36, 1.0, 1.27
T_NOISE = 0.0049
PLATEAU = 0.0004 / 64**GAMMA
"""dw = PLATEAU P^GAMMA (1 + T/T_NOISE)^DELTA: the additive law near the published numbers."""


def critical_temperature(size: float, threshold: float) -> float:
    """T_lazy(c) of the certified curves, in closed form."""
    ratio = threshold / (PLATEAU * size**GAMMA)
    return float(T_NOISE * (ratio ** (1 / DELTA) - 1))


def make_table(
    n_seeds: int = 32,
    *,
    sizes: tuple[int, ...] = SIZES,
    temperatures: tuple[float, ...] = TEMPERATURES,
    batch_size: int = 1,
    run_noise: float = 0.10,
    seed_noise: float = 0.08,
    time_noise: float = 0.3,
    factor: float = 1.0,
    random: int = 0,
) -> pd.DataFrame:
    """One row per replica of the certified law; seeds are shared over P and T."""
    rng = np.random.default_rng([random, batch_size])
    common = np.random.default_rng([random, 77]).normal(0, seed_noise, n_seeds)
    p, t, s = (
        axis.ravel() for axis in np.meshgrid(sizes, temperatures, range(n_seeds), indexing="ij")
    )
    noise = rng.normal(0, run_noise, p.size) + common[s]
    change = factor * PLATEAU * p**GAMMA * (1 + t / T_NOISE) ** DELTA * np.exp(noise)
    presentations = 330 * (p / 64.0) ** B_EXPONENT * np.maximum(1, 0.5 * T_NOISE / t)
    time = t * presentations * np.exp(rng.normal(0, time_noise, p.size))
    error = 0.14 * (p / 64.0) ** -0.55 * np.exp(rng.normal(0, 0.2, p.size))
    return pd.DataFrame(
        {
            "data": "digits",
            "model": "mlp",
            "loss": "hinge",
            "activation": "relu",
            "dtype": "float32",
            "alpha": 100.0,
            "width": 64,
            "depth": 3,
            "temperature": t,
            "learning_rate": t * batch_size,
            "batch_size": batch_size,
            "n_train": p,
            "seed": s,
            "relative_weight_change": change,
            "training_time": time,
            "n_presentations": np.rint(time / t).astype(int),
            "test_error": error,
            "stop_reason": "fitted",
        }
    )


def make_study(n_seeds: int = 32, random: int = 0) -> pd.DataFrame:
    """The default study: 5 sizes x 16 temperatures at B = 1, and four temperatures at B = 4."""
    few = (0.01, 0.0316228, 0.1, 0.316228)
    return pd.concat(
        [
            make_table(n_seeds, random=random),
            make_table(n_seeds, temperatures=few, batch_size=4, factor=1.02, random=random),
        ],
        ignore_index=True,
    )


@pytest.fixture
def synthetic_table() -> Callable[..., pd.DataFrame]:
    return make_table


@pytest.fixture
def synthetic_study() -> Callable[..., pd.DataFrame]:
    return make_study


@pytest.fixture(scope="session")
def synthetic_study_of_16_seeds() -> pd.DataFrame:
    """One study for tests that share an expensive result."""
    return make_study(16)


@pytest.fixture
def certified_temperature() -> Callable[[float, float], float]:
    return critical_temperature


@pytest.fixture
def published_table() -> pd.DataFrame:
    """Geometric means of 64 seeds measured on digits parity (alpha = 100, B = 1, h = 64)."""
    wide = pd.read_csv(Path(__file__).parent / "published_weight_change.csv", comment="#")
    tidy = wide.melt("temperature", var_name="n_train", value_name="relative_weight_change")
    return tidy.assign(n_train=tidy["n_train"].astype(int), stop_reason="fitted")
