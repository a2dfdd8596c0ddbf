"""Kinds of studies on tables that hold little: refusals in words, never NaN and never a crash."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementTable
from analysis.report.content import ReportContext
from studies.kinds import KINDS as REGISTRY

KINDS = ("phase-diagram", "batch-regimes", "optimal-temperature")
CELL = ["alpha", "n_train", "temperature", "batch_size"]


def small(alphas=(1.0, 100.0), temperatures=(0.01, 0.1, 1.0), batches=(1, 4), n_seeds=3):
    rng = np.random.default_rng(0)
    cells = pd.MultiIndex.from_product(
        [alphas, (64, 128), temperatures, batches, range(n_seeds)], names=[*CELL, "seed"]
    )
    frame = cells.to_frame(index=False)
    noise = rng.normal(0, 0.1, len(frame))
    return frame.assign(
        relative_weight_change=frame["temperature"] * np.exp(noise),
        test_error=0.1 + 0.1 * noise,
        stop_reason="fitted",
    )


TABLES = {
    "few": small(),
    "one point": small((1.0,), (0.1,), (1,), 1),
    "one seed": small(n_seeds=1),
    "nothing fitted": small().assign(stop_reason="diverged"),
    "no alpha": small((1.0,)).drop(columns="alpha"),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_answers_every_table(kind, name):
    module = REGISTRY.load(kind)
    result = module.analyse(MeasurementTable.from_frame(TABLES[name]))
    numbers = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert {"headline", "counts", "estimates", "verdicts"} <= set(numbers)
    assert result.summary().startswith(result.headline())
    for verdict in numbers["verdicts"].values():
        assert verdict["status"] in ("established", "not established", "contradicted")
        assert verdict["reason"]
        assert set(verdict) == {
            "claim", "status", "reason", "literature", "value", "stderr", "pull",
        }  # fmt: skip
    content = module.content(result, ReportContext(study=kind))
    assert set(content.files) == set(module.tables)
    assert all(answer.headline for answer in content.answers)
