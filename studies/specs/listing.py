"""The settings of a kind of study as a list, as a schema for editors, and as completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search_spaces.grid import Setting
from studies.experiments import load_experiment
from studies.kinds import KINDS
from studies.specs.settings import STUDY_SETTINGS, TEXT_KEYS

DEFAULT_KIND: str = STUDY_SETTINGS["kind"].default


def setting_rows(kind: str | None) -> dict[str, Setting]:
    """Return the settings of a kind of study by name, its texts left out; None: the main kind."""
    experiment = load_experiment(KINDS.load(kind or DEFAULT_KIND).experiment)
    return {**{row.name: row for row in experiment.settings}, **STUDY_SETTINGS}


def completions(kind: str | None, before: Sequence[str], incomplete: str) -> list[tuple[str, str]]:
    """Return what may be typed as ``KEY=VALUE``, each with its meaning.

    `before` are the words that were typed before; bash parts ``data=di`` at its sign.
    """
    rows = setting_rows(kind)
    name, sign, typed = incomplete.partition("=")
    prefix = f"{name}="
    last = [word for word in before[-2:] if word != "="][-1:]
    if last and (before[-1] == "=" or last[0] in rows):
        name, sign, typed, prefix = last[0], "=", incomplete, ""
    if not sign:
        return [(f"{key}=", r.meaning) for key, r in rows.items() if key.startswith(incomplete)]
    allowed = rows[name].allowed() if name in rows else ()
    return [(f"{prefix}{value}", "") for value in allowed if value.startswith(typed)]


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema of a study's YAML file, for editors that complete and check."""
    kinds = KINDS.names()
    bodies = {kind: {"$ref": f"#/$defs/{KINDS.load(kind).experiment}"} for kind in kinds}
    experiments = {KINDS.load(kind).experiment: kind for kind in kinds}
    main = bodies.pop(DEFAULT_KIND)
    others = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": body}
        for kind, body in bodies.items()
    ]
    is_other = {"properties": {"kind": {"enum": list(bodies)}}, "required": ["kind"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A study of sgd-thermometer",
        "type": "object",
        "allOf": [*others, {"if": {"not": is_other}, "then": main}],
        "$defs": {name: _schema_of(kind) for name, kind in experiments.items()},
    }


def _schema_of(kind: str) -> dict[str, Any]:
    settings = {name: _value_schema(row) for name, row in setting_rows(kind).items()}
    named = {"type": ["object", "null"], "additionalProperties": {"type": ["object", "null"]}}
    keys = load_experiment(KINDS.load(kind).experiment).keys
    scan = {"type": "object", "properties": {key: settings[key] for key in keys}}
    settings["scans"] = {
        "description": STUDY_SETTINGS["scans"].meaning,
        "type": ["object", "null"],
        "additionalProperties": {**scan, "additionalProperties": False},
    }
    texts = {key: {"type": "string"} for key in TEXT_KEYS}
    properties = {**texts, **settings, "presets": named}
    return {"properties": properties, "additionalProperties": False}


def _value_schema(row: Setting) -> dict[str, Any]:
    """Return the schema of a value, or a list of values; ranges and formulas are texts."""
    described = {"description": row.meaning}
    if not row.allowed():
        return described
    offered: dict[str, Any] = {"enum": list(row.allowed())}
    # A reader takes further names, such as the dotted path of a sampler.
    one = offered if row.reader is None else {"anyOf": [offered, {"type": "string"}]}
    return {**described, "anyOf": [one, {"type": "array", "items": one}, {"type": "null"}]}
