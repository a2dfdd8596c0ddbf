"""``thermometer settings``: what a study can be told, and how editors and shells know it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

PRESETS = ("quick", "standard", "paper")


def complete_study(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a study."""
    from studies.specs.yaml_files import recipe_names

    return [CompletionItem(name) for name in recipe_names() if name.startswith(incomplete)]


def complete_setting(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete ``KEY=VALUE`` for the study that was named."""
    from studies.specs.listing import completions
    from studies.specs.resolve import load_source

    kind = load_source(ctx.params["study"]).get("kind")
    before = ctx.params.get("settings") or ()
    return [CompletionItem(text, help=h) for text, h in completions(kind, before, incomplete)]


def complete_preset(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a preset of the study that was named."""
    from studies.specs.resolve import load_source

    # An option without its value hides the arguments before it.
    study = ctx.params.get("study")
    presets = (load_source(study).get("presets") or {}) if study else PRESETS
    return [CompletionItem(name) for name in presets if name.startswith(incomplete)]


def one_of(*names: str) -> Callable[..., list[CompletionItem]]:
    """Return the completion of an option that is one of some names."""
    return lambda ctx, parameter, incomplete: [
        CompletionItem(name) for name in names if name.startswith(incomplete)
    ]


@click.command()
@click.argument("study", default="critical-temperature", shell_complete=complete_study)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of any study's YAML file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def settings(study: str, schema: bool, as_json: bool) -> int:
    """List the settings of STUDY: what it has, what each means, what it may be.

    STUDY is a name from `thermometer list` or a YAML file; critical-temperature by default.
    """
    from studies.specs.listing import setting_rows, study_schema
    from studies.specs.resolve import resolve_spec

    if schema:
        click.echo(json.dumps(study_schema(), indent=1))
        return 0
    spec = resolve_spec(study, {})
    values, shown = spec.to_plain(), spec.to_shown()
    listed: list[dict[str, Any]] = [
        {
            "setting": name,
            "value": values.get(name),
            "meaning": row.meaning,
            "choices": list(row.allowed()),
        }
        for name, row in setting_rows(spec.kind).items()
    ]
    if as_json:
        click.echo(json.dumps(listed))
        return 0
    for row in listed:
        click.echo(_line(row, shown.get(row["setting"], row["value"])))
    return 0


def _line(row: dict[str, Any], value: Any) -> str:
    """Return ``KEY=VALUE`` as it is typed, with what it means below."""
    text = value if isinstance(value, str) else json.dumps(value)
    choices = f": {', '.join(row['choices'])}" if row["choices"] else ""
    return f"{row['setting']}={text}\n  {row['meaning']}{choices}"
