"""What MLflow shows in words: keys, notes, and where a study comes from.

Notes are Markdown, in which HTML would be HTML, so names of studies are escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from studies import provenance
from studies.contracts import Result
from studies.folder import StudyFolder
from studies.kinds import KINDS
from studies.specs.spec import StudySpec
from studies.tracking.uri import noted_parent, web_address
from studies.tracking.values import Subject

_LONGEST_TAG, _LONGEST_SETTING = 8000, 6000
_MOST_LINKS = 12
_VERSIONS = ("sgd-thermometer", "python", "numpy", "torch", "processor")


def metric_key(key: str) -> str:
    """Return an MLflow key for a key of report.json.

    >>> metric_key("a[lazy,c=0.1,alpha=100]")
    'a_lazy_c0.1_alpha100'
    """
    return re.sub(r"[^\w.]+", "_", key.replace("=", "")).strip("_")


def parent_metrics(estimates: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the metrics of the parent run: values and standard errors of the laws."""
    metrics = {}
    for key, estimate in estimates.items():
        if "n_train=" in key:
            continue  # the temperatures of single sizes are in t_c.csv
        for part, suffix in (("value", ""), ("stderr", "_stderr")):
            value = estimate.get(part)
            if isinstance(value, int | float):
                metrics[metric_key(key) + suffix] = float(value)
    return metrics


def study_key(folder: StudyFolder) -> str:
    """Return the folder's path as MLflow's filters can compare it: different for each folder."""
    path = str(folder.path).replace("%", "%25")
    for mark in "'\"`\\":
        path = path.replace(mark, f"%{ord(mark):02X}")
    return path


def short_text(text: str) -> str:
    """Return text that MLflow takes as a tag."""
    return text if len(text) <= _LONGEST_TAG else f"{text[: _LONGEST_TAG - 4]} ..."


def number_text(value: Any) -> str:
    """Return a parameter as MLflow's plots read it: numbers as plain numbers."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def markdown(text: str) -> str:
    r"""Return text that Markdown shows as it is.

    >>> markdown('<img src=x> [a](b) *c*')
    '&lt;img src=x&gt; \\[a\\](b) \\*c\\*'
    """
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", html.escape(text, quote=False))


def experiment_note(spec: StudySpec) -> str:
    """Return the description of an experiment: what to look at in it."""
    title = markdown(spec.texts.get("title", spec.study))
    question = markdown(spec.texts.get("question", ""))
    return (
        f"**{title}**\n\n{question}\n\n"
        "A run with an arrow is a study: its laws are metrics, its report, tables and figures are "
        "artifacts. The runs below it are its configurations, each the mean over its seeds.\n\n"
        f"{KINDS.load(spec.kind).compare}\n"
    )


def study_note(spec: StudySpec, result: Result, ids: Mapping[str, str]) -> str:
    """Return the description of a study's parent run."""
    title = markdown(spec.texts.get("title", spec.study))
    headline = markdown(result.headline()).replace("\n", "\n\n")
    fence = "```" if "```" not in result.summary() else "~~~~~~"
    return (
        f"**{title}**\n\n{headline}\n\n{fence}\n{result.summary()}\n{fence}\n\n"
        f"{KINDS.load(spec.kind).compare}\n\n[The report]({artifact_page(ids, 'report.html')})\n"
    )


def configuration_note(study: str, ids: Mapping[str, str], identity: str, n_seeds: int) -> str:
    """Return the description of a nested run."""
    seeds = "1 seed" if n_seeds == 1 else f"means over {n_seeds} seeds with standard errors"
    return (
        f"Configuration `{identity}` of [{markdown(study)}]({run_page(ids)}): {seeds}. "
        "Single seeds: `table.csv` of the study.\n"
    )


def run_page(ids: Mapping[str, str], base: str = "") -> str:
    """Return the address of the parent run's page; without `base`, seen from MLflow's pages."""
    return f"{base}#/experiments/{ids.get('experiment_id', '')}/runs/{ids.get('run_id', '')}"


def artifact_page(ids: Mapping[str, str], name: str, base: str = "") -> str:
    """Return the address of the page that previews an artifact of the parent run."""
    return f"{run_page(ids, base)}/artifacts/{name}"


def links_to_runs(ids: Mapping[str, str], sizes: Sequence[int]) -> dict[str, str]:
    """Return links from a report to the study's runs, if they are where browsers reach them.

    Parameters
    ----------
    sizes
        Numbers of training points, each with a link to its runs; more than a dozen have none.
    """
    base = web_address(ids.get("uri", ""))
    if base is None or "run_id" not in ids:
        return {}
    address = f"{base}/{run_page(ids)}"
    links = {"Its run in MLflow": address}
    for size in sizes if len(sizes) <= _MOST_LINKS else ():
        links[f"P = {size}"] = _filtered(base, ids, f" and params.n_train = '{size}'")
    return {**links, "All configurations": _filtered(base, ids)}


def _filtered(base: str, ids: Mapping[str, str], condition: str = "") -> str:
    """Return the address of MLflow's list of a study's nested runs."""
    wanted = f"tags.`mlflow.parentRunId` = '{ids['run_id']}'{condition}"
    query = f"searchFilter={quote(wanted, safe='')}&workflowType=machine_learning"
    return f"{base}/#/experiments/{ids['experiment_id']}/runs?{query}"


def place_in_mlflow(ids: Mapping[str, str]) -> dict[str, str]:
    """Return where a reader of the report finds the study in MLflow."""
    if "run_id" not in ids:
        return {}
    place = web_address(ids["uri"]) or "thermometer ui FOLDER"
    return {"MLflow": f"run {ids['run_id']} of experiment {ids['experiment_id']}: {place}"}


def describe(
    folder: StudyFolder, spec: StudySpec, uri: str, experiment: str | None = None
) -> Subject:
    """Return what a store is told of a study before there are results.

    Parameters
    ----------
    experiment
        Name of the experiment; the study's by default.
    """
    experiment = experiment or spec.study
    held = str(folder.read_state().get("mlflow", {}).get("run_id", ""))
    noted = noted_parent(folder, uri, experiment)
    settings = {
        key: str(v)[:_LONGEST_SETTING] for key, v in spec.to_plain().items() if v is not None
    }
    return Subject(
        uri=uri,
        experiment=experiment,
        description=experiment_note(spec),
        artifacts=folder.artifacts.as_uri(),
        study=spec.study,
        key=study_key(folder),
        parents=tuple(run_id for run_id in dict.fromkeys((noted, held)) if run_id),
        settings=settings,
        tags={
            "thermometer.kind": spec.kind,
            "thermometer.spec": spec.digest,
            "thermometer.backend": spec.backend,
        },
    )


def provenance_tags() -> dict[str, str]:
    """Return which code, versions and machine make a study."""
    environment = provenance.environment()
    commit = provenance.commit()
    tags = {f"thermometer.{name}": str(environment[name]) for name in _VERSIONS}
    return {
        **tags,
        "mlflow.source.name": "thermometer",
        "mlflow.source.type": "LOCAL",
        **({} if commit == "unknown" else {"mlflow.source.git.commit": commit.split("+")[0]}),
        "thermometer.commit": commit,
    }
