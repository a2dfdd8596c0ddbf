"""The table of settings: what is listed, offered to a shell, and told to an editor."""

import json

import jsonschema
import pytest
import yaml

from studies.cli import _run
from studies.kinds import KINDS
from studies.specs.listing import completions, setting_rows, study_schema
from studies.specs.resolve import resolve_spec
from studies.specs.spec import StudySpec
from studies.specs.yaml_files import load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_setting_of_a_spec_has_a_row_with_a_meaning(name):
    spec = resolve_spec(name, {})
    rows = setting_rows(spec.kind)
    assert set(spec.to_plain()) - set(spec.texts) - {"study"} <= set(rows)
    assert all(row.meaning for row in rows.values())


def test_defaults_of_the_table_are_those_of_a_study():
    for kind in KINDS.names():
        rows = setting_rows(kind)
        given = {"kind": kind}
        if {"temperature", "batch_size"} <= set(rows):
            given |= {"temperature": "window", "batch_size": 1}
        plain = StudySpec.from_plain(given).to_plain()
        for name, row in rows.items():
            if row.default is not None and name != "kind":
                assert plain[name] == row.default, name


@pytest.mark.parametrize(
    ("before", "incomplete", "offered"),
    [
        ((), "da", ["data="]),
        ((), "data=di", ["data=digits"]),
        # bash parts words at the sign
        (("data", "="), "di", ["digits"]),
        (("loss",), "", ["hinge", "quadratic_hinge", "logistic"]),
        (("n_train", "=", "64", "activation", "="), "t", ["tanh"]),
        (("data=digits",), "sampler=t", ["sampler=tpe"]),
        ((), "n_train=", []),
        ((), "nothing=", []),
    ],
)
def test_completions(before, incomplete, offered):
    found = completions("critical-temperature", before, incomplete)
    assert [text for text, _ in found] == offered


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_and_stored_specs_follow_the_schema(name):
    schema = study_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(load_recipe(name), schema)
    jsonschema.validate(yaml.safe_load(resolve_spec(name, {}).to_yaml()), schema)


@pytest.mark.parametrize(
    "wrong",
    [
        {"los": "hinge"},
        {"loss": "hinje"},
        {"kind": "escape-times", "n_train": 64},
        {"scans": {"one": {"los": "hinge"}}},
    ],
)
def test_the_schema_refuses_what_a_study_refuses(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, study_schema())


def test_settings_are_listed(capsys):
    assert _run(["settings", "escape-times"]) == 0
    out = capsys.readouterr().out
    assert "box=four\n  Box with one tail index per coordinate: four, three, two\n" in out
    assert _run(["settings", "--json"]) == 0
    rows = {row["setting"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["loss"]["value"] == "hinge"
    assert "quadratic_hinge" in rows["loss"]["choices"]
    assert _run(["settings", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == study_schema()
