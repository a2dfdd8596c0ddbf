"""Which data sets the configurations of a study learn, as MLflow's pages show them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from search_spaces.choices import DATA
from search_spaces.defaults import DATA_PARAMETERS
from studies.contracts import Configuration


@dataclass(frozen=True)
class DataUsed:
    """A data set or a law of data."""

    name: str
    """Such as `digits`."""
    digest: str
    """Hash of its images and labels, or of the settings of its law."""
    size: int | None
    """Number of points; None for a law, which draws as many as one asks for."""
    input_dim: int
    description: str
    settings: tuple[tuple[str, float], ...]
    """Of a law."""


def data_used(points: Iterable[Configuration]) -> tuple[DataUsed, ...]:
    """Return every data set of some configurations once, in the order of first appearance."""
    from trainers.data import FiniteDataset, load_dataset

    found: dict[tuple[str, tuple[tuple[str, float], ...]], DataUsed] = {}
    for point in points:
        columns = point.columns()
        name = columns.get("data")
        if name not in DATA:
            continue  # model dynamics have none
        given = ((key, columns.get(key)) for key in DATA_PARAMETERS)
        settings = tuple((key, value) for key, value in given if value is not None)
        if (name, settings) in found:
            continue
        dataset = load_dataset(name, **dict(settings))
        digest = dataset.digest if isinstance(dataset, FiniteDataset) else _digest(name, settings)
        found[name, settings] = DataUsed(
            name, digest, dataset.size, dataset.input_dim, dataset.description, settings
        )
    return tuple(found.values())


def _digest(name: str, settings: object) -> str:
    return hashlib.sha256(json.dumps([name, settings]).encode()).hexdigest()[:16]


def dataset_input(data: DataUsed) -> Any:
    """Return MLflow's entity for a data set that was trained on."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = {"num_rows": data.size, "num_features": data.input_dim, **dict(data.settings)}
    source = {"description": data.description, "loader": "trainers.data.load_dataset"}
    entity = Dataset(
        name=data.name,
        digest=data.digest,
        source_type="code",
        source=json.dumps(source, ensure_ascii=False),
        profile=json.dumps({key: v for key, v in profile.items() if v is not None}),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])
